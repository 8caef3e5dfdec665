/** Views, rearrangement and joining. A result shares memory with its argument where that is possible. */
import { native } from "./native.ts"
import { made } from "./scope.ts"
import type { Tensor } from "./tensor.ts"

export const reshape = (t: Tensor, shape: readonly number[]): Tensor => made(native.reshape(t.handle, shape))
/** As reshape, but an error where it cannot share memory. */
export const view = (t: Tensor, shape: readonly number[]): Tensor => made(native.view(t.handle, shape))
export const transpose = (t: Tensor, a: number, b: number): Tensor => made(native.transpose(t.handle, a, b))
export const permute = (t: Tensor, dims: readonly number[]): Tensor => made(native.permute(t.handle, dims))
/** Joins dimensions `from` to `to` (the last if left out), both included. */
export const flatten = (t: Tensor, from = 0, to = -1): Tensor => made(native.flatten(t.handle, from, to))
export const expand = (t: Tensor, shape: readonly number[]): Tensor => made(native.expand(t.handle, shape))
export const cat = (ts: readonly Tensor[], dim: number): Tensor => made(native.cat(ts.map((t) => t.handle), dim))
export const stack = (ts: readonly Tensor[], dim: number): Tensor => made(native.stack(ts.map((t) => t.handle), dim))
/** `n` equal parts; the last is smaller where it does not divide. */
export const chunk = (t: Tensor, n: number, dim: number): Tensor[] => native.chunk(t.handle, n, dim).map(made)
export const narrow = (t: Tensor, dim: number, start: number, length: number): Tensor => made(native.narrow(t.handle, dim, start, length))
export const select = (t: Tensor, dim: number, index: number): Tensor => made(native.select(t.handle, dim, index))
export const unsqueeze = (t: Tensor, dim: number): Tensor => made(native.unsqueeze(t.handle, dim))
export const squeeze = (t: Tensor, dim: number): Tensor => made(native.squeeze(t.handle, dim))
/** `pads`: begin and end of the last dimension, then of the one before it, … */
export const pad = (t: Tensor, pads: readonly number[], mode: "constant" | "circular" | "reflect" = "constant", value: number | null = null): Tensor =>
  made(native.pad(t.handle, pads, mode, value))
export const contiguous = (t: Tensor): Tensor => made(native.contiguous(t.handle))
/** [B,C,H,W] stored with the channels together: the layout that convolutions are fastest in. */
export const channelsLast = (t: Tensor): Tensor => made(native.channelsLast(t.handle))
/** The same memory where it starts at a multiple of 64 bytes in row-major order, else a copy that does: bits of some operations depend on it. */
export const aligned = (t: Tensor): Tensor => made(native.aligned(t.handle))
/** `index`: int64. */
export const indexSelect = (t: Tensor, dim: number, index: Tensor): Tensor => made(native.indexSelect(t.handle, dim, index.handle))
/** [B,C,H,W] to [B,C,h,w], align_corners false; `antialias` widens the filter where it shrinks. */
export const interpolate = (
  t: Tensor, size: readonly [number, number], mode: "bilinear" | "bicubic", { antialias = false }: { readonly antialias?: boolean } = {}
): Tensor => made(native.interpolate(t.handle, size, mode, antialias))
