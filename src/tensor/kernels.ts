/** The project's own kernels. Each has a plain twin in plain.ts that says the same in operations; a test compares the two. */
import { native } from "./native.ts"
import { made } from "./scope.ts"
import type { Tensor } from "./tensor.ts"

const handles = (ts: readonly Tensor[]) => ts.map((t) => t.handle)

export interface AdamWOptions {
  readonly lr: number
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  readonly weightDecay: number
  /** Counts from 1. */
  readonly step: number
  /** Every gradient is multiplied by it first: clipping, or 1 over the number of micro-batches. */
  readonly gradScale: number
}

/**
 * One AdamW step (Loshchilov & Hutter, arXiv 1711.05101) in place over all weights: params, m and v float32, grads float32 or bfloat16;
 * `working`, where given, receives the new weights as bfloat16; null for a weight that has no such copy.
 */
export const adamw = (
  params: readonly Tensor[], grads: readonly Tensor[], m: readonly Tensor[], v: readonly Tensor[], working: ReadonlyArray<Tensor | null> | null, o: AdamWOptions
): void =>
  native.adamw(handles(params), handles(grads), handles(m), handles(v), (working ?? params.map(() => null)).map((t) => t?.handle ?? null),
    [o.lr, o.beta1, o.beta2, o.eps, o.weightDecay, o.step, o.gradScale])

/** average = decay · average + (1 - decay) · value, in place; averages float32. */
export const ema = (averages: readonly Tensor[], values: readonly Tensor[], decay: number): void => native.ema(handles(averages), handles(values), decay)

/** sums += values, in place; sums float32, values float32 or bfloat16. */
export const accumulate = (sums: readonly Tensor[], values: readonly Tensor[]): void => native.accumulate(handles(sums), handles(values))

/** Sum of squares over all elements of all tensors, in double, and whether all are finite, in one pass. */
export const gradStats = (grads: readonly Tensor[]): { readonly sumSquares: number; readonly finite: boolean } => {
  const [sumSquares = 0, finite = 1] = native.gradStats(handles(grads))
  return { sumSquares, finite: finite === 1 }
}
export const allFinite = (ts: readonly Tensor[]): boolean => gradStats(ts).finite

/**
 * Differentiable augmentation of images [B,C,H,W] by `draws` [7,B,1,1], uniform in [0,1): rows 0 and 1 translate (by up to an eighth,
 * zero padded), 2 is brightness, 3 saturation, 4 contrast, 5 and 6 (cutout) are not used. Differentiable by the images.
 */
export const diffaug = (x: Tensor, draws: Tensor): Tensor => made(native.diffaug(x.handle, draws.handle))

/**
 * LPIPS's distance of one pair of feature maps [B,C,H,W], float32 or bfloat16, fastest channels-last: float32 [B], the mean over places of
 * Σ_c weight_c (â_c - b̂_c)², with channel vectors over their norm + 1e-10. Differentiable by `a` only.
 */
export const lpipsDistance = (a: Tensor, b: Tensor, weight: Tensor): Tensor => made(native.lpipsDistance(a.handle, b.handle, weight.handle))

/** Images in [-1,1] rounded to the 256 values that 8 bits hold, values outside clamped; no gradient. */
export const quantize8 = (x: Tensor): Tensor => made(native.quantize8(x.handle))
