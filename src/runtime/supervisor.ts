/**
 * Starts children in order, each when the one before is ready; restarts them by strategy; stops them in reverse, each within
 * its deadline. It gives up, with a typed error, when failures come too often, lead nowhere, or are beyond it by their type.
 * A supervisor is a child spec itself.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import { type Backoff, defaultBackoff, delayMillis } from "./backoff.ts"
import type { Child, ChildStatus, OnFailure, Response } from "./child-spec.ts"
import { monotonicMillis, monotonicMillisUnsafe } from "./monotonic.ts"
import { reasonOf } from "./reason.ts"
import { type Intensity, makeProgressGuard, makeRestartWindow, type Progress } from "./restart-window.ts"
import { makeSlot, type Slot, statusOf } from "./slot.ts"
import type { Strategy, SupervisionEvent } from "./supervision-event.ts"
import { Escalated, NoProgress, type SupervisorError, TooManyRestarts } from "./supervisor-error.ts"
import { terminate } from "./terminator.ts"

export type { Child, ChildStatus } from "./child-spec.ts"
export type { SupervisionEvent } from "./supervision-event.ts"
export { Escalated, NoProgress, rootCause, type SupervisorError, TooManyRestarts } from "./supervisor-error.ts"

export interface SupervisorSpec<R = never> {
  readonly name: string
  readonly strategy: Strategy
  readonly intensity: Intensity
  readonly backoff?: Backoff | undefined
  readonly children: ReadonlyArray<Child<R>>
  /** For children that have no opinion of their own. */
  readonly onFailure?: OnFailure | undefined
  readonly progress?: Progress | undefined
  readonly onEvent?: ((event: SupervisionEvent) => void) | undefined
}

export interface Supervisor<R = never> extends Child<R> {
  readonly run: (ready: Effect.Effect<void>) => Effect.Effect<void, SupervisorError, R>
  readonly children: (depth?: number) => ReadonlyArray<ChildStatus>
  /** Restarts a child, and by strategy its siblings, now; not counted as a failure. False: no such child is under supervision. */
  readonly restartChild: (name: string) => Effect.Effect<boolean>
}

type Signal =
  | { readonly _tag: "Ended"; readonly index: number; readonly generation: number; readonly exit: Exit.Exit<unknown, unknown> }
  | { readonly _tag: "Restart"; readonly index: number }

const defaultShutdown: Duration.Input = "5 seconds"

export const supervisor = <R = never>(spec: SupervisorSpec<R>): Supervisor<R> => {
  const { intensity, name, strategy } = spec
  const backoff = spec.backoff ?? defaultBackoff
  const slots = spec.children.map(makeSlot)
  let signals: Queue.Queue<Signal> | undefined
  let clock: Clock.Clock | undefined

  const emit = (event: SupervisionEvent) => {
    try {
      spec.onEvent?.(event)
    } catch {
      // who listens must not be able to end who supervises
    }
  }

  const stop = Effect.fnUntraced(function*(slot: Slot<R>) {
    const { fiber } = slot
    if (fiber === undefined) return
    slot.generation++ // the end this causes is no news
    const ending = yield* terminate(fiber, slot.child.shutdown ?? defaultShutdown)
    slot.fiber = undefined
    slot.state = "stopped"
    slot.upMillis = undefined
    emit({
      type: "child_stopped", supervisor: name, offender: slot.child.name,
      ...(ending === "stopped" ? { context: "shutdown", reason: "stopped" } : { context: "shutdown_error", reason: "did not stop in time, left behind" })
    })
  })
  const stopInReverse = (some: ReadonlyArray<Slot<R>>) => Effect.forEach(some.toReversed(), stop, { discard: true })

  const isOver = (slot: Slot<R>) => slot.fiber === undefined

  const run = Effect.fnUntraced(function*(ready: Effect.Effect<void>) {
    const queue = yield* Queue.unbounded<Signal>()
    signals = queue
    clock = yield* Clock.Clock
    const window = makeRestartWindow(intensity)
    const guard = makeProgressGuard(spec.progress)

    let announced = false
    const announce = Effect.suspend(() => {
      if (announced || !slots.every((slot) => slot.ready.isOpen())) return Effect.void
      announced = true
      return ready
    })
    /** It will not run (again): whoever waits for it goes on without. */
    const retire = (slot: Slot<R>, state: "stopped" | "failed") => {
      slot.state = state
      slot.upMillis = undefined
      slot.ready.openUnsafe()
      return announce
    }

    /** Looks again after each wait: one may have gone down while another was waited for. */
    const earlierAreReady = (slot: Slot<R>): Effect.Effect<void> => Effect.suspend(() => {
      const missing = slots.slice(0, slot.index).find((earlier) => !earlier.ready.isOpen())
      return missing === undefined ? Effect.void : Effect.andThen(missing.ready.await, earlierAreReady(slot))
    })

    const start = Effect.fnUntraced(function*(slot: Slot<R>, delay: number) {
      const generation = ++slot.generation
      slot.ready.closeUnsafe()
      slot.state = slot.starts === 0 ? "starting" : "restarting"
      slot.starts++
      const up = Effect.gen(function*() {
        if (slot.generation !== generation || slot.state === "up") return
        slot.state = "up"
        slot.upMillis = yield* monotonicMillis
        emit({ type: "child_started", supervisor: name, child: slot.child.name, attempt: slot.starts })
        yield* slot.ready.open
        yield* announce
      })
      slot.fiber = yield* (delay > 0 ? Effect.sleep(delay) : Effect.void).pipe(
        Effect.andThen(earlierAreReady(slot)),
        Effect.andThen(slot.child.run(up)),
        Effect.scoped,
        Effect.onExit((exit) => Queue.offer(queue, { _tag: "Ended", index: slot.index, generation, exit })),
        // detached, with this supervisor for its owner: it decides the order of death, which a scope would get wrong after a restart
        Effect.forkDetach
      )
    }, Effect.uninterruptible)

    /** Whom the strategy takes down with the child. */
    const reachedBy = (slot: Slot<R>) => strategy === "one-for-one" ? [slot] : slots.slice(strategy === "one-for-all" ? 0 : slot.index)
    /** Whom it starts again: not who is never to be, or was given up. */
    const affectedBy = (slot: Slot<R>) => reachedBy(slot).filter((each) => each === slot || (each.child.restart !== "temporary" && each.state !== "failed"))

    const restart = Effect.fnUntraced(function*(slot: Slot<R>, delay: number) {
      const affected = affectedBy(slot)
      const reached = reachedBy(slot)
      yield* stopInReverse(reached)
      for (const each of reached) if (!affected.includes(each)) each.ready.openUnsafe() // nobody waits for who never comes back
      for (const [position, each] of affected.entries()) yield* start(each, position === 0 ? delay : 0)
    })

    const ended = Effect.fnUntraced(function*(slot: Slot<R>, exit: Exit.Exit<unknown, unknown>) {
      const { child } = slot
      const context = slot.state === "up" ? "child_terminated" : "start_error"
      slot.fiber = undefined
      slot.upMillis = undefined
      slot.ready.closeUnsafe()
      if (Exit.isSuccess(exit) && (child.restart ?? "permanent") !== "permanent") {
        yield* retire(slot, "stopped")
        return child.significant === true
      }
      const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      const reason = slot.reason = Exit.isFailure(exit) ? reasonOf(exit.cause) : "ended"
      const response = Exit.isSuccess(exit) ? "restart" : responseTo(child, error)
      const attempt = response === "restart" ? window.record(yield* monotonicMillis) : 0
      const delay = response === "restart" ? delayMillis(backoff, attempt, yield* Random.next) : 0
      const affected = response === "restart" ? affectedBy(slot).map((each) => each.child.name) : []
      slot.state = response === "restart" ? "restarting" : "failed"
      emit({
        type: "child_down", supervisor: name, context, reason, offender: child.name, strategy, response,
        attempt, max: intensity.max, delay_seconds: delay / 1000, affected, error
      })
      if (response === "stop") {
        yield* retire(slot, "failed")
        return false
      }
      const failure = failureOf(child.name, response, error ?? new Error(`${child.name} ended`), attempt, guard)
      if (failure !== undefined) {
        slot.state = "failed"
        emit({ type: "gave_up", supervisor: name, context: contexts[failure._tag], reason: failure.message, offender: child.name, error: failure })
        return yield* failure
      }
      yield* restart(slot, delay)
      return false
    })

    const serve = Effect.gen(function*() {
      for (const slot of slots) slot.ready.closeUnsafe()
      for (const slot of slots) yield* start(slot, 0)
      while (!slots.every(isOver)) {
        const signal = yield* Queue.take(queue)
        const slot = slots[signal.index] as Slot<R>
        if (signal._tag === "Restart") yield* restart(slot, 0)
        else if (signal.generation === slot.generation && (yield* ended(slot, signal.exit))) return
      }
    })
    return yield* serve.pipe(Effect.onExit(() => {
      signals = undefined
      return stopInReverse(slots)
    }))
  })

  /** What the type of the error asks for: the child's opinion, else the supervisor's, else a restart. */
  const responseTo = (child: Child<R>, error: unknown): Response =>
    child.restart === "temporary" ? "stop" : child.onFailure?.(error) ?? spec.onFailure?.(error) ?? "restart"

  const failureOf = (child: string, response: Response, cause: unknown, attempt: number, guard: ReturnType<typeof makeProgressGuard>) => {
    if (response === "escalate") return new Escalated({ supervisor: name, child, cause })
    const stuck = guard.record()
    if (stuck !== undefined) return new NoProgress({ supervisor: name, child, restarts: stuck.restarts, progress: stuck.value, cause })
    if (attempt <= intensity.max) return undefined
    return new TooManyRestarts({ supervisor: name, child, cause, max: intensity.max, within_seconds: Duration.toMillis(intensity.within) / 1000 })
  }

  return {
    name,
    run,
    shutdown: Duration.infinity,
    children: (depth = 0) => slots.flatMap((slot) => statusOf(slot, depth, clock === undefined ? 0 : monotonicMillisUnsafe(clock))),
    restartChild: (child) => Effect.sync(() => {
      const index = slots.findIndex((slot) => slot.child.name === child && slot.state !== "stopped")
      return index >= 0 && signals !== undefined && Queue.offerUnsafe(signals, { _tag: "Restart", index })
    })
  }
}

const contexts = { TooManyRestarts: "intensity", NoProgress: "no_progress", Escalated: "escalated" } as const
