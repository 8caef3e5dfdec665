/**
 * Where the tensors of a published weights file lie, without reading them: safetensors, a sharded set by its index, or a PyTorch file. For
 * programs that copy weights and compute nothing.
 */
import { readFileSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import { openBytes } from "../formats/open-bytes.ts"
import { bytesPerElement, type Dtype, headerLength, parseHeader } from "../formats/safetensors.ts"
import { maxIndexBytes, parseShardIndex } from "../formats/shard-index.ts"
import { stateDict, withoutWrappers } from "../formats/state-dict.ts"
import { isTorchFile, type PlacedTensor, readTorchFile } from "../formats/torch-file.ts"

export interface PlacedWeight {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: ReadonlyArray<number>
  readonly path: string
  /** Its first byte in the file, and the one after its last. */
  readonly begin: number
  readonly end: number
}

const count = (shape: ReadonlyArray<number>) => shape.reduce((product, size) => product * size, 1)

/** Whether its elements lie in row-major order without a gap. */
export const isRowMajor = ({ shape, strides }: PlacedTensor): boolean =>
  shape.every((size, d) => size <= 1 || strides[d] === count(shape.slice(d + 1))) || count(shape) === 0

/** The byte after the last of one that lies in row-major order. */
export const endOf = ({ begin, dtype, shape }: PlacedTensor): number => begin + count(shape) * bytesPerElement[dtype]

const inOneFile = (path: string): ReadonlyMap<string, PlacedWeight> => {
  using bytes = openBytes(path)
  if (isTorchFile(bytes.read(0, Math.min(4, bytes.size)))) {
    const file = readTorchFile(bytes)
    return new Map([...stateDict(file.value)].map(([name, view]) => {
      const tensor = file.place(name, view)
      if (!isRowMajor(tensor)) throw new Error(`${path}: ${name} does not lie in row-major order`)
      return [name, { name, dtype: tensor.dtype, shape: tensor.shape, path, begin: tensor.begin, end: endOf(tensor) }]
    }))
  }
  const length = headerLength(bytes.read(0, Math.min(8, bytes.size)), bytes.size)
  const { tensors } = parseHeader(bytes.read(0, 8 + length), bytes.size)
  return withoutWrappers(new Map(tensors.map((tensor) => [tensor.name, { ...tensor, path }])))
}

/** By name, without the prefixes of training wrappers. Throws what the formats' readers throw. */
export const placedWeights = (path: string): ReadonlyMap<string, PlacedWeight> => {
  if (!path.endsWith(".index.json")) return inOneFile(path)
  if (statSync(path).size > maxIndexBytes) throw new Error(`${path} is larger than ${maxIndexBytes} bytes`)
  const fileOf = parseShardIndex(readFileSync(path, "utf8"))
  const shards = new Map([...new Set(fileOf.values())].map((file) => [file, inOneFile(join(dirname(path), file))]))
  return new Map([...fileOf].map(([name, file]) => {
    const place = shards.get(file)!.get(name)
    if (place === undefined) throw new Error(`${path}: ${name} is said to be in ${file}, which does not have it`)
    return [name, place]
  }))
}
