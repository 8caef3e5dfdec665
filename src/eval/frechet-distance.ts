/**
 * Fréchet distance of two normal distributions: |m - n|² + tr(S + T - 2 √(S T)).
 *
 * Dowson and Landau, "The Fréchet distance between multivariate normal distributions" (1982); Heusel et al. (2017) for features of images.
 *
 * With S = FᵀF and T = GᵀG the eigenvalues of S T are the squares of the singular values of F Gᵀ, so the trace of the root is their sum.
 * No matrix root is taken, nothing is added to a diagonal, and it holds for covariances of any rank.
 */
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import type { Moments } from "./feature-moments.ts"

/** At most as many rows as columns, with the same FᵀF. */
const short = (factor: Tensor): Tensor => factor.shape[0]! > factor.shape[1]! ? T.triangularFactor(factor) : factor

/** Expected: tests/golden/metrics.safetensors. */
export const frechetDistance = (a: Moments, b: Moments): number => scope(() => {
  const sumOfSquares = (t: Tensor) => T.item(T.sum(T.square(t)))
  const root = T.item(T.sum(T.singularValues(T.matmul(short(a.factor), T.transpose(short(b.factor), 0, 1)))))
  // it is no distance below zero; of equal distributions rounding may leave one
  return Math.max(0, sumOfSquares(T.sub(a.mean, b.mean)) + sumOfSquares(a.factor) + sumOfSquares(b.factor) - 2 * root)
})
