/** L1 and LPIPS with its frozen VGG: the step's own part, no weights under training. */
import { type ReconstructionJudgement, judgeReconstruction } from "../losses/reconstruction.ts"
import { type LpipsConfig, lpipsSpec } from "../models/lpips.ts"
import type { Precision } from "../nn/precision.ts"
import { frozenWeights } from "../nn/working-copies.ts"
import type { Tensor } from "../tensor/tensor.ts"

export interface ReconstructionLossOptions {
  readonly config: LpipsConfig
  /** Under the names of lpipsSpec, in float32; taken over. */
  readonly weights: ReadonlyMap<string, Tensor>
  readonly precision: Precision
}

export class ReconstructionLoss {
  /** VGG's weights as they are computed with; the evaluator's LPIPS may use them too. */
  readonly weights: ReadonlyMap<string, Tensor>

  constructor({ config, weights, precision }: ReconstructionLossOptions) {
    this.weights = frozenWeights(lpipsSpec(config), weights, precision)
  }

  /** L1 + lambda · LPIPS of reconstructions and images in [0,1]. */
  judge(recon: Tensor, images: Tensor, lambda: number, microBatch: number): ReconstructionJudgement {
    return judgeReconstruction(this.weights, recon, images, lambda, microBatch)
  }

  dispose(): void {
    for (const tensor of this.weights.values()) tensor.dispose()
  }
}
