/** Spectral norm (Miyato et al. 2018): a weight over its largest singular value, which power iteration tracks. */
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

/** Left and right singular vectors of one weight, flattened to [outputs, rest]. */
export interface SpectralPair {
  readonly u: Tensor
  readonly v: Tensor
}

/** By the path of the convolution. */
export type SpectralVectors = ReadonlyMap<string, SpectralPair>

const EPS = 1e-12

const unit = (x: Tensor): Tensor => T.div(x, T.clamp(T.norm(x), EPS, null))

/** One power iteration from u; the caller owns the new vectors. */
export const powerIteration = (weight: Tensor, u: Tensor): SpectralPair => scope(() => {
  const matrix = T.flatten(weight, 1)
  const v = unit(T.matmul(T.transpose(matrix, 0, 1), u))
  return { u: unit(T.matmul(matrix, v)), v }
})

/** uᵀ W v, a scalar tensor; differentiable in the weight alone. */
export const spectralSigma = (weight: Tensor, { u, v }: SpectralPair): Tensor => T.sum(T.mul(u, T.matmul(T.flatten(weight, 1), v)))
