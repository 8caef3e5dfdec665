/**
 * Python values as a pickle (protocol 2) that PyTorch reads: what a training program saves is dicts, numbers, texts and tensors.
 *
 * Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 */
import { bytesPerElement, type Dtype } from "./safetensors.ts"

/** A block of numbers; tensors of the same one share it in the file, and after loading. */
export class SavedStorage {
  readonly dtype: Dtype
  /** Elements. */
  readonly count: number
  constructor(dtype: Dtype, count: number) {
    this.dtype = dtype
    this.count = count
  }
}
/** The whole of a storage in row-major order. */
export class SavedTensor {
  readonly storage: SavedStorage
  readonly shape: ReadonlyArray<number>
  constructor(storage: SavedStorage, shape: ReadonlyArray<number>) {
    this.storage = storage
    this.shape = shape
  }
}
/** A float, whatever its value: a JavaScript number that is whole becomes an int. */
export class SavedFloat {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}
export class SavedTuple {
  readonly items: ReadonlyArray<Saved>
  constructor(items: ReadonlyArray<Saved>) {
    this.items = items
  }
}
/** `collections.OrderedDict`, which state dicts are. */
export class OrderedDict {
  readonly entries: ReadonlyMap<string, Saved>
  constructor(entries: ReadonlyMap<string, Saved>) {
    this.entries = entries
  }
}
/** Maps become dicts, arrays lists, whole numbers ints. */
export type Saved = null | boolean | number | string | SavedFloat | SavedTuple | OrderedDict | SavedTensor | ReadonlyArray<Saved> | ReadonlyMap<string | number, Saved>

export interface NamedTensor {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: ReadonlyArray<number>
}

const product = (shape: ReadonlyArray<number>) => shape.reduce((count, size) => count * size, 1)

export const savedTensor = (dtype: Dtype, shape: ReadonlyArray<number>): SavedTensor => new SavedTensor(new SavedStorage(dtype, product(shape)), shape)
/** Tensors by name, each with a storage of its own. */
export const stateDict = (tensors: ReadonlyArray<NamedTensor>): OrderedDict => new OrderedDict(new Map(tensors.map(({ dtype, name, shape }) => [name, savedTensor(dtype, shape)])))
export const storageBytes = ({ count, dtype }: SavedStorage): number => count * bytesPerElement[dtype]

const storageTypes: Readonly<Partial<Record<Dtype, string>>> = {
  F64: "DoubleStorage", F32: "FloatStorage", F16: "HalfStorage", BF16: "BFloat16Storage", I64: "LongStorage", I32: "IntStorage", I16: "ShortStorage", I8: "CharStorage",
  U8: "ByteStorage", BOOL: "BoolStorage"
}

const opcode = (code: string) => Uint8Array.from(code, (letter) => letter.charCodeAt(0))
const packed = (bytes: number, write: (view: DataView) => void): Uint8Array => {
  const out = new Uint8Array(bytes)
  write(new DataView(out.buffer))
  return out
}

class Pickler {
  readonly #parts: Array<Uint8Array> = []
  readonly #keys = new Map<SavedStorage, number>()

  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts))
  }
  /** In the order of their keys. */
  get storages(): ReadonlyArray<SavedStorage> {
    return [...this.#keys.keys()]
  }

  code(code: string): void { this.#parts.push(opcode(code)) }

  value(value: Saved): void {
    if (value === null) this.code("N")
    else if (typeof value === "boolean") this.code(value ? "\x88" : "\x89")
    else if (typeof value === "number") this.#integer(value)
    else if (typeof value === "string") this.#text(value)
    else if (value instanceof SavedFloat) this.#parts.push(packed(9, (view) => { view.setUint8(0, "G".charCodeAt(0)); view.setFloat64(1, value.value, false) }))
    else if (value instanceof SavedTuple) this.#tuple(value.items)
    else if (value instanceof SavedTensor) this.#tensor(value)
    else if (value instanceof OrderedDict) {
      this.#emptyOrderedDict()
      this.#items(value.entries)
    } else if (value instanceof Map) {
      this.code("}")
      this.#items(value as ReadonlyMap<string | number, Saved>)
    } else {
      this.code("](")
      for (const item of value as ReadonlyArray<Saved>) this.value(item)
      this.code("e")
    }
  }

  #items(entries: ReadonlyMap<string | number, Saved>): void {
    this.code("(")
    for (const [key, value] of entries) {
      this.value(key)
      this.value(value)
    }
    this.code("u")
  }
  #tuple(items: ReadonlyArray<Saved>): void {
    this.code("(")
    for (const item of items) this.value(item)
    this.code("t")
  }
  #text(text: string): void {
    const bytes = new TextEncoder().encode(text)
    this.code("X")
    this.#parts.push(packed(4, (view) => view.setUint32(0, bytes.length, true)), bytes)
  }
  /** Four bytes where it fits, else eight. */
  #integer(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no whole number that a file can hold exactly`)
    if (Math.abs(value) < 2 ** 31) this.#parts.push(opcode("J"), packed(4, (view) => view.setInt32(0, value, true)))
    else this.#parts.push(opcode("\x8a\x08"), packed(8, (view) => view.setBigInt64(0, BigInt(value), true)))
  }
  #name(module: string, name: string): void { this.code(`c${module}\n${name}\n`) }
  #emptyOrderedDict(): void {
    this.#name("collections", "OrderedDict")
    this.code(")R")
  }
  #tensor({ shape, storage }: SavedTensor): void {
    const type = storageTypes[storage.dtype]
    if (type === undefined) throw new RangeError(`a tensor is ${storage.dtype}, which PyTorch's files have no storage for`)
    const key = this.#keys.get(storage) ?? this.#keys.size
    this.#keys.set(storage, key)
    this.#name("torch._utils", "_rebuild_tensor_v2")
    this.code("((")
    this.#text("storage")
    this.#name("torch", type)
    for (const part of [String(key), "cpu", storage.count]) this.value(part)
    this.code("tQ")
    this.value(0)
    this.#tuple(shape)
    this.#tuple(shape.map((_, d) => product(shape.slice(d + 1))))
    this.code("\x89")
    this.#emptyOrderedDict()
    this.code("tR")
  }
}

/** The pickle, and the storages that it names by their place in this list. Throws RangeError for what PyTorch's files cannot hold. */
export const pickled = (value: Saved): { readonly bytes: Uint8Array; readonly storages: ReadonlyArray<SavedStorage> } => {
  const pickler = new Pickler()
  pickler.code("\x80\x02")
  pickler.value(value)
  pickler.code(".")
  return { bytes: pickler.bytes, storages: pickler.storages }
}
