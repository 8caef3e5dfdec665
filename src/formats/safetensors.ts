/**
 * The header of a safetensors file, read as hostile input: nothing is allocated by a number that the file gives, every
 * offset is checked, and what is refused says what and where.
 *
 * Layout: u64 little-endian length N, N bytes of JSON (name → {dtype, shape, data_offsets}, and `__metadata__`), data.
 * Offsets count from the first data byte. https://github.com/huggingface/safetensors#format
 */
import * as Schema from "effect/Schema"
import { parsedKeys, writtenKeys } from "./json-keys.ts"

/** Bytes of one element. Types narrower than a byte are not supported. */
export const bytesPerElement = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1,
  U16: 2, I16: 2, F16: 2, BF16: 2,
  U32: 4, I32: 4, F32: 4,
  U64: 8, I64: 8, F64: 8, C64: 8
} as const
export type Dtype = keyof typeof bytesPerElement

/** The models here need 0.2 MB; the reference reader's own limit is 100 MB. */
export const maxHeaderBytes = 16 * 2 ** 20
const maxRank = 16
const maxNameLength = 1024
/** Data begins at a multiple of this in files that are written here: bits of a result can depend on how its input is aligned. */
const alignment = 64

export interface TensorEntry {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: ReadonlyArray<number>
  /** Offsets of the first byte and of the one after the last, from the start of the file. */
  readonly begin: number
  readonly end: number
}

export interface Header {
  readonly dataStart: number
  readonly metadata: ReadonlyMap<string, string>
  /** In the order in which they lie in the file. */
  readonly tensors: ReadonlyArray<TensorEntry>
}

export class InvalidSafetensors extends Schema.TaggedError<InvalidSafetensors>()("InvalidSafetensors", {
  /** `length`, `header`, or the name of a tensor. */
  where: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `invalid safetensors at ${this.where}: ${this.problem}`
  }
}

const refuse = (where: string, problem: string): never => {
  throw new InvalidSafetensors({ where: where.length > 120 ? `${where.slice(0, 120)}…` : where, problem })
}

/** Checks the first eight bytes against the size of the file and gives the number of header bytes that follow them. */
export const headerLength = (first8: Uint8Array, fileSize: number): number => {
  if (first8.length < 8 || fileSize < 8) return refuse("length", `expected at least 8 bytes, got ${Math.min(first8.length, fileSize)}`)
  const length = new DataView(first8.buffer, first8.byteOffset, 8).getBigUint64(0, true)
  if (length > BigInt(maxHeaderBytes)) return refuse("length", `header of ${length} bytes, at most ${maxHeaderBytes} are read`)
  if (Number(length) > fileSize - 8) return refuse("length", `header of ${length} bytes in a file of ${fileSize}`)
  if (length < 2n) return refuse("length", `header of ${length} bytes is no JSON object`)
  return Number(length)
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const parseJson = (text: string): Readonly<Record<string, unknown>> => {
  const written = writtenKeys(text, 3) // {name: {shape: [ is as deep as it goes
  if (written === undefined) return refuse("header", "no JSON object, or one nested deeper than the format")
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return refuse("header", `not JSON: ${(error as Error).message}`)
  }
  if (!isObject(json)) return refuse("header", "expected a JSON object")
  const parsed = parsedKeys(json)
  if (parsed !== written) return refuse("header", `${written} keys, ${parsed} different: one is given twice`)
  return json
}

const parseEntry = (name: string, value: unknown, dataStart: number, fileSize: number): TensorEntry => {
  if (name.length === 0 || name.length > maxNameLength) return refuse(name, `name of ${name.length} characters, expected 1 to ${maxNameLength}`)
  if (!isObject(value)) return refuse(name, "expected an object with dtype, shape and data_offsets")
  const { dtype, shape, data_offsets: offsets, ...rest } = value
  for (const key in rest) return refuse(name, `unknown key ${JSON.stringify(key)}`)
  if (typeof dtype !== "string" || !Object.hasOwn(bytesPerElement, dtype)) return refuse(name, `unknown dtype ${JSON.stringify(dtype)}`)
  if (!Array.isArray(shape) || shape.length > maxRank || !shape.every(isCount)) {
    return refuse(name, `expected a shape of at most ${maxRank} sizes, got ${JSON.stringify(shape)?.slice(0, 80)}`)
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    return refuse(name, `expected data_offsets [begin, end], got ${JSON.stringify(offsets)?.slice(0, 80)}`)
  }
  const [begin, end] = offsets as [number, number]
  if (begin > end) return refuse(name, `data_offsets [${begin}, ${end}] end before they begin`)
  if (end > fileSize - dataStart) return refuse(name, `data ends at ${end}, the file has ${fileSize - dataStart} bytes of data`)
  // In floating point a product that is too large stays too large: no wrap-around that could equal `end - begin`.
  const bytes = (shape as Array<number>).reduce((product, size) => product * size, bytesPerElement[dtype as Dtype])
  if (bytes !== end - begin) return refuse(name, `${dtype} [${shape}] takes ${bytes} bytes, data_offsets give ${end - begin}`)
  return { name, dtype: dtype as Dtype, shape, begin: dataStart + begin, end: dataStart + end }
}

const parseMetadata = (value: unknown): ReadonlyMap<string, string> => {
  if (value === undefined) return new Map()
  if (!isObject(value)) return refuse("__metadata__", "expected an object of strings")
  return new Map(Object.entries(value).map(([key, text]) => typeof text === "string" ? [key, text] : refuse("__metadata__", `${key} is no string`)))
}

/** Reads a header: the first `8 + headerLength(…)` bytes of a file of `fileSize` bytes. */
export const parseHeader = (head: Uint8Array, fileSize: number): Header => {
  const length = headerLength(head, fileSize)
  const dataStart = 8 + length
  if (head.length < dataStart) return refuse("header", `expected ${dataStart} bytes, got ${head.length}`)
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(head.subarray(8, dataStart))
  } catch {
    return refuse("header", "not UTF-8")
  }
  if (!text.startsWith("{")) return refuse("header", "expected a JSON object")
  const { __metadata__, ...entries } = parseJson(text)
  const metadata = parseMetadata(__metadata__)
  const tensors = Object.entries(entries).map(([name, value]) => parseEntry(name, value, dataStart, fileSize))
    .sort((a, b) => a.begin - b.begin || a.end - b.end)
  let at = dataStart
  for (const { name, begin, end } of tensors) {
    if (begin < at) return refuse(name, `begins at ${begin - dataStart}, inside the tensor before it, which ends at ${at - dataStart}`)
    if (begin > at) return refuse(name, `${begin - at} bytes before it belong to no tensor`)
    at = end
  }
  if (fileSize > at) return refuse("header", `${fileSize - at} bytes at the end belong to no tensor`)
  return { dataStart, metadata, tensors }
}

/**
 * A header for tensors that lie back to back in the given order, with the size of the whole file. Data begins at a multiple
 * of 64 bytes; other readers refuse gaps, so whoever wants every tensor aligned gives those of odd sizes last.
 */
export const encodeHeader = (
  tensors: ReadonlyArray<{ readonly name: string; readonly dtype: Dtype; readonly shape: ReadonlyArray<number> }>,
  metadata: Readonly<Record<string, string>> = {}
): { readonly bytes: Uint8Array; readonly fileSize: number; readonly tensors: ReadonlyArray<TensorEntry> } => {
  let at = 0
  const placed = tensors.map(({ name, dtype, shape }) => {
    const begin = at
    at += shape.reduce((product, size) => product * size, bytesPerElement[dtype])
    return { name, dtype, shape, begin, end: at }
  })
  const json = JSON.stringify(Object.fromEntries([
    ...(Object.keys(metadata).length === 0 ? [] : [["__metadata__", metadata] as const]),
    ...placed.map(({ name, dtype, shape, begin, end }) => [name, { dtype, shape, data_offsets: [begin, end] }] as const)
  ]))
  const text = new TextEncoder().encode(json)
  const dataStart = Math.ceil((8 + text.length) / alignment) * alignment
  const bytes = new Uint8Array(dataStart).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(dataStart - 8), true)
  bytes.set(text, 8)
  return { bytes, fileSize: dataStart + at, tensors: placed.map(({ name, dtype, shape, begin, end }) => ({ name, dtype, shape, begin: begin + dataStart, end: end + dataStart })) }
}
