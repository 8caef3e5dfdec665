/**
 * Latent normalisation by statistics (Zheng et al. 2025): latents are shifted and scaled, position by position and channel by
 * channel, to mean 0 and variance 1 over the training set. The decoder sees them scaled back.
 */
import * as T from "../tensor/ops.ts"
import { keep, scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

export interface LatentStatistics {
  /** [1,N,C] */
  readonly mean: Tensor
  /** [1,N,C], sqrt(variance + eps) */
  readonly deviation: Tensor
}

/** From published statistics [C,H,W]; the caller owns the result. */
export const latentStatistics = (mean_CHW: Tensor, variance_CHW: Tensor, eps: number): LatentStatistics => scope(() => {
  const tokens = (t: Tensor) => T.contiguous(T.unsqueeze(T.transpose(T.flatten(t, 1), 0, 1), 0))
  return { mean: keep(tokens(mean_CHW)), deviation: keep(T.sqrt(T.add(tokens(variance_CHW), eps))) }
})

export const standardise = (z_BNC: Tensor, { mean, deviation }: LatentStatistics): Tensor => scope(() => T.div(T.sub(z_BNC, mean), deviation))

export const unstandardise = (z_BNC: Tensor, { mean, deviation }: LatentStatistics): Tensor => scope(() => T.add(T.mul(z_BNC, deviation), mean))
