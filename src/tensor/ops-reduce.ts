import { native } from "./native.ts"
import { made } from "./scope.ts"
import type { Tensor } from "./tensor.ts"

/** Over `dims`, or over all of them into one element. */
export const sum = (t: Tensor, dims?: readonly number[], keepdim = false): Tensor =>
  made(dims === undefined ? native.sum(t.handle) : native.sumDims(t.handle, dims, keepdim))
export const mean = (t: Tensor, dims?: readonly number[], keepdim = false): Tensor =>
  made(dims === undefined ? native.mean(t.handle) : native.meanDims(t.handle, dims, keepdim))
export const variance = (t: Tensor, dims: readonly number[], { unbiased = true, keepdim = false } = {}): Tensor =>
  made(native.variance(t.handle, dims, unbiased, keepdim))
/** L2 norm of all elements, accumulated and returned in float32 (float64 for float64). */
export const norm = (t: Tensor): Tensor => made(native.norm(t.handle))
/** Largest absolute value; NaN where any element is. */
export const maxAbs = (t: Tensor): number => native.maxAbs(t.handle)
