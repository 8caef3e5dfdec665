/** Stops a fiber within a deadline that holds even where the fiber cannot be interrupted: then it is left behind. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

export type Ending = "stopped" | "abandoned"

export const terminate = (fiber: Fiber.Fiber<unknown, unknown>, deadline: Duration.Input): Effect.Effect<Ending> => {
  const stop = Fiber.interrupt(fiber)
  if (!Duration.isFinite(Duration.fromInputUnsafe(deadline))) return Effect.as(stop, "stopped")
  return stop.pipe(
    Effect.interruptible, // the wait, so that the deadline can end it inside a finalizer too
    Effect.timeoutOption(deadline),
    Effect.map((ended) => Option.isSome(ended) ? "stopped" : "abandoned")
  )
}
