/** Tensors from safetensors files. The header is checked before anything is read; values go into aligned memory of our own. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import { headerLength, InvalidSafetensors, parseHeader, type Dtype as StoredDtype, type Header, type TensorEntry } from "../formats/safetensors.ts"
import { dtypeCode, type Device, type Dtype } from "./dtype.ts"
import { TensorError } from "./errors.ts"
import { native } from "./native.ts"
import { to } from "./ops-create.ts"
import { made } from "./scope.ts"
import type { Tensor } from "./tensor.ts"

export const storedDtype: Readonly<Record<Dtype, StoredDtype>> = {
  float32: "F32", float64: "F64", bfloat16: "BF16", float16: "F16", int64: "I64", uint8: "U8", bool: "BOOL"
}
/** Those of a file's dtypes that tensors can have. */
export const loadedDtype: ReadonlyMap<StoredDtype, Dtype> = new Map(Object.entries(storedDtype).map(([dtype, stored]) => [stored, dtype as Dtype]))

export interface SafetensorsFile {
  readonly path: string
  readonly metadata: ReadonlyMap<string, string>
  /** By name: dtype as the file has it, shape, offsets in the file. */
  readonly tensors: ReadonlyMap<string, TensorEntry>
  /** A copy in aligned memory, converted where `dtype` or `device` say so. */
  readonly read: (name: string, options?: { readonly dtype?: Dtype; readonly device?: Device }) => Tensor
  /**
   * Fills tensors that are there, of the shapes and dtypes that the file has under their names, by all threads; gives the hashes (as `hashTensor`) of
   * what was read, from the same pass. After an error they hold anything.
   */
  readonly readInto: (named: ReadonlyMap<string, Tensor>) => ReadonlyMap<string, string>
  /** The file's own pages, not copied, at whatever alignment they have. They outlive `close`. */
  readonly map: (name: string) => Tensor
  readonly close: () => void
  readonly [Symbol.dispose]: () => void
}

const ioError = (op: string, path: string, error: unknown): TensorError => {
  if (error instanceof InvalidSafetensors) return new TensorError("invalid", op, `${path}: ${error.message}`)
  const { code = "", message } = error as NodeJS.ErrnoException
  return new TensorError("io", op, `${path}: ${message}`, code)
}

const readHeader = (fd: number): Header => {
  const { size } = fstatSync(fd)
  const first = new Uint8Array(8)
  const got = readSync(fd, first, 0, 8, 0)
  const length = headerLength(first.subarray(0, got), size)
  const head = new Uint8Array(8 + length)
  readSync(fd, head, 0, head.length, 0)
  return parseHeader(head, size)
}

/** Opens and checks a file. Errors: TensorError `io` (cannot be read), `invalid` (what is wrong with it, and where). */
export const openSafetensors = (path: string): SafetensorsFile => {
  const op = "openSafetensors"
  let fd = -1
  let header: Header
  try {
    fd = openSync(path, "r")
    header = readHeader(fd)
  } catch (error) {
    if (fd >= 0) closeSync(fd)
    throw ioError(op, path, error)
  }
  const tensors = new Map(header.tensors.map((entry) => [entry.name, entry]))
  let open = true
  const locate = (name: string, f: (entry: TensorEntry, dtype: number) => number): Tensor => {
    if (!open) throw new TensorError("released", "readTensor", `${path} is closed`)
    const entry = tensors.get(name)
    if (entry === undefined) throw new TensorError("invalid", "readTensor", `${path} has no tensor ${name}`)
    const dtype = loadedDtype.get(entry.dtype)
    if (dtype === undefined) throw new TensorError("dtype", "readTensor", `${path}: ${name} is ${entry.dtype}, expected one of ${[...loadedDtype.keys()].join(", ")}`)
    try {
      return made(f(entry, dtypeCode(dtype)))
    } catch (error) {
      if (!(error instanceof TensorError)) throw error
      throw new TensorError(error.code, "readTensor", `${path}: ${name}: ${error.message}`, error.errno)
    }
  }
  const close = (): void => {
    if (open) closeSync(fd)
    open = false
  }
  return {
    path,
    metadata: header.metadata,
    tensors,
    read(name, { dtype, device } = {}) {
      const t = locate(name, ({ begin, shape }, stored) => native.readTensor(fd, begin, shape, stored))
      if ((dtype === undefined || dtype === t.dtype) && (device === undefined || device === "cpu")) return t
      try {
        return to(t, { ...(dtype && { dtype }), ...(device && { device }) })
      } finally {
        t.dispose()
      }
    },
    readInto(named) {
      if (!open) throw new TensorError("released", "readTensor", `${path} is closed`)
      const offsets = Array.from(named, ([name, t]) => {
        const entry = tensors.get(name)
        if (entry === undefined) throw new TensorError("invalid", "readTensor", `${path} has no tensor ${name}`)
        if (entry.dtype !== storedDtype[t.dtype] || entry.shape.join() !== t.shape.join()) {
          throw new TensorError("invalid", "readTensor", `${path}: ${name}: expected ${storedDtype[t.dtype]} [${t.shape}], got ${entry.dtype} [${entry.shape}]`)
        }
        return entry.begin
      })
      try {
        const hashes = native.readInto(fd, offsets, Array.from(named.values(), (t) => t.handle))
        return new Map(Array.from(named.keys(), (name, i) => [name, hashes[i] ?? ""]))
      } catch (error) {
        if (!(error instanceof TensorError)) throw error
        throw new TensorError(error.code, "readTensor", `${path}: ${error.message}`, error.errno)
      }
    },
    map: (name) => locate(name, ({ begin, shape }, stored) => native.mapTensor(fd, begin, shape, stored)),
    close,
    [Symbol.dispose]: close
  }
}

/** XXH3-128 of the raw little-endian bytes in row-major order, 32 hex digits. */
export const hashTensor = (t: Tensor): string => native.hashTensors([t.handle])[0] ?? ""

/** The same for every tensor of a map, by all threads. */
export const hashTensors = (named: ReadonlyMap<string, Tensor>): ReadonlyMap<string, string> => {
  const hashes = native.hashTensors(Array.from(named.values(), (t) => t.handle))
  return new Map(Array.from(named.keys(), (name, i) => [name, hashes[i] ?? ""]))
}
