/** One tensor of a PyTorch file: a view of its storage becomes a tensor in row-major order. */
import type { PlacedTensor } from "../formats/torch-file.ts"
import { bytesPerElement } from "../formats/safetensors.ts"
import { dtypeCode } from "./dtype.ts"
import { TensorError } from "./errors.ts"
import { native } from "./native.ts"
import { fromInt64 } from "./ops-create.ts"
import { contiguous, indexSelect, permute, reshape } from "./ops-shape.ts"
import { made, scope } from "./scope.ts"
import type { Tensor } from "./tensor.ts"
import { loadedDtype } from "./weights.ts"

const product = (sizes: ReadonlyArray<number>) => sizes.reduce((a, b) => a * b, 1)

/** The dimensions from the one whose elements lie farthest apart to the nearest, where they fill memory without a gap; else undefined. Those of one element lie anywhere. */
const denseOrder = ({ shape, strides }: PlacedTensor): ReadonlyArray<number> | undefined => {
  const order = shape.map((_, d) => d).toSorted((a, b) => strides[b]! - strides[a]! || shape[b]! - shape[a]! || a - b)
  let next = 1
  for (const d of order.toReversed()) {
    if (shape[d] === 1) continue
    if (strides[d] !== next) return undefined
    next *= shape[d]!
  }
  return order
}

/** Place of each element, counted from the first. */
const places = ({ shape, strides }: PlacedTensor): BigInt64Array => {
  let list = BigInt64Array.of(0n)
  for (const [d, size] of shape.entries()) {
    const stride = BigInt(strides[d]!)
    const wider = new BigInt64Array(list.length * size)
    for (let i = 0; i < list.length; i++) for (let j = 0; j < size; j++) wider[i * size + j] = list[i]! + BigInt(j) * stride
    list = wider
  }
  return list
}

/**
 * Reads it from the file; `mapped` where the caller only converts it: then it may be the file's own pages. It must have been checked
 * against the file (TorchFile.place). Errors: TensorError, which names `where`.
 */
export const readPlaced = (fd: number, tensor: PlacedTensor, where: string, mapped: boolean): Tensor => {
  const { begin, shape, strides } = tensor
  const dtype = loadedDtype.get(tensor.dtype)
  if (dtype === undefined) throw new TensorError("dtype", "readPlaced", `${where} is ${tensor.dtype}, expected one of ${[...loadedDtype.keys()].join(", ")}`)
  // pages can only be computed with where their numbers lie at multiples of their size, which the old format does not heed
  const aligned = begin % bytesPerElement[tensor.dtype] === 0
  const read = (sizes: ReadonlyArray<number>, onlyConverted: boolean) =>
    made((onlyConverted && aligned ? native.mapTensor : native.readTensor)(fd, begin, sizes, dtypeCode(dtype)))
  try {
    if (product(shape) === 0) return read(shape, false)
    const order = denseOrder(tensor)
    if (order?.filter((d) => shape[d] !== 1).every((d, i, wide) => i === 0 || wide[i - 1]! < d) === true) return read(shape, mapped)
    return scope(() => {
      if (order !== undefined) return contiguous(permute(read(order.map((d) => shape[d]!), true), shape.map((_, d) => order.indexOf(d))))
      const span = 1 + shape.reduce((sum, size, d) => sum + (size - 1) * strides[d]!, 0)
      return reshape(indexSelect(read([span], true), 0, fromInt64(places(tensor), [product(shape)])), shape)
    })
  } catch (error) {
    if (!(error instanceof TensorError)) throw error
    throw new TensorError(error.code, "readPlaced", `${where}: ${error.message}`, error.errno)
  }
}
