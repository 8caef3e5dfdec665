/** A batch goes through the networks in slices of at most `microBatch` images; sums over slices are in float32. */
import * as T from "../tensor/ops.ts"
import type { Tensor } from "../tensor/tensor.ts"

export interface Slice {
  readonly start: number
  readonly length: number
}

export const slices = (count: number, microBatch: number): ReadonlyArray<Slice> =>
  Array.from({ length: Math.ceil(count / microBatch) }, (_, i) => ({ start: i * microBatch, length: Math.min(microBatch, count - i * microBatch) }))

/** Some images of a batch; the batch itself where that is all of them. */
export const sliceOf = (t: Tensor, { start, length }: Slice, dim = 0): Tensor => (start === 0 && length === t.shape[dim] ? t : T.narrow(t, dim, start, length))

export const joined = (parts: ReadonlyArray<Tensor>): Tensor => (parts.length === 1 ? parts[0]! : T.cat(parts, 0))
