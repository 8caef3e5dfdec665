/**
 * The one discontinuity that a golden step is sure to meet: the decoder's output is rounded to 8 bits before the discriminator
 * learns from it. Where a value lies next to a rounding boundary, float32 rounding (another BLAS, another number of threads)
 * decides on which side it falls, and one such value moves the logits by 1e-4 to 1e-3. A golden file holds the logits but not the
 * rounded images, so values at a boundary are put on that side which the file's logits call for.
 */
import { dinoTaps } from "../src/models/dino.ts"
import { type DiscriminatorConfig, discriminatorHeads, spectralPaths } from "../src/models/dino-discriminator.ts"
import { powerIteration } from "../src/models/spectral-norm.ts"
import { enableGrad, grad, leaf } from "../src/tensor/grad.ts"
import { diffaug } from "../src/tensor/kernels.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"

/** How near to a boundary a value may be taken to its other side, in 8-bit levels: float32 is good to 6e-5 (root mean square) and 5e-4 (largest) there, measured. */
const NEAR = 1e-3
/** Logits that agree to this agree in every 8-bit value. */
const SAME = 1e-5
/** A value that fell on the other side accounts for a share of the squared error; one that promises less than this is not tried. */
const SHARE = 0.05

/** Logits of fake images in the discriminator's next update, that is after one power iteration. */
export const fakeLogits = (
  fake: Tensor, draws: Tensor, config: DiscriminatorConfig, dino: ReadonlyMap<string, Tensor>, heads: ReadonlyMap<string, Tensor>
): Tensor => {
  const vectors = new Map(spectralPaths(config).map((path) => [path, powerIteration(heads.get(`${path}.weight_orig`)!, heads.get(`${path}.weight_u`)!)]))
  return discriminatorHeads(heads, dinoTaps(dino, diffaug(fake, draws), config.dino, config.heads.key_depths), { config: config.heads, product: "float32", vectors })
}

export interface Rounded {
  readonly image: Tensor
  /** Values so near to a boundary that float32 rounding decides. */
  readonly ambiguous: number
  /** Those of them that were taken to their other side. */
  readonly moved: number
}

/** `fake` [B,3,S,S], the 8-bit rounding of `exact`, with values at a boundary moved to their other side where that brings the logits nearer to `expected`. */
export const roundLike = (expected: Tensor, fake: Tensor, exact: Tensor, logits: (fake: Tensor) => Tensor): Rounded => scope(() => {
  const size = T.item(T.norm(expected))
  const image = (values: Float32Array) => T.to(T.fromFloat32(values, fake.shape), { device: fake.device })
  const error = (values: Float32Array) => scope(() => T.item(T.norm(T.sub(logits(image(values)), expected))) / size)
  /** Gradient of half the squared error by every value: says which of them would help. */
  const slope = (values: Float32Array) => scope(() => {
    const x = leaf(image(values))
    const loss = enableGrad(() => T.mul(T.sum(T.square(T.sub(logits(x), expected))), 0.5))
    return T.toFloat32(grad([loss], [x], [T.full([], 1, { device: fake.device })])[0]!)
  })
  const values = T.toFloat32(fake)
  const candidates = [...T.toFloat32(exact).entries()].flatMap(([i, value]) => {
    const level = (Math.min(1, Math.max(-1, value)) + 1) * 127.5
    const sides = [Math.floor(level), Math.floor(level) + 1].map((side) => Math.fround(Math.fround(side / 127.5) - 1))
    return Math.abs(level - Math.floor(level) - 0.5) > NEAR ? [] : [{ i, sides }]
  })
  const other = ({ i, sides }: (typeof candidates)[number]) => sides.reduce((a, b) => (Math.abs(a - values[i]!) > Math.abs(b - values[i]!) ? a : b))

  /** Moves the one value that brings the error down from `best`; gives the new error, null where no value helps. */
  const improve = (best: number): number | null => {
    const slopes = slope(values)
    const promising = candidates
      .map((candidate) => ({ i: candidate.i, value: other(candidate), gain: slopes[candidate.i]! * (values[candidate.i]! - other(candidate)) }))
      .filter(({ gain }) => gain > SHARE * (best * size) ** 2)
      .toSorted((a, b) => b.gain - a.gain)
    for (const { i, value } of promising) {
      const before = values[i]!
      values[i] = value
      const now = error(values)
      if (now < best) return now
      values[i] = before
    }
    return null
  }
  let best: number | null = error(values)
  while (best !== null && best > SAME) best = improve(best)
  const before = T.toFloat32(fake)
  return { image: image(values), ambiguous: candidates.length, moved: values.reduce((n, value, i) => (value === before[i] ? n : n + 1), 0) }
})
