/**
 * Lays out a state dict as `torch.save` would (zip format): everything but the numbers, which whoever writes the file puts in their places.
 * Only the checksums of the numbers must be known at the end.
 *
 * Read back by torch.load of any version from 1.6 on, also with `weights_only`.
 */
import { bytesPerElement, type Dtype } from "./safetensors.ts"

/** Storages begin at multiples of this, as torch.save places them, so that they can be mapped. */
const alignment = 64

const storageTypes: Readonly<Partial<Record<Dtype, string>>> = {
  F64: "DoubleStorage", F32: "FloatStorage", F16: "HalfStorage", BF16: "BFloat16Storage", I64: "LongStorage", I32: "IntStorage", I16: "ShortStorage", I8: "CharStorage",
  U8: "ByteStorage", BOOL: "BoolStorage"
}

export interface NamedTensor {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: ReadonlyArray<number>
}
export interface PlacedStorage {
  readonly name: string
  /** First byte in the file, and the one after the last. */
  readonly begin: number
  readonly end: number
}
export interface Piece {
  readonly at: number
  readonly bytes: Uint8Array
}

const ascii = (text: string) => new TextEncoder().encode(text)
const joined = (parts: ReadonlyArray<Uint8Array>) => new Uint8Array(Buffer.concat(parts))
const number = (value: number, bytes: 2 | 4 | 8) => {
  const out = new Uint8Array(bytes)
  const view = new DataView(out.buffer)
  if (bytes === 2) view.setUint16(0, value, true)
  else if (bytes === 4) view.setUint32(0, value, true)
  else view.setBigUint64(0, BigInt(value), true)
  return out
}

const opcode = (code: string) => Uint8Array.from(code, (letter) => letter.charCodeAt(0))
const text = (value: string) => joined([opcode("X"), number(ascii(value).length, 4), ascii(value)])
/** Four bytes where it fits, else eight and a ninth that keeps it positive. */
const integer = (value: number) => value < 2 ** 31 ? joined([opcode("J"), number(value, 4)]) : joined([opcode("\x8a\x09"), number(value, 8), opcode("\0")])
const name = (module: string, of: string) => opcode(`c${module}\n${of}\n`)
const tuple = (items: ReadonlyArray<Uint8Array>) => joined([opcode("("), ...items, opcode("t")])
const emptyDict = joined([name("collections", "OrderedDict"), opcode(")R")])

const stridesOf = (shape: ReadonlyArray<number>) => shape.map((_, d) => shape.slice(d + 1).reduce((product, size) => product * size, 1))

const tensorPickle = ({ dtype, name: tensorName, shape }: NamedTensor, key: number): Uint8Array => {
  const type = storageTypes[dtype]
  if (type === undefined) throw new RangeError(`${tensorName} is ${dtype}, which PyTorch's files have no storage for`)
  const count = shape.reduce((product, size) => product * size, 1)
  const storage = joined([tuple([text("storage"), name("torch", type), text(String(key)), text("cpu"), integer(count)]), opcode("Q")])
  const args = [storage, integer(0), tuple(shape.map(integer)), tuple(stridesOf(shape).map(integer)), opcode("\x89"), emptyDict]
  return joined([text(tensorName), name("torch._utils", "_rebuild_tensor_v2"), tuple(args), opcode("R")])
}

const statePickle = (tensors: ReadonlyArray<NamedTensor>): Uint8Array =>
  joined([opcode("\x80\x02"), emptyDict, opcode("("), ...tensors.map(tensorPickle), opcode("u.")])

interface Entry {
  readonly path: string
  readonly local: number
  readonly begin: number
  readonly size: number
  /** The entry's bytes; null for a storage. */
  readonly bytes: Uint8Array | null
  readonly padding: number
}

/** Every entry's header has its sizes in a ZIP64 field, needed or not: one shape for all. */
const localBytes = 30 + 20
const wideField = (...values: ReadonlyArray<number>) => joined([number(1, 2), number(8 * values.length, 2), ...values.map((value) => number(value, 8))])
/** A field of no meaning that moves the data to a multiple of 64, as torch.save does it. */
const paddingField = (bytes: number) => joined([ascii("FB"), number(bytes - 4, 2), new Uint8Array(bytes - 4)])

const place = (files: ReadonlyArray<{ readonly path: string; readonly size: number; readonly bytes: Uint8Array | null }>): ReadonlyArray<Entry> => {
  let at = 0
  return files.map((file) => {
    const local = at
    const unpadded = local + localBytes + ascii(file.path).length + 4
    const begin = Math.ceil(unpadded / alignment) * alignment
    at = begin + file.size
    return { ...file, local, begin, padding: begin - unpadded + 4 }
  })
}

const localHeader = ({ padding, path, size }: Entry, crc: number) => joined([
  number(0x04034b50, 4), number(45, 2), number(0, 2), number(0, 2), number(0, 4), number(crc, 4), number(0xffffffff, 4), number(0xffffffff, 4),
  number(ascii(path).length, 2), number(20 + padding, 2), ascii(path), wideField(size, size), paddingField(padding)
])

const directoryEntry = ({ local, path, size }: Entry, crc: number) => joined([
  number(0x02014b50, 4), number(45, 2), number(45, 2), number(0, 2), number(0, 2), number(0, 4), number(crc, 4), number(0xffffffff, 4), number(0xffffffff, 4),
  number(ascii(path).length, 2), number(28, 2), number(0, 2), number(0, 2), number(0, 2), number(0, 4), number(0xffffffff, 4), ascii(path), wideField(size, size, local)
])

const directoryEnd = (count: number, begin: number, bytes: number) => joined([
  number(0x06064b50, 4), number(44, 8), number(45, 2), number(45, 2), number(0, 4), number(0, 4), number(count, 8), number(count, 8), number(bytes, 8), number(begin, 8),
  number(0x07064b50, 4), number(0, 4), number(begin + bytes, 8), number(1, 4),
  number(0x06054b50, 4), number(0, 2), number(0, 2), number(0xffff, 2), number(0xffff, 2), number(0xffffffff, 4), number(0xffffffff, 4), number(0, 2)
])

/**
 * Where each tensor's numbers go (little-endian, row-major), and the rest of the file once their CRC-32s are known, in the same order.
 * `crc32` is the caller's, of the small entries.
 */
export const layOutTorchFile = (tensors: ReadonlyArray<NamedTensor>, crc32: (bytes: Uint8Array) => number): {
  readonly storages: ReadonlyArray<PlacedStorage>
  readonly rest: (checksums: ReadonlyArray<number>) => ReadonlyArray<Piece>
} => {
  const small = [["data.pkl", statePickle(tensors)], ["byteorder", ascii("little")], ["version", ascii("3\n")]] as const
  const entries = place([
    ...small.map(([path, bytes]) => ({ path: `archive/${path}`, size: bytes.length, bytes })),
    ...tensors.map(({ dtype, shape }, key) => ({ path: `archive/data/${key}`, size: shape.reduce((product, size) => product * size, bytesPerElement[dtype]), bytes: null }))
  ])
  const storages = entries.slice(small.length).map(({ begin, size }, i) => ({ name: tensors[i]!.name, begin, end: begin + size }))
  const last = entries.at(-1)!
  const directoryBegin = last.begin + last.size
  return {
    storages,
    rest: (checksums) => {
      const crcs = entries.map(({ bytes }, i) => bytes === null ? checksums[i - small.length]! : crc32(bytes))
      const directory = joined(entries.map((entry, i) => directoryEntry(entry, crcs[i]!)))
      return [
        ...entries.flatMap((entry, i) => [{ at: entry.local, bytes: localHeader(entry, crcs[i]!) }, ...(entry.bytes === null ? [] : [{ at: entry.begin, bytes: entry.bytes }])]),
        { at: directoryBegin, bytes: joined([directory, directoryEnd(entries.length, directoryBegin, directory.length)]) }
      ]
    }
  }
}
