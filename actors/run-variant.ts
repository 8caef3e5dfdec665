/**
 * One run from where it is to where it shall go: checkpointer and engine under a supervisor, until training has ended and its last
 * snapshot is committed. Whatever dies in between is started again from the last commit.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import { type ActorDown, actor } from "../src/runtime/actor.ts"
import type { Child } from "../src/runtime/child-spec.ts"
import type { SupervisionEvent } from "../src/runtime/supervision-event.ts"
import { supervisor, type Supervisor } from "../src/runtime/supervisor.ts"
import { openStores } from "./checkpoint-stores.ts"
import * as Checkpointer from "./checkpointer.ts"
import * as Keeper from "./engine-keeper.ts"
import type { Report, Trained } from "./engine-protocol.ts"
import { type Event, make as event } from "./events.ts"
import type { Preloaded } from "./first-engine.ts"
import type { PlannedVariant, RunPlan } from "./run-plan.ts"
import type { RunStatus } from "./run-status.ts"
import { StopTookTooLong } from "./run-errors.ts"
import { supervisorTree } from "./tree.ts"

export interface VariantRun {
  readonly plan: RunPlan
  readonly variant: PlannedVariant
  readonly keeper: Keeper.Options
  readonly status: RunStatus
  readonly emit: (event: Event) => void
  readonly preloaded: Preloaded | null
  /** What a signal, or a request on the control socket, stops. */
  readonly onEngine: (engine: Keeper.LiveEngine | null) => Effect.Effect<void>
  /** Open once a stop was asked for: an engine that is not up then is not waited for. */
  readonly stopping: Latch.Latch
  /** What is supervised, for the status document. */
  readonly onTree: (tree: Supervisor<never>, checkpointer: Checkpointer.Checkpointer) => void
}

/** How often a request is repeated while the actor that serves it is being restarted. */
const asksWhileRestarting = 5

export const runVariant = Effect.fnUntraced(function*(options: VariantRun) {
  const { emit, keeper, status, variant } = options
  const { run } = variant
  const stores = yield* openStores(variant)
  const { ballast, scrub_seconds } = variant.config.checkpoint
  const checkpointer = Checkpointer.make({ run, configHash: variant.hash, stores, emit, step: status.step, cacheDir: keeper.request.cache_dir, ballast })
  yield* checkpointer.removeLeftovers
  yield* Effect.addFinalizer(() => checkpointer.releaseBallast)
  let engine: Keeper.LiveEngine | null = null
  let preloaded = options.preloaded
  let attempts = preloaded?.attempt ?? 0
  let trained: Trained | null = null
  let savesWaiting = 0
  const hold = (next: Keeper.LiveEngine | null) => Effect.suspend(() => {
    engine = next
    return options.onEngine(next)
  })

  /** There is a good checkpoint less than there should be: another is made after the next step, whenever one is due. */
  const saveSoon = Effect.suspend(() => engine === null ? Effect.void : Effect.ignore(engine.handle.client.TakeSnapshot()))

  const saver = yield* actor({
    name: "checkpointer", capacity: 4,
    init: Effect.sync(() => {
      savesWaiting = 0
      return {
        save: (step: number) => Effect.suspend(() => {
          savesWaiting = 0
          return engine === null ? Effect.void : checkpointer.save(Keeper.writer(engine), step)
        }),
        scrub: () => Effect.flatMap(checkpointer.scrub, (aside) => aside ? saveSoon : Effect.void)
      }
    })
  })
  if (scrub_seconds > 0) {
    const scrubWhenIdle = Effect.suspend(() => saver.activity().busy ? Effect.void : saver.tell.scrub())
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(`${scrub_seconds} seconds`), scrubWhenIdle)))
  }

  const onReport = (report: Report): Effect.Effect<void> => {
    // A letter that waits will write the newest snapshot anyway: two waiting ones would say the same.
    if (report._tag !== "SnapshotTaken") return keeper.onReport(report)
    if (savesWaiting > 0) return Effect.void
    savesWaiting++
    return Effect.asVoid(saver.tell.save(report.step))
  }

  /** The one that is loaded already, else a new one; null where a stop is asked for before it is up. */
  const nextEngine = Effect.suspend(() => {
    const given = preloaded
    preloaded = null
    if (given !== null) return Effect.as(Effect.addFinalizer((exit) => Scope.close(given.scope, exit)), given.engine)
    attempts++
    return Effect.raceFirst(Keeper.launch(keeper, attempts, stores), Effect.as(options.stopping.await, null))
  })

  /** What could not be saved in the time that a stop has is given up: who asked for the stop waits for it. */
  const stopDeadline = Effect.fnUntraced(function*(live: Keeper.LiveEngine) {
    const { stop_seconds: seconds } = variant.config.supervision
    yield* options.stopping.await
    yield* Effect.sleep(`${seconds} seconds`)
    live.handle.kill("SIGKILL")
    return yield* new StopTookTooLong({ seconds, step: status.step(), committed: checkpointer.committedStep() })
  })

  const engineChild: Child = {
    name: "engine", restart: "transient", significant: true, shutdown: "30 seconds", onFailure: Keeper.onFailure,
    run: (ready) => Effect.gen(function*() {
      yield* Effect.addFinalizer(() => hold(null))
      const live = yield* nextEngine
      if (live === null) return
      checkpointer.resumed(live.resumedFrom)
      yield* hold(live)
      yield* ready
      // Asked for while it was not held yet: what it was filled from is saved.
      if (options.stopping.isOpen()) return
      if (live.fellBack) yield* saveSoon
      const toTheEnd = Effect.gen(function*() {
        const done = yield* Keeper.train({ ...keeper, onReport }, live)
        yield* saver.ask.save(done.step).pipe(Effect.retry({ times: asksWhileRestarting, while: (error): error is ActorDown => error._tag === "ActorDown" }))
        trained = done
      })
      yield* Effect.raceFirst(toTheEnd, stopDeadline(live))
    })
  }

  const onSupervision = (happened: SupervisionEvent): void => {
    if (happened.type === "child_down") {
      const { error } = happened
      // One that hung was told of before it was killed.
      if (Keeper.isLost(error) && error._tag === "ChildExited") {
        emit(event("engine.exited", run, { pid: error.pid, code: error.code, signal: error.signal, step: status.step(), stderr: [...error.stderr] }))
      }
      const lost = happened.offender === "engine" ? status.step() - (checkpointer.committedStep() ?? 0) : null
      emit(event("supervisor.child_down", run, {
        supervisor: happened.supervisor, context: happened.context, reason: happened.reason, offender: happened.offender, strategy: happened.strategy,
        attempt: happened.attempt, max: happened.max, delay_seconds: happened.delay_seconds, lost_steps: lost
      }))
    }
    if (happened.type === "gave_up") {
      emit(event("supervisor.gave_up", run, { supervisor: happened.supervisor, context: happened.context, reason: happened.reason, offender: happened.offender }))
    }
  }

  const { max_restarts, max_without_progress, within_seconds } = variant.config.supervision
  const tree = supervisor({
    ...supervisorTree, intensity: { max: max_restarts, within: `${within_seconds} seconds` },
    progress: { value: () => checkpointer.committedStep() ?? -1, max: max_without_progress },
    children: [saver, engineChild], onEvent: onSupervision
  })
  options.onTree(tree, checkpointer)
  yield* Effect.scoped(tree.run(Effect.void))
  return { trained: trained as Trained | null, committed: checkpointer.committedStep() }
}, Effect.scoped)
