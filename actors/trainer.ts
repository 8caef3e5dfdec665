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
import { type ActorDown } from "../src/runtime/actor.ts"
import type { Child } from "../src/runtime/child-spec.ts"
import { monotonicMillisUnsafe } from "../src/runtime/monotonic.ts"
import * as T from "../src/tensor/ops.ts"
import { withOwner } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import type { Actors } from "../src/train/actors.ts"
import { type Draws, drawsFor } from "../src/train/draws.ts"
import type { ReconstructionLoss } from "../src/train/reconstruction-loss.ts"
import { type StepResult, trainStep } from "../src/train/step.ts"
import type { dataLoader } from "./data-loader.ts"
import type { discriminatorActor } from "./discriminator.ts"
import type { emaActor } from "./ema.ts"
import type { Progress, Trained, TrainingFailed } from "./engine-protocol.ts"
import type { evaluatorActor } from "./evaluator.ts"
import { type Event, make as event } from "./events.ts"
import { takePoison } from "./fault-points.ts"
import type { featureCache } from "./feature-cache.ts"
import type { generatorActor } from "./generator.ts"
import * as LossSums from "./loss-sums.ts"
import { adopted, owned, reclaimed } from "./ownership.ts"
import { advanced } from "./progress.ts"
import { StepLog } from "./step-log.ts"
import type { Setup } from "./training-setup.ts"
import type { TrainingState } from "./training-state.ts"
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
  /** Steps to pass over; those found by this engine are added to those that the checkpoint names. */
  readonly skipped: Set<number>
  /** Reached, for the pulse. */
  progress: Progress
  /** The newest step that a committed checkpoint holds. */
  savedStep: number
  /** A checkpoint is being written from the buffer: it must not be overwritten. */
  writing: boolean
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

/** An actor that holds no state is asked again once it is back. */
const again = <A, E>(ask: Effect.Effect<A, E | ActorDown>): Effect.Effect<A, E | ActorDown> =>
  Effect.retry(ask, { times: 10, while: (error) => typeof error === "object" && error !== null && "_tag" in error && error._tag === "ActorDown" })

/** Turns of the event loop that a request takes from the pipe to its handler, with some to spare; 10 µs each. */
const turns = 10

/** Steps are synchronous work: between two of them the event loop gets a turn, for requests, reports and the loader. */
const breathe = Effect.callback<void>((resume) => {
  let left = turns
  const turn = () => {
    left--
    if (left === 0) resume(Effect.void)
    else setImmediate(turn)
  }
  setImmediate(turn)
})

export const trainer = Effect.fnUntraced(function*(options: Options) {
  const clock = yield* Clock.Clock
  const { cache, config, discriminator, ema, emit, generator, loader, reconstruction, run, session, setup, state, stepsPerEpoch } = options
  let busy = false
  let lastMillis: number | null = null

  const actors = (samples: Parameters<typeof cache.ask.features>[1]): Actors<Effect.Effect<unknown, unknown>> => {
    const mine = <A, E>(reply: Effect.Effect<A, E>) => adopted("trainer", reply)
    return {
      encoder: {
        features: (images) => again(cache.ask.features(images, samples)).pipe(
          Effect.map(({ z }) => z), mine,
          // Only now: latents of such images must not get into the cache.
          Effect.tap(() => Effect.sync(() => { if (takePoison()) T.mul_(images, Number.NaN) })))
      },
      generator: {
        forward: (...args) => mine(generator.ask.forward(...args)),
        adaptiveWeight: (...args) => generator.ask.adaptiveWeight(...args),
        backward: (...args) => generator.ask.backward(...args),
        update: () => generator.ask.update(),
        weights: () => mine(generator.ask.weights()),
        reconstruct: (...args) => mine(generator.ask.reconstruct(...args))
      },
      discriminator: {
        judge: (...args) => mine(discriminator.ask.judge(...args)),
        learn: (...args) => mine(discriminator.ask.learn(...args))
      },
      ema: { follow: (weights) => ema.ask.follow(weights) },
      reconstruction: { judge: (...args) => owned("trainer", () => reconstruction.judge(...args)) }
    }
  }

  /** False where a checkpoint is being written from the buffer, which stays as it is then. */
  const takeSnapshot = Effect.fnUntraced(function*(progress: Progress, reason: string) {
    if (session.writing) return false
    const saved = [yield* generator.ask.saved(), yield* discriminator.ask.saved(), yield* ema.ask.saved()]
    // The supervisor may have sent for it while these were asked.
    if (session.writing) return false
    const started = performance.now()
    yield* Effect.sync(() => state.captureTensors(
      new Map(saved.flatMap((role) => [...role.state])),
      { ...progress, counters: Object.assign({}, ...saved.map(({ counters }) => counters)), skipped: [...session.skipped] }))
    emit(event("snapshot.taken", run, { step: progress.step, bytes: state.bytes, seconds: (performance.now() - started) / 1000, reason }))
    options.onSnapshot(progress.step)
    return true
  })

  const drawn = (step: number): Draws => withOwner("trainer", () => drawsFor({
    seed: config.training.global_seed, step, samples: Array.from({ length: config.training.global_batch_size }, (_, i) => i),
    tokens: options.latentShape[0], width: options.latentShape[1], noiseTau: config.stage_1.params.noise_tau, discUpdates: config.gan.loss.disc_updates
  }))

  /** One step on the batch at this place. Where it fails its tensors are reclaimed by the next incarnation. */
  const oneStep = Effect.fnUntraced(function*(progress: Progress) {
    busy = true
    const waited = performance.now()
    const batch = yield* adopted("trainer", again(loader.ask.batch(progress.epoch, progress.position)))
    const seconds = (performance.now() - waited) / 1000
    const draws = drawn(progress.step)
    const result: StepResult = yield* Effect.gen(() =>
      trainStep(actors(batch.samples), { images: batch.images, latents: null, draws }, setup.phasesAt(progress.step), setup.hyperparameters))
    for (const tensor of [batch.images, ...tensorsOf(draws)]) tensor.dispose()
    busy = false
    lastMillis = monotonicMillisUnsafe(clock)
    return { ...result, seconds: { data: seconds, ...result.seconds } }
  })

  const announcePhases = (step: number) => {
    const now = setup.phasesAt(step)
    const before = step === 0 ? { lpips: false, adversarial: false, discriminator: false } : setup.phasesAt(step - 1)
    for (const phase of ["lpips", "adversarial", "discriminator"] as const) if (now[phase] && !before[phase]) emit(event("train.phase", run, { step, phase }))
  }

  const evaluate = (step: number) => Effect.gen(function*() {
    const weights = yield* adopted("trainer", ema.ask.weights())
    // The evaluator's failure is its own: training goes on without the figure.
    yield* options.evaluator.ask.evaluate(step, weights).pipe(
      Effect.catch((error) => Effect.sync(() => emit(event("eval.failed", run, { step, reason: error.message })))))
    for (const weight of weights.values()) weight.dispose()
  })

  /** Work that could be lost has a limit where the config sets one: beyond it training waits for the disk. */
  const waitForSave = Effect.fnUntraced(function*(progress: Progress) {
    const { step } = progress
    const limit = config.checkpoint.max_unsaved_steps
    const tooFar = () => limit > 0 && step - session.savedStep >= limit && !session.stopRequested
    if (!tooFar()) return
    emit(event("train.paused", run, { step, reason: `${step - session.savedStep} steps are not saved` }))
    while (tooFar()) {
      // What is in the buffer may be older than what is at stake.
      if (state.progress.step !== step) yield* takeSnapshot(progress, "unsaved work at its limit")
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

  const isDue = (step: number, every: number) => every > 0 && step % every === 0

  const loop = Effect.gen(function*() {
    const log = new StepLog(config.training.global_batch_size)
    let progress = state.progress
    for (const step of progress.skipped) session.skipped.add(step)
    while (true) {
      const end = Math.min(session.until ?? setup.steps, setup.steps)
      if (progress.step >= end || session.stopRequested) break
      yield* breathe
      yield* waitForSave(progress)
      yield* waitWhilePaused(progress)
      if (session.stopRequested) break
      const { step } = progress
      announcePhases(step)
      const result = session.skipped.has(step) ? null : yield* oneStep(progress)
      if (result !== null && result.nonFinite !== null) {
        session.skipped.add(step)
        return yield* Effect.die(new Error(`the ${result.nonFinite}'s gradient was not finite at step ${step}; the step is passed over`))
      }
      if (result !== null) log.add(result)
      const next = advanced(progress, result, stepsPerEpoch)
      session.progress = next
      const ended = next.epoch !== progress.epoch
      if (!log.empty && (isDue(next.step, config.training.log_interval) || next.step === end)) emit(event("train.step", run, { step: next.step, epoch: progress.epoch, ...log.flush() }))
      if (ended) emit(event("train.epoch", run, { step: next.step, epoch: progress.epoch, losses: next.last_epoch }))
      progress = next
      if (isDue(next.step, config.eval.eval_interval) || next.step === setup.steps) yield* evaluate(next.step)
      const due = isDue(next.step, config.checkpoint.every_steps) || (ended && isDue(next.epoch, config.training.checkpoint_interval))
      if ((due || session.snapshotRequested) && next.step < end) {
        if (yield* takeSnapshot(progress, session.snapshotRequested ? "asked for" : "interval")) session.snapshotRequested = false
      }
    }
    // The last state is in the buffer, whatever was saved before it; a write in progress is waited for.
    while (state.progress.step !== progress.step && !(yield* takeSnapshot(progress, session.stopRequested ? "stopped" : "end"))) yield* Effect.sleep("5 millis")
    const usage = yield* cache.ask.usage()
    emit(event("feature_cache.used", run, usage))
    const finished = progress.step >= setup.steps
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

const tensorsOf = ({ augFake, augGenerator, augReal, noise }: Draws): ReadonlyArray<Tensor> =>
  [...(noise === null ? [] : [noise.sigma, noise.normal]), augGenerator, ...augFake, ...augReal]
