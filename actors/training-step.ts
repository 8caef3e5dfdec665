/**
 * One training step over the actors, and what becomes of it where memory does not suffice: the same batch again in half as many images at a
 * time, which gives the same gradients but for rounding.
 */
import * as Effect from "effect/Effect"
import { type ActorDown } from "../src/runtime/actor.ts"
import * as T from "../src/tensor/ops.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import type { Actors } from "../src/train/actors.ts"
import { type Draws, drawsFor } from "../src/train/draws.ts"
import { type StepResult, trainStep } from "../src/train/step.ts"
import type { Progress } from "./engine-protocol.ts"
import { make as event } from "./events.ts"
import { takePoison } from "./fault-points.ts"
import { adopted, OutOfMemory, owned, ownedBetween, reclaimed } from "./ownership.ts"
import type { Options } from "./trainer.ts"

export type Outcome =
  | { readonly _tag: "Done"; readonly result: StepResult }
  /** Too large; the place to go on from with the smaller micro-batch. */
  | { readonly _tag: "Smaller"; readonly from: Progress }

/** An actor that holds no state is asked again once it is back. */
const again = <A, E>(ask: Effect.Effect<A, E | ActorDown>): Effect.Effect<A, E | ActorDown> =>
  Effect.retry(ask, { times: 10, while: (error) => typeof error === "object" && error !== null && "_tag" in error && error._tag === "ActorDown" })

export const makeTrainingStep = (options: Options) => {
  const { cache, config, discriminator, ema, emit, generator, loader, reconstruction, run, session, setup, state } = options
  /** Something of the training state was written in this step: it can no longer be repeated, only be gone back behind. */
  let written = false

  const actors = (samples: Parameters<typeof cache.ask.features>[1]): Actors<Effect.Effect<unknown, unknown>> => {
    const mine = <A, E>(reply: Effect.Effect<A, E>) => adopted("trainer", reply)
    return {
      encoder: {
        features: (images) => again(cache.ask.features(images, samples, session.microBatch)).pipe(
          Effect.map(({ z }) => z), mine,
          // Only now: latents of such images must not get into the cache.
          Effect.tap(() => Effect.sync(() => { if (takePoison()) T.mul_(images, Number.NaN) })))
      },
      generator: {
        forward: (...args) => mine(generator.ask.forward(...args)),
        adaptiveWeight: (...args) => generator.ask.adaptiveWeight(...args),
        backward: (...args) => generator.ask.backward(...args),
        update: () => {
          written = true
          return generator.ask.update()
        },
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

  const drawn = (step: number) => owned("trainer", () => drawsFor({
    seed: config.training.global_seed, step, samples: Array.from({ length: config.training.global_batch_size }, (_, i) => i),
    tokens: options.latentShape[0], width: options.latentShape[1], noiseTau: config.stage_1.params.noise_tau, discUpdates: config.gan.loss.disc_updates
  }))

  /** One step on the batch at this place. */
  const oneStep = Effect.fnUntraced(function*(progress: Progress) {
    written = false
    const waited = performance.now()
    const batch = yield* again(loader.ask.batch(progress.epoch, progress.position))
    yield* adopted("trainer", Effect.succeed(batch.images))
    const data = (performance.now() - waited) / 1000
    const draws = yield* drawn(progress.step)
    const hyperparameters = { ...setup.hyperparameters, microBatch: session.microBatch }
    const result: StepResult = yield* Effect.gen(() =>
      ownedBetween("trainer", trainStep(actors(batch.samples), { images: batch.images, latents: null, draws }, setup.phasesAt(progress.step), hyperparameters)))
    for (const tensor of [batch.images, ...tensorsOf(draws)]) tensor.dispose()
    return { ...result, seconds: { data, ...result.seconds } }
  })

  /** Generator, discriminator and EMA as they were at the last snapshot, in place. */
  const rollBack = Effect.gen(function*() {
    for (const role of [generator, discriminator, ema]) yield* role.ask.restored()
    return state.progress
  })

  const smaller = Effect.fnUntraced(function*(progress: Progress, { op, reason }: OutOfMemory) {
    yield* reclaimed("trainer")
    const from = session.microBatch
    if (from === 1) return yield* new OutOfMemory({ op, reason: `not even one image at a time finds memory: ${reason}` })
    session.microBatch = Math.ceil(from / 2)
    // Either way the graph that was too large is gone before anything is asked for anew: beside it the smaller one would not fit either.
    const back = written ? yield* rollBack : yield* Effect.as(generator.ask.abandoned(), null)
    emit(event("train.micro_batch", run, { step: progress.step, from, to: session.microBatch, reason, rolled_back_to: back?.step ?? null }))
    const outcome: Outcome = { _tag: "Smaller", from: back ?? progress }
    return outcome
  })

  /** Takes the step at this place. Where an actor goes down in it, the tensors at hand are reclaimed by the trainer's next incarnation. */
  const attempt = (progress: Progress) => oneStep(progress).pipe(
    Effect.map((result): Outcome => ({ _tag: "Done", result })),
    Effect.catchIf((error) => error instanceof OutOfMemory, (error) => smaller(progress, error)))

  return { attempt, rollBack }
}

const tensorsOf = ({ augFake, augGenerator, augReal, noise }: Draws): ReadonlyArray<Tensor> =>
  [...(noise === null ? [] : [noise.sigma, noise.normal]), augGenerator, ...augFake, ...augReal]
