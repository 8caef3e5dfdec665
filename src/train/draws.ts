/**
 * The random draws of one step, keyed by seed, purpose, step and sample: neither micro-batches nor the number of workers change
 * them, and a replayed step draws the same again.
 */
import { keyOf, uniform } from "../random/draws.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import type { LatentNoise } from "./generator.ts"

export interface Draws {
  /** Null where no noise is asked for. */
  readonly noise: LatentNoise | null
  /** Uniform draws [7,B,1,1] of the augmentation: of the generator's step, then of every discriminator update. */
  readonly augGenerator: Tensor
  readonly augFake: ReadonlyArray<Tensor>
  readonly augReal: ReadonlyArray<Tensor>
}

export interface DrawSpec {
  readonly seed: number
  readonly step: number
  /** Position of every sample in the global batch. */
  readonly samples: ReadonlyArray<number>
  readonly tokens: number
  readonly width: number
  /** Largest deviation of the latent noise; each sample's is uniform below it. */
  readonly noiseTau: number
  readonly discUpdates: number
}

/** Uniform draws that the augmentation takes per sample. */
const AUGMENT = 7

/** The caller owns the tensors. */
export const drawsFor = ({ seed, step, samples, tokens, width, noiseTau, discUpdates }: DrawSpec): Draws => scope(() => {
  const B = samples.length
  const augment = (purpose: string): Tensor => {
    const out = new Float32Array(AUGMENT * B)
    for (const [b, sample] of samples.entries()) {
      for (const [i, value] of uniform(keyOf(seed, purpose, step, sample), AUGMENT).entries()) out[i * B + b] = value
    }
    return T.fromFloat32(out, [AUGMENT, B, 1, 1])
  }
  const noise = (): LatentNoise => ({
    sigma: T.fromFloat32(Float32Array.from(samples, (sample) => noiseTau * uniform(keyOf(seed, "noise.sigma", step, sample), 1)[0]!), [B, 1, 1]),
    normal: T.stack(samples.map((sample) => T.randomNormal(keyOf(seed, "noise.normal", step, sample), [tokens, width])), 0)
  })
  const updates = Array.from({ length: discUpdates }, (_, i) => i)
  return {
    noise: noiseTau === 0 ? null : noise(),
    augGenerator: augment("augment.generator"),
    augFake: updates.map((i) => augment(`augment.fake.${i}`)),
    augReal: updates.map((i) => augment(`augment.real.${i}`))
  }
})
