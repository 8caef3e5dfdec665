/**
 * Structural similarity (Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004) for images in
 * [0,1], with the Gaussian window of the paper: 11 × 11, σ 1.5. The image is reflected at its borders, so that every pixel has a window.
 */
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

const side = 11
const sigma = 1.5
const c1 = 0.01 ** 2
const c2 = 0.03 ** 2

const gaussian = (): Float32Array => {
  const weights = Array.from({ length: side }, (_, i) => Math.exp(-((i - (side - 1) / 2) ** 2) / (2 * sigma ** 2)))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return Float32Array.from(weights, (weight) => weight / sum)
}

/** Weighted means of all windows: the Gaussian is separable, so rows and then columns. Channels stand in for a batch. */
const blurred = (x_N1HW: Tensor): Tensor => {
  const window = T.to(T.fromFloat32(gaussian(), [side]), { device: x_N1HW.device })
  const rows = T.conv2d(x_N1HW, T.view(window, [1, 1, side, 1]), null, {})
  return T.conv2d(rows, T.view(window, [1, 1, 1, side]), null, {})
}

/** Of each image of two batches [B,C,H,W] of float32. Expected: tests/golden/metrics.safetensors. */
export const ssim = (a: Tensor, b: Tensor): ReadonlyArray<number> => scope(() => {
  const [B, C, H, W] = a.shape as [number, number, number, number]
  const single = (t: Tensor) => T.reshape(t, [B * C, 1, H, W])
  const reach = (side - 1) / 2
  const [x, y] = [single(a), single(b)].map((t) => T.pad(t, [reach, reach, reach, reach], "reflect")) as [Tensor, Tensor]
  const [mx, my] = [blurred(x), blurred(y)]
  const variance = (t: Tensor, mean: Tensor) => T.sub(blurred(T.square(t)), T.square(mean))
  const covariance = T.sub(blurred(T.mul(x, y)), T.mul(mx, my))
  const luminance = T.div(T.add(T.mul(T.mul(mx, my), 2), c1), T.add(T.add(T.square(mx), T.square(my)), c1))
  const structure = T.div(T.add(T.mul(covariance, 2), c2), T.add(T.add(variance(x, mx), variance(y, my)), c2))
  const map = T.mul(luminance, structure)
  return Array.from(T.toFloat32(T.mean(T.reshape(map, [B, C * H * W]), [1])))
})
