/** L1 + λ · LPIPS between reconstructions and images, and its gradient at the image boundary. */
import { signed } from "../models/image-space.ts"
import { tapDistance, vggTaps } from "../models/lpips.ts"
import { enableGrad, grad, leaf } from "../tensor/grad.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

/** Mean absolute difference, a scalar tensor. */
export const l1 = (a: Tensor, b: Tensor): Tensor => scope(() => T.mean(T.abs(T.sub(a, b))))

export interface ReconstructionJudgement {
  readonly rec: number
  /** Null where λ is 0. */
  readonly lpips: number | null
  /** ∂(L1 + λ · LPIPS)/∂reconstruction, [B,3,S,S] */
  readonly gradient: Tensor
}

/** The part of a batch's judgement that some of its images make: `share` is their number over the batch's. */
const judgePart = (vgg: ReadonlyMap<string, Tensor>, recon: Tensor, images: Tensor, lambda: number, share: number): ReconstructionJudgement => scope(() => {
  const variable = leaf(recon)
  const one = T.full([], 1)
  if (lambda === 0) {
    const rec = enableGrad(() => T.mul(l1(variable, images), share))
    return { rec: T.item(rec), lpips: null, gradient: grad([rec], [variable], [T.to(one, { device: rec.device })])[0]! }
  }
  const real = vggTaps(vgg, signed(images))
  const [rec, lpips, total] = enableGrad(() => {
    const rec = T.mul(l1(variable, images), share)
    const lpips = T.mul(tapDistance(vgg, vggTaps(vgg, signed(variable)), real), share)
    return [rec, lpips, T.add(rec, T.mul(lpips, lambda))] as const
  })
  return { rec: T.item(rec), lpips: T.item(lpips), gradient: grad([total], [variable], [T.to(one, { device: total.device })])[0]! }
})

/** Images and reconstructions [B,3,S,S] in [0,1]; `vgg` under the names of lpipsSpec; at most `microBatch` images go through VGG together. */
export const judgeReconstruction = (
  vgg: ReadonlyMap<string, Tensor>, recon: Tensor, images: Tensor, lambda: number, microBatch: number
): ReconstructionJudgement => scope(() => {
  const B = images.shape[0]!
  const parts: Array<ReconstructionJudgement> = []
  for (let start = 0; start < B; start += microBatch) {
    const length = Math.min(microBatch, B - start)
    parts.push(judgePart(vgg, T.narrow(recon, 0, start, length), T.narrow(images, 0, start, length), lambda, length / B))
  }
  const sum = (of: (part: ReconstructionJudgement) => number) => parts.reduce((total, part) => total + of(part), 0)
  return {
    rec: sum(({ rec }) => rec),
    lpips: lambda === 0 ? null : sum(({ lpips }) => lpips ?? 0),
    gradient: parts.length === 1 ? parts[0]!.gradient : T.cat(parts.map(({ gradient }) => gradient), 0)
  }
})
