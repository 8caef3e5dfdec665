/**
 * Weights by name from whatever file they were published in: safetensors, a sharded set by its index, or a PyTorch file of either format.
 * Headers are checked before anything is read, tensors are read one by one.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import type { ByteSource } from "../formats/byte-source.ts"
import type { Dtype as StoredDtype } from "../formats/safetensors.ts"
import { InvalidShardIndex, maxIndexBytes, parseShardIndex } from "../formats/shard-index.ts"
import { NoStateDict, stateDict, withoutWrappers } from "../formats/state-dict.ts"
import { InvalidTorchFile, isTorchFile, readTorchFile, type PlacedTensor } from "../formats/torch-file.ts"
import type { Device, Dtype } from "./dtype.ts"
import { TensorError } from "./errors.ts"
import { to } from "./ops-create.ts"
import { readPlaced } from "./placed-tensor.ts"
import type { Tensor } from "./tensor.ts"
import { openSafetensors, storedDtype } from "./weights.ts"

/** As the file has it. */
export interface StoredTensor {
  readonly dtype: StoredDtype
  readonly shape: ReadonlyArray<number>
}

export interface WeightFile {
  readonly path: string
  /** By name, without the prefixes of training wrappers. */
  readonly tensors: ReadonlyMap<string, StoredTensor>
  /** In aligned memory of its own, converted where `dtype` or `device` say so. Errors: TensorError. */
  readonly read: (name: string, options?: { readonly dtype?: Dtype; readonly device?: Device }) => Tensor
  readonly close: () => void
  readonly [Symbol.dispose]: () => void
}

const op = "openWeights"

const failure = (path: string, error: unknown): unknown => {
  if (error instanceof TensorError) return error
  if (error instanceof InvalidTorchFile || error instanceof InvalidShardIndex || error instanceof NoStateDict) return new TensorError("invalid", op, `${path}: ${error.message}`)
  const { code, message } = error as NodeJS.ErrnoException
  return code === undefined ? error : new TensorError("io", op, `${path}: ${message}`, code)
}

/** A file's bytes; refuses to give fewer than were asked for. */
const bytesOf = (fd: number, path: string): ByteSource => ({
  size: fstatSync(fd).size,
  read: (offset, length) => {
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length;) {
      const got = readSync(fd, bytes, done, length - done, offset + done)
      if (got === 0) throw new TensorError("io", op, `${path}: ends at byte ${offset + done}, while it is read`)
      done += got
    }
    return bytes
  }
})

const converts = ({ dtype: stored }: StoredTensor, { dtype, device = "cpu" }: { readonly dtype?: Dtype; readonly device?: Device }): boolean =>
  device !== "cpu" || dtype !== undefined && storedDtype[dtype] !== stored

const converted = (t: Tensor, { dtype, device }: { readonly dtype?: Dtype; readonly device?: Device }): Tensor => {
  if ((dtype === undefined || dtype === t.dtype) && (device === undefined || device === "cpu")) return t
  try {
    return to(t, { ...(dtype && { dtype }), ...(device && { device }) })
  } finally {
    t.dispose()
  }
}

const openTorch = (path: string, fd: number, nestings: ReadonlyArray<string> | undefined): WeightFile => {
  const file = readTorchFile(bytesOf(fd, path))
  const tensors: ReadonlyMap<string, PlacedTensor> = new Map([...stateDict(file.value, nestings)].map(([name, tensor]) => [name, file.place(name, tensor)]))
  const close = (): void => closeSync(fd)
  return {
    path, tensors, close, [Symbol.dispose]: close,
    read(name, options = {}) {
      const placed = tensors.get(name)
      if (placed === undefined) throw new TensorError("invalid", op, `${path} has no tensor ${name}`)
      return converted(readPlaced(fd, placed, `${path}: ${name}`, converts(placed, options)), options)
    }
  }
}

const openPlain = (path: string): WeightFile => {
  const file = openSafetensors(path)
  const names = withoutWrappers(new Map([...file.tensors.keys()].map((name) => [name, name])))
  return {
    path, close: file.close, [Symbol.dispose]: file.close,
    tensors: new Map([...names].map(([name, stored]) => [name, file.tensors.get(stored)!])),
    read: (name, options) => file.read(names.get(name) ?? name, options)
  }
}

const openShards = (path: string, nestings: ReadonlyArray<string> | undefined): WeightFile => {
  const { size } = statSync(path)
  if (size > maxIndexBytes) throw new TensorError("invalid", op, `${path}: an index of ${size} bytes, at most ${maxIndexBytes} are read`)
  const fileOf = parseShardIndex(readFileSync(path, "utf8"))
  using opened = new DisposableStack()
  const shards = new Map([...new Set(fileOf.values())].map((name) => [name, opened.use(openWeights(join(dirname(path), name), nestings))]))
  const holders = withoutWrappers(new Map([...fileOf].map(([name, file]) => [name, shards.get(file)!])))
  const tensors = new Map([...holders].map(([name, shard]) => {
    const tensor = shard.tensors.get(name)
    if (tensor === undefined) throw new TensorError("invalid", op, `${path}: ${name} is said to be in ${shard.path}, which does not have it`)
    return [name, tensor]
  }))
  const all = opened.move()
  const close = () => all.dispose()
  return {
    path, tensors, close, [Symbol.dispose]: close,
    read(name, options) {
      const shard = holders.get(name)
      if (shard === undefined) throw new TensorError("invalid", op, `${path} has no tensor ${name}`)
      return shard.read(name, options)
    }
  }
}

/**
 * Opens and checks a file, by what is in it and not by its name; only an index is known by its `.json`. `nestings`: under which names a
 * state dict may lie in a PyTorch file, the first that is there is taken. Errors: TensorError `io` (cannot be read), `invalid` (what is wrong).
 */
export const openWeights = (path: string, nestings?: ReadonlyArray<string>): WeightFile => {
  let fd = -1
  try {
    if (path.endsWith(".index.json")) return openShards(path, nestings)
    fd = openSync(path, "r")
    const first = new Uint8Array(4)
    const count = readSync(fd, first, 0, 4, 0)
    if (isTorchFile(first.subarray(0, count))) return openTorch(path, fd, nestings)
    closeSync(fd)
    fd = -1
    return openPlain(path)
  } catch (error) {
    if (fd >= 0) closeSync(fd)
    throw failure(path, error)
  }
}
