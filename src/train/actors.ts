/**
 * Who takes part in a training step, and how they are called.
 *
 * The step is written once, over `Yieldable`s: an Effect is one, so actors can take part, and so is the value of a plain call
 * (direct.ts). Arguments are lent for the duration of the call; results belong to the caller.
 */
import type { ReconstructionJudgement } from "../losses/reconstruction.ts"
import type { Tensor } from "../tensor/tensor.ts"
import type { Judgement, Lesson } from "./discriminator.ts"
import type { LatentNoise } from "./generator.ts"
import type { Update } from "./optimizer.ts"

/** What `yield*` takes: yields `Y`s (an Effect itself, or nothing) and gives an `A`. */
export interface Yieldable<Y, A> {
  [Symbol.iterator](): Iterator<Y, A, never>
}

export interface Actors<Y> {
  readonly encoder: {
    features(images: Tensor, microBatch: number): Yieldable<Y, Tensor>
  }
  readonly generator: {
    forward(z: Tensor, noise: LatentNoise | null, microBatch: number): Yieldable<Y, Tensor>
    adaptiveWeight(gRec: Tensor, gAdv: Tensor, max: number): Yieldable<Y, number>
    backward(gRecon: Tensor): Yieldable<Y, void>
    update(): Yieldable<Y, Update>
    weights(): Yieldable<Y, ReadonlyMap<string, Tensor>>
    reconstruct(z: Tensor, microBatch: number): Yieldable<Y, Tensor>
  }
  readonly discriminator: {
    judge(recon: Tensor, draws: Tensor, microBatch: number): Yieldable<Y, Judgement>
    learn(fake: Tensor, images: Tensor, drawsFake: Tensor, drawsReal: Tensor, microBatch: number): Yieldable<Y, Lesson>
  }
  readonly ema: {
    follow(weights: ReadonlyMap<string, Tensor>): Yieldable<Y, void>
  }
  readonly reconstruction: {
    judge(recon: Tensor, images: Tensor, lambda: number, microBatch: number): Yieldable<Y, ReconstructionJudgement>
  }
}
