/** Matrix products, convolutions, attention, normalisation. */
import { native } from "./native.ts"
import { made } from "./scope.ts"
import type { Tensor } from "./tensor.ts"

export type Pair = number | readonly [number, number]
const pair = (value: Pair): readonly number[] => typeof value === "number" ? [value, value] : value
const handle = (t: Tensor | null | undefined): number | null => t?.handle ?? null

export const matmul = (a: Tensor, b: Tensor): Tensor => made(native.matmul(a.handle, b.handle))
/** x wᵀ + b, with w [out, in]. */
export const linear = (x: Tensor, w: Tensor, b?: Tensor | null): Tensor => made(native.linear(x.handle, w.handle, handle(b)))
/** x [B,C,H,W], w [out,C,h,w]. */
export const conv2d = (x: Tensor, w: Tensor, b: Tensor | null, { stride = 1, padding = 0 }: { readonly stride?: Pair; readonly padding?: Pair } = {}): Tensor =>
  made(native.conv2d(x.handle, w.handle, handle(b), pair(stride), pair(padding)))
/** x [B,C,L], w [out,C/groups,l]. */
export const conv1d = (
  x: Tensor, w: Tensor, b: Tensor | null, { stride = 1, padding = 0, groups = 1 }: { readonly stride?: number; readonly padding?: number; readonly groups?: number } = {}
): Tensor => made(native.conv1d(x.handle, w.handle, handle(b), stride, padding, groups))
export const maxPool2d = (x: Tensor, kernel: number, stride: number): Tensor => made(native.maxPool2d(x.handle, kernel, stride))
/** Means of the pixels that a window covers; those outside the image are not counted. */
export const avgPool2d = (x: Tensor, kernel: number, stride: number, padding: number): Tensor => made(native.avgPool2d(x.handle, kernel, stride, padding))
/** softmax(q kᵀ / √D) v, each [B, heads, tokens, D]; fused where libtorch has it. */
export const attention = (q: Tensor, k: Tensor, v: Tensor): Tensor => made(native.attention(q.handle, k.handle, v.handle))
/** Over the last dimension, of size `width`. */
export const layerNorm = (x: Tensor, width: number, w: Tensor | null, b: Tensor | null, eps: number): Tensor =>
  made(native.layerNorm(x.handle, width, handle(w), handle(b), eps))
export const groupNorm = (x: Tensor, groups: number, w: Tensor | null, b: Tensor | null, eps: number): Tensor =>
  made(native.groupNorm(x.handle, groups, handle(w), handle(b), eps))
