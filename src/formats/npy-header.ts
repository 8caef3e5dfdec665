/**
 * The header of an npy array, read as hostile input: a Python dictionary of three keys, parsed by a grammar of its own that knows nothing else.
 *
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import * as Schema from "effect/Schema"

/** As numpy's own limit (`max_header_size`). */
const maxHeaderBytes = 10_000
/** "\x93NUMPY", a version of two bytes, the length of the dictionary: two bytes in version 1, four from 2 on. */
export const npyPrefixBytes = 12
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
const maxDimensions = 32
const alignment = 64

export const npyDtypes = { uint8: { code: "|u1", bytes: 1 }, float32: { code: "<f4", bytes: 4 }, float64: { code: "<f8", bytes: 8 } } as const
export type NpyDtype = keyof typeof npyDtypes

export class InvalidNpy extends Schema.TaggedError<InvalidNpy>()("InvalidNpy", { array: Schema.String, problem: Schema.String }) {
  override get message() {
    return `invalid npy array \`${this.array}\`: ${this.problem}`
  }
}

export interface NpyHeader {
  readonly dtype: NpyDtype
  /** Row-major. */
  readonly shape: ReadonlyArray<number>
  /** Where the numbers begin. */
  readonly bytes: number
}

type Refuse = (problem: string) => never

/** Whole length of the header by its first 12 bytes. */
export const npyHeaderBytes = (prefix: Uint8Array, refuse: Refuse): number => {
  if (prefix.length < npyPrefixBytes || magic.some((byte, i) => prefix[i] !== byte)) return refuse("does not begin as an npy array does")
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.length)
  const version = view.getUint8(6)
  if (version < 1 || version > 3) return refuse(`version ${version}, expected 1, 2 or 3`)
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > maxHeaderBytes) return refuse(`a header of ${length} bytes, at most ${maxHeaderBytes} are read`)
  const whole = (version === 1 ? 10 : 12) + length
  return whole < npyPrefixBytes ? refuse(`a header of ${length} bytes, which hold no description`) : whole
}

const entry = /^\s*(?:'([a-z_]+)'|"([a-z_]+)")\s*:\s*(?:'([^'\\]*)'|"([^"\\]*)"|(True|False)|\(([\d,\sL]*)\))\s*(?:,|(?=\s*\}))/

/** The dictionary's values as text, a truth value, or a tuple's inside. Structured dtypes, lists and everything else end the reading. */
const parseDictionary = (text: string, refuse: Refuse): ReadonlyMap<string, string> => {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text
  if (!text.startsWith("{")) return refuse(`its description is no dictionary: ${JSON.stringify(shown)}`)
  const values = new Map<string, string>()
  let rest = text.slice(1)
  while (!/^\s*\}\s*$/.test(rest)) {
    const found = entry.exec(rest)
    if (found === null) return refuse(`its description is not that of a plain array: ${JSON.stringify(shown)}`)
    const key = found[1] ?? found[2]!
    if (values.has(key)) return refuse(`\`${key}\` given twice`)
    values.set(key, found[3] ?? found[4] ?? found[5] ?? found[6]!)
    rest = rest.slice(found[0].length)
  }
  return values
}

const parseDtype = (descr: string, refuse: Refuse): NpyDtype => {
  if (/^>[uf][248]$/.test(descr)) return refuse(`its numbers are big-endian (\`${descr}\`), expected little-endian`)
  const [dtype] = Object.entries(npyDtypes).find(([, { code }]) => code.slice(1) === descr.replace(/^[<|=]/, "")) ?? []
  return dtype === undefined ? refuse(`dtype \`${descr.slice(0, 40)}\`, expected uint8, float32 or float64`) : dtype as NpyDtype
}

const parseShape = (tuple: string, refuse: Refuse): ReadonlyArray<number> => {
  const shape = tuple.split(",").map((size) => size.trim().replace(/L$/, "")).filter((size) => size !== "").map((size) => /^\d{1,15}$/.test(size) ? Number(size) : refuse(`a dimension of \`${size.slice(0, 40)}\``))
  if (shape.length > maxDimensions) return refuse(`${shape.length} dimensions, at most ${maxDimensions}`)
  return shape
}

/** `header`: as many bytes as `npyHeaderBytes` says. Throws InvalidNpy. */
export const parseNpyHeader = (array: string, header: Uint8Array): NpyHeader => {
  const refuse: Refuse = (problem) => { throw new InvalidNpy({ array, problem }) }
  const bytes = npyHeaderBytes(header.subarray(0, npyPrefixBytes), refuse)
  if (bytes !== header.length) return refuse(`a header of ${bytes} bytes, got ${header.length}`)
  const values = parseDictionary(new TextDecoder("latin1").decode(header.subarray(header[6] === 1 ? 10 : 12)), refuse)
  const missing = ["descr", "fortran_order", "shape"].filter((key) => !values.has(key))
  if (missing.length > 0 || values.size !== 3) return refuse(`its keys are ${[...values.keys()].join(", ")}, expected descr, fortran_order, shape`)
  if (values.get("fortran_order") !== "False") return refuse("in Fortran order (column-major), expected C order: save `numpy.ascontiguousarray` of it")
  return { dtype: parseDtype(values.get("descr")!, refuse), shape: parseShape(values.get("shape")!, refuse), bytes }
}

/** Version 1. Its length does not depend on the first dimension, which may be known last. */
export const encodeNpyHeader = (dtype: NpyDtype, shape: ReadonlyArray<number>): Uint8Array => {
  const text = (first: string) => `{'descr': '${npyDtypes[dtype].code}', 'fortran_order': False, 'shape': (${[first, ...shape.slice(1)].join(", ")},), }`
  const whole = Math.ceil((10 + text("9".repeat(15)).length + 1) / alignment) * alignment
  const header = new Uint8Array(whole).fill(0x20)
  header.set([...magic, 1, 0])
  new DataView(header.buffer).setUint16(8, whole - 10, true)
  header.set(new TextEncoder().encode(text(String(shape[0] ?? 0))), 10)
  header[whole - 1] = 0x0a
  return header
}
