/**
 * The trainer: takes the step's actors through one step after another, and keeps the order of things.
 *
 * The order must not change: the place in the data moves on only after the whole step, snapshots are taken between two steps only, and the
 * evaluation sees the weights of the step it is named after. It has no mailbox: what is asked of it waits for the next step boundary.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { RunConfig } from "../src/config/schema.ts"
import type { Child } from "../src/runtime/child-spec.ts"
import { monotonicMillisUnsafe } from "../src/runtime/monotonic.ts"
import type { ReconstructionLoss } from "../src/train/reconstruction-loss.ts"
import type { StepResult } from "../src/train/step.ts"
import { breathe } from "./breathe.ts"
import type { dataLoader } from "./data-loader.ts"
import type { discriminatorActor } from "./discriminator.ts"
import { Diverged, skippedInARow } from "./divergence.ts"
import type { emaActor } from "./ema.ts"
import type { Progress, Trained, TrainingFailed } from "./engine-protocol.ts"
import type { evaluatorActor } from "./evaluator.ts"
import { type Event, make as event } from "./events.ts"
import type { featureCache } from "./feature-cache.ts"
import { makeGanGuards } from "./gan-guards.ts"
import type { generatorActor } from "./generator.ts"
import * as LossSums from "./loss-sums.ts"
import { adopted, reclaimed } from "./ownership.ts"
import { advanced } from "./progress.ts"
import { StepLog } from "./step-log.ts"
import type { Setup } from "./training-setup.ts"
import type { TrainingState } from "./training-state.ts"
import { makeTrainingStep } from "./training-step.ts"
import { engineChildren } from "./tree.ts"

/** What is asked of the trainer from outside; it outlives the trainer's incarnations. */
export interface Session {
  /** Opened by `Train`. */
  readonly begin: Latch.Latch
  /** The step to end at; null: the last one. */
  until: number | null
  stopRequested: boolean
  snapshotRequested: boolean
  /** Held between two steps until it is false again, or a stop is asked for. */
  paused: boolean
  readonly done: Deferred.Deferred<Trained, TrainingFailed>
  /** Images that go through the networks together: the config's, or as many as there is memory for. */
  microBatch: number
  /** Steps to pass over; those found by this engine are added to those that the checkpoint names. */
  readonly skipped: Set<number>
  /** Reached, for the pulse. */
  progress: Progress
  /** The newest step that a committed checkpoint holds. */
  savedStep: number
}

type Asked<F extends (...args: never) => Effect.Effect<unknown, unknown, unknown>> = Effect.Success<ReturnType<F>>

export interface Options {
  readonly run: string
  readonly config: RunConfig
  readonly setup: Setup
  readonly stepsPerEpoch: number
  readonly latentShape: readonly [tokens: number, width: number]
  readonly state: TrainingState
  readonly session: Session
  readonly reconstruction: ReconstructionLoss
  readonly loader: Asked<typeof dataLoader>
  readonly cache: Asked<typeof featureCache>
  readonly generator: Asked<typeof generatorActor>
  readonly discriminator: Asked<typeof discriminatorActor>
  readonly ema: Asked<typeof emaActor>
  readonly evaluator: Asked<typeof evaluatorActor>
  readonly emit: (event: Event) => void
  readonly onSnapshot: (step: number) => void
}

/** Of 50 ms each, while training waits for the disk. */
const turnsBetweenReminders = 100

export const trainer = Effect.fnUntraced(function*(options: Options) {
  const clock = yield* Clock.Clock
  const { cache, config, discriminator, ema, emit, generator, loader, run, session, setup, state, stepsPerEpoch } = options
  let busy = false
  let lastMillis: number | null = null
  const { attempt, rollBack } = makeTrainingStep(options)
  const guards = makeGanGuards(config)

  /** False where a checkpoint is being written from the buffer, which stays as it is then. */
  const takeSnapshot = Effect.fnUntraced(function*(progress: Progress, reason: string) {
    if (state.isBeingWritten) return false
    const saved = [yield* generator.ask.saved(), yield* discriminator.ask.saved(), yield* ema.ask.saved()]
    // The supervisor may have sent for it while these were asked.
    if (state.isBeingWritten) return false
    const started = performance.now()
    yield* Effect.sync(() => state.captureTensors(
      new Map(saved.flatMap((role) => [...role.state])),
      { ...progress, counters: Object.assign({}, ...saved.map(({ counters }) => counters)), skipped: [...session.skipped] }))
    emit(event("snapshot.taken", run, { step: progress.step, bytes: state.bytes, seconds: (performance.now() - started) / 1000, reason }))
    options.onSnapshot(progress.step)
    return true
  })

  let announced = -1
  /** Once for a step, however often it is tried. */
  const announcePhases = (step: number) => {
    if (step <= announced) return
    announced = step
    const now = setup.phasesAt(step)
    const before = step === 0 ? { lpips: false, adversarial: false, discriminator: false } : setup.phasesAt(step - 1)
    for (const phase of ["lpips", "adversarial", "discriminator"] as const) if (now[phase] && !before[phase]) emit(event("train.phase", run, { step, phase }))
  }

  /** False where a stop broke it off. */
  const evaluate = (step: number) => Effect.gen(function*() {
    const weights = yield* adopted("trainer", ema.ask.weights())
    // The evaluator's failure is its own: training goes on without the figure. A stop does not wait for it.
    const over = yield* options.evaluator.ask.evaluate(step, weights, () => !session.stopRequested).pipe(
      // Started again after a fault of its own, it is asked once more: the run's last figures are those that its table shows.
      Effect.retry({ times: 1, while: ({ _tag }) => _tag === "ActorDown" }),
      Effect.as(true),
      Effect.catch((error) => Effect.sync(() => {
        const cutOff = error._tag === "EvaluationCutOff"
        emit(cutOff ? event("eval.cut_off", run, { step, images: error.images }) : event("eval.failed", run, { step, reason: error.message }))
        return !cutOff
      })))
    for (const weight of weights.values()) weight.dispose()
    return over
  })

  /** Work that could be lost has a limit where the config sets one: beyond it training waits for the disk. */
  const waitForSave = Effect.fnUntraced(function*(progress: Progress) {
    const { step } = progress
    const limit = config.checkpoint.max_unsaved_steps
    const tooFar = () => limit > 0 && step - session.savedStep >= limit && !session.stopRequested
    if (!tooFar()) return
    emit(event("train.paused", run, { step, reason: `${step - session.savedStep} steps are not saved` }))
    for (let turn = 1; tooFar(); turn++) {
      // What is in the buffer may be older than what is at stake.
      if (state.progress.step !== step) yield* takeSnapshot(progress, "unsaved work at its limit")
      // Whoever was told of it may have been restarted since, and know nothing of it.
      else if (turn % turnsBetweenReminders === 0) options.onSnapshot(step)
      yield* Effect.sleep("50 millis")
    }
    emit(event("train.resumed", run, { step }))
  })

  /** Somebody wants the machine for a while: nothing moves, everything is answered. */
  const waitWhilePaused = Effect.fnUntraced(function*(progress: Progress) {
    if (!session.paused || session.stopRequested) return
    const { step } = progress
    emit(event("train.paused", run, { step, reason: "asked to" }))
    while (session.paused && !session.stopRequested) {
      if (session.snapshotRequested && (yield* takeSnapshot(progress, "asked for"))) session.snapshotRequested = false
      yield* Effect.sleep("50 millis")
    }
    emit(event("train.resumed", run, { step }))
  })

  /** A step that cannot be had: where to go on, the step itself being passed over from now on. */
  const passOver = Effect.fnUntraced(function*(progress: Progress, what: NonNullable<StepResult["nonFinite"]>) {
    const { step } = progress
    session.skipped.add(step)
    // Before the decoder's update nothing was written. After it decoder and average are a step ahead: all go back to where they belong together.
    const back = what === "discriminator" ? yield* rollBack : null
    emit(event("train.not_finite", run, { step, what, rolled_back_to: back?.step ?? null }))
    const inARow = skippedInARow(session.skipped, step)
    const { max_skipped: max } = config.divergence
    return inARow > max ? yield* new Diverged({ step, reason: `a loss or a gradient was not finite in ${inARow} steps in a row (divergence.max_skipped: ${max})` }) : back ?? progress
  })

  /** What the guards of adversarial training make of a step. */
  const watch = Effect.fnUntraced(function*(step: number, result: StepResult, emaDistance: number | null) {
    for (const { guard, limit, steps, value } of guards.observe({ step, weight: result.weight, disc: result.losses.disc, emaDistance })) {
      emit(event("train.diverging", run, { step, guard, value, limit, steps }))
      if (config.divergence.action === "stop") return yield* new Diverged({ step, reason: `${guard} has been ${value} for ${steps} steps (limit ${limit})` })
    }
  })

  const distanceOfAverage = Effect.gen(function*() {
    const weights = yield* adopted("trainer", generator.ask.weights())
    // A figure to watch is not worth a run that has just enough memory for its steps.
    const distance = yield* ema.ask.distance(weights).pipe(Effect.catchTag("OutOfMemory", () => Effect.succeed(null)))
    for (const weight of weights.values()) weight.dispose()
    return distance
  })

  const isDue = (step: number, every: number) => every > 0 && step % every === 0

  const loop = Effect.gen(function*() {
    let log = new StepLog(config.training.global_batch_size)
    let progress = state.progress
    for (const step of progress.skipped) session.skipped.add(step)
    // It was saved but not marked done: what came after the last step may be missing.
    let evaluated = progress.step < setup.steps || (yield* evaluate(progress.step))
    while (true) {
      const end = Math.min(session.until ?? setup.steps, setup.steps)
      if (progress.step >= end || session.stopRequested) break
      yield* breathe
      yield* waitForSave(progress)
      yield* waitWhilePaused(progress)
      if (session.stopRequested) break
      const { step } = progress
      announcePhases(step)
      busy = true
      const outcome = session.skipped.has(step) ? null : yield* attempt(progress)
      busy = false
      lastMillis = monotonicMillisUnsafe(clock)
      const retryFrom = outcome === null ? null : outcome._tag === "Smaller" ? outcome.from : outcome.result.nonFinite === null ? null : yield* passOver(progress, outcome.result.nonFinite)
      if (retryFrom !== null) {
        // What is done again is counted again.
        if (retryFrom.step !== step) log = new StepLog(config.training.global_batch_size)
        progress = retryFrom
        session.progress = retryFrom
        continue
      }
      const result = outcome?._tag === "Done" ? outcome.result : null
      if (result !== null) log.add(result)
      const next = advanced(progress, result, stepsPerEpoch)
      session.progress = next
      const ended = next.epoch !== progress.epoch
      const logged = !log.empty && (isDue(next.step, config.training.log_interval) || next.step === end)
      if (logged) emit(event("train.step", run, { step: next.step, epoch: progress.epoch, ...log.flush() }))
      if (result !== null) yield* watch(next.step, result, logged ? yield* distanceOfAverage : null)
      if (ended) emit(event("train.epoch", run, { step: next.step, epoch: progress.epoch, losses: next.last_epoch }))
      progress = next
      if (isDue(next.step, config.eval.eval_interval) || next.step === setup.steps) evaluated = yield* evaluate(next.step)
      const due = isDue(next.step, config.checkpoint.every_steps) || (ended && isDue(next.epoch, config.training.checkpoint_interval))
      if ((due || session.snapshotRequested) && next.step < end) {
        if (yield* takeSnapshot(progress, session.snapshotRequested ? "asked for" : "interval")) session.snapshotRequested = false
      }
    }
    // The last state is in the buffer, whatever was saved before it; a write in progress is waited for.
    while (state.progress.step !== progress.step && !(yield* takeSnapshot(progress, session.stopRequested ? "stopped" : "end"))) yield* Effect.sleep("5 millis")
    const usage = yield* cache.ask.usage()
    emit(event("feature_cache.used", run, usage))
    const images = yield* loader.ask.unreadable()
    if (images.length > 0) emit(event("data.unreadable", run, { images }))
    // Without its figures the last step is not the end: they are made up for when the run goes on.
    const finished = progress.step >= setup.steps && evaluated
    const partial = LossSums.means(progress)
    yield* Deferred.succeed(session.done, { step: progress.step, finished, means: Object.keys(partial).length === 0 ? progress.last_epoch : partial })
  })

  const child: Child = {
    name: "trainer", shutdown: engineChildren.trainer.shutdown,
    activity: () => ({ busy, op: `step ${session.progress.step}`, mailbox: null, lastMillis }),
    run: (ready) => Effect.gen(function*() {
      yield* reclaimed("trainer")
      busy = false
      yield* ready
      yield* session.begin.await
      yield* loop
      return yield* Effect.never
    })
  }
  return child
})
