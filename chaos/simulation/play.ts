/** One schedule, played from its beginning to the end of the run, in virtual time. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import type { Strategy } from "../../src/runtime/supervision-event.ts"
import { rootCause } from "../../src/runtime/supervisor.ts"
import { application } from "./application.ts"
import { limitsBroken, orderBroken } from "./invariants.ts"
import type { Happening, Schedule } from "./schedule.ts"
import { makeWorld, type World } from "./world.ts"

export interface Played {
  readonly ended: "done" | "gave up" | "not at all"
  /** What went against an invariant; nothing in a system without faults of its own. */
  readonly violations: ReadonlyArray<string>
  readonly restarts: number
  readonly engines: number
}

const happen = (world: World, happening: Happening): void => {
  switch (happening._tag) {
    case "EngineDies": return world.killEngine()
    case "ActorThrows": return void world.doomed.add(happening.actor)
    case "TrainerDies": return void world.doomed.add("trainer")
    case "CheckpointerDies": return void world.doomed.add("checkpointer")
    case "DiskRefuses": return world.refuse(happening.millis)
  }
}

/** Longer than all refusals of the disk, all backoffs and all restarts that are allowed take together. */
const patienceSeconds = 3600
const givenUp = new Set(["TooManyRestarts", "NoProgress"])

export const play = Effect.fnUntraced(function*(schedule: Schedule, strategy?: Strategy) {
  const clock = yield* Clock.Clock
  const began = clock.currentTimeMillisUnsafe()
  const now = () => clock.currentTimeMillisUnsafe() - began
  const world = makeWorld(schedule, now)
  const fiber = yield* application(world, strategy).pipe(Effect.forkDetach({ startImmediately: true }))
  for (const happening of schedule.happenings) {
    yield* TestClock.adjust(Math.max(0, happening.at - now()))
    happen(world, happening)
  }
  for (let second = 0; second < patienceSeconds && fiber.pollUnsafe() === undefined; second += 5) yield* TestClock.adjust("5 seconds")
  const over = fiber.pollUnsafe() !== undefined
  yield* Fiber.interrupt(fiber)
  const exit = yield* Fiber.await(fiber)
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) as { readonly _tag?: string } : null

  const endings = !over ? [`not over after ${patienceSeconds} s: ${world.engines()} engines, ${world.noted.length} events`]
    : error === null ? (world.newest().step === schedule.steps ? [] : [`done at step ${world.newest().step} of ${schedule.steps}`])
    : givenUp.has(error._tag ?? "") ? [] : [`ended with ${String(rootCause(error))}`]
  const played: Played = {
    ended: !over ? "not at all" : error === null ? "done" : "gave up",
    violations: [
      ...world.violations, ...endings, ...world.alive().map((name) => `${name} outlived its supervisor`),
      ...orderBroken(world.noted), ...limitsBroken(world.noted, schedule), ...(schedule.happenings.length === 0 && schedule.poisonedStep === null && world.engines() > 1 ? ["a restart without a fault"] : [])
    ],
    restarts: world.noted.filter(({ event }) => event.type === "child_down").length, engines: world.engines()
  }
  return played
})
