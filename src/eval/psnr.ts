/** Peak signal-to-noise ratio, in dB, for images in [0,1]. */
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

/** Two equal images would have an infinite ratio: the squared error counts as this at least, which is 100 dB. */
const leastError = 1e-10

/** Of each image of two batches [B,3,H,W] of float32. Expected: tests/golden/metrics.safetensors. */
export const psnr = (a: Tensor, b: Tensor): ReadonlyArray<number> => scope(() =>
  Array.from(T.toFloat32(T.mean(T.square(T.sub(a, b)), [1, 2, 3])), (error) => -10 * Math.log10(Math.max(error, leastError))))
