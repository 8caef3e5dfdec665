/**
 * One training step of a representation autoencoder's decoder (Zheng et al. 2025, section 3 and appendix).
 *
 * Tensors cross between the actors at the image boundary: the two losses are differentiated by the reconstruction alone, their
 * gradients are weighed by what they do to the decoder's last layer (Esser et al. 2021), and one backward pass takes the sum
 * through the decoder. The order matters: the discriminator learns from the decoder's new weights, and the average follows them.
 */
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import type { Actors } from "./actors.ts"
import type { Draws } from "./draws.ts"

export interface Batch {
  /** [B,3,S,S] in [0,1] */
  readonly images: Tensor
  /** Clean latents [B,N,C] where they are known already. */
  readonly latents: Tensor | null
  readonly draws: Draws
}

/** What is switched on at this step. */
export interface Phases {
  readonly lpips: boolean
  readonly adversarial: boolean
  readonly discriminator: boolean
}

export interface Hyperparameters {
  readonly perceptualWeight: number
  readonly discWeight: number
  readonly maxDiscWeight: number
  readonly discUpdates: number
  /** Images that go through the networks together. */
  readonly microBatch: number
}

export interface StepResult {
  readonly losses: { readonly total: number; readonly rec: number; readonly lpips: number | null; readonly gan: number | null; readonly disc: number | null }
  /** The adaptive weight of the adversarial loss. */
  readonly weight: number | null
  readonly lr: number
  readonly gradNorm: number
  readonly discGradNorm: number | null
  /**
   * What was not finite: a loss, or the gradient of a role. That update and what follows it were left out; before the discriminator's nothing was
   * written, with its own the generator and the average are a step ahead.
   */
  readonly nonFinite: "loss" | "generator" | "discriminator" | null
  /** Of every phase, in order. */
  readonly seconds: Readonly<Record<string, number>>
}

const stopwatch = () => {
  const seconds: Record<string, number> = {}
  let last = performance.now()
  return {
    seconds,
    lap(phase: string) {
      const now = performance.now()
      seconds[phase] = (seconds[phase] ?? 0) + (now - last) / 1000
      last = now
    }
  }
}

export function* trainStep<Y>(actors: Actors<Y>, batch: Batch, phases: Phases, hp: Hyperparameters): Generator<Y, StepResult, never> {
  const { encoder, generator, discriminator, ema, reconstruction } = actors
  const { images, draws } = batch
  const { microBatch } = hp
  const { seconds, lap } = stopwatch()
  using held = new DisposableStack()

  const z = batch.latents ?? held.use(yield* encoder.features(images, microBatch))
  lap("encode")

  const recon = held.use(yield* generator.forward(z, draws.noise, microBatch))
  lap("decode")

  const rec = yield* reconstruction.judge(recon, images, phases.lpips ? hp.perceptualWeight : 0, microBatch)
  const gRec = held.use(rec.gradient)
  lap("reconstruction loss")

  let gan: number | null = null
  let weight: number | null = null
  let gRecon = gRec
  if (phases.adversarial) {
    const adversarial = yield* discriminator.judge(recon, draws.augGenerator, microBatch)
    const gAdv = held.use(adversarial.gradient)
    gan = adversarial.loss
    lap("adversarial loss")
    weight = yield* generator.adaptiveWeight(gRec, gAdv, hp.maxDiscWeight)
    const scale = hp.discWeight * weight
    gRecon = held.use(scope(() => T.add(gRec, T.mul(gAdv, scale))))
    lap("adaptive weight")
  }
  const total = rec.rec + hp.perceptualWeight * (rec.lpips ?? 0) + hp.discWeight * (weight ?? 0) * (gan ?? 0)
  const losses = { total, rec: rec.rec, lpips: rec.lpips, gan }
  if (!Number.isFinite(total)) return { losses: { ...losses, disc: null }, weight, lr: Number.NaN, gradNorm: Number.NaN, discGradNorm: null, nonFinite: "loss", seconds }

  yield* generator.backward(gRecon)
  lap("backward")
  const { applied, gradNorm, lr } = yield* generator.update()
  lap("optimizer")
  const result = { losses: { ...losses, disc: null }, weight, lr, gradNorm, discGradNorm: null, seconds } as const
  if (!applied) return { ...result, nonFinite: "generator" }

  const weights = yield* generator.weights()
  for (const alias of weights.values()) held.use(alias)
  yield* ema.follow(weights)
  lap("ema")
  if (!phases.discriminator) return { ...result, nonFinite: null }

  const fake = held.use(yield* generator.reconstruct(z, microBatch))
  lap("reconstruct")

  let disc = 0
  let discGradNorm = 0
  for (let update = 0; update < hp.discUpdates; update++) {
    const lesson = yield* discriminator.learn(fake, images, draws.augFake[update]!, draws.augReal[update]!, microBatch)
    held.use(lesson.logitsFake)
    held.use(lesson.logitsReal)
    disc += lesson.loss / hp.discUpdates
    discGradNorm = lesson.gradNorm
    if (!lesson.applied || !Number.isFinite(disc)) return { ...result, losses: { ...losses, disc }, discGradNorm, nonFinite: "discriminator" }
  }
  lap("discriminator")
  return { ...result, losses: { ...losses, disc }, discGradNorm, nonFinite: null }
}
