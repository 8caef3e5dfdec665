/**
 * The directory of a zip archive, with ZIP64, read as hostile input: sizes and offsets are checked against the file before anything is
 * allocated, no name is ever used as a path, and no two entries share bytes. What an entry holds is read by zip-entry.ts.
 *
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import * as Schema from "effect/Schema"
import type { ByteSource } from "./byte-source.ts"

/** Some 100,000 entries with long names; a state dict has under 10,000. */
const maxDirectoryBytes = 16 * 2 ** 20

const endSignature = 0x06054b50, endBytes = 22
const locatorSignature = 0x07064b50, locatorBytes = 20
const end64Signature = 0x06064b50, end64Bytes = 56
const entrySignature = 0x02014b50, entryBytes = 46
const localSignature = 0x04034b50, localBytes = 30
const maxComment = 0xffff
/** The most that a byte of deflated data can stand for: 258 equal bytes in two bits. */
const mostDeflated = 1032

export class InvalidZip extends Schema.TaggedError<InvalidZip>()("InvalidZip", { where: Schema.String, problem: Schema.String }) {
  override get message() {
    return `invalid zip at ${this.where}: ${this.problem}`
  }
}
const refuse = (where: string, problem: string): never => {
  throw new InvalidZip({ where: where.length > 120 ? `${where.slice(0, 120)}…` : where, problem })
}

export interface ZipEntry {
  readonly name: string
  readonly method: "stored" | "deflated"
  readonly crc32: number
  /** Where its bytes begin in the file, and how many they are there. */
  readonly begin: number
  readonly packedSize: number
  readonly size: number
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
const u64 = (view: DataView, at: number) => Number(view.getBigUint64(at, true))

interface Directory {
  readonly begin: number
  readonly bytes: number
  readonly count: number
}

const findDirectory = (file: ByteSource): Directory => {
  if (file.size < endBytes) return refuse("end", `expected at least ${endBytes} bytes, got ${file.size}`)
  const tailBytes = Math.min(file.size, endBytes + maxComment)
  const tailAt = file.size - tailBytes
  const tail = file.read(tailAt, tailBytes)
  const view = viewOf(tail)
  let at = tailBytes - endBytes
  while (at >= 0 && !(view.getUint32(at, true) === endSignature && view.getUint16(at + 20, true) === tailBytes - at - endBytes)) at--
  if (at < 0) return refuse("end", "no end of a directory: not a zip archive, or cut short")
  const end = tailAt + at
  const small = { count: view.getUint16(at + 10, true), bytes: view.getUint32(at + 12, true), begin: view.getUint32(at + 16, true) }
  const locatorAt = end - locatorBytes
  if (locatorAt < 0) return checked(small, end)
  const locator = viewOf(file.read(locatorAt, locatorBytes))
  if (locator.getUint32(0, true) !== locatorSignature) return checked(small, end)
  const end64 = u64(locator, 8)
  if (!(end64 <= locatorAt - end64Bytes)) return refuse("end", `its ZIP64 record is said to be at ${end64}, beyond ${locatorAt - end64Bytes}`)
  const big = viewOf(file.read(end64, end64Bytes))
  if (big.getUint32(0, true) !== end64Signature) return refuse("end", `no ZIP64 record at ${end64}`)
  return checked({ count: u64(big, 32), bytes: u64(big, 40), begin: u64(big, 48) }, end64)
}

const checked = (directory: Directory, end: number): Directory => {
  const { begin, bytes, count } = directory
  if (bytes > maxDirectoryBytes) return refuse("directory", `${bytes} bytes, at most ${maxDirectoryBytes} are read`)
  if (!(begin + bytes <= end)) return refuse("directory", `bytes ${begin} to ${begin + bytes} do not lie before its end at ${end}`)
  if (count * entryBytes > bytes) return refuse("directory", `${count} entries do not fit in ${bytes} bytes`)
  return directory
}

/** Sizes and offset that do not fit in 32 bits stand in an extra field, in this order, each only where its place says so. */
const wide = (extra: DataView, values: ReadonlyArray<number>, name: string): ReadonlyArray<number> => {
  if (!values.includes(0xffffffff)) return values
  for (let at = 0; at + 4 <= extra.byteLength;) {
    const id = extra.getUint16(at, true)
    const length = extra.getUint16(at + 2, true)
    if (at + 4 + length > extra.byteLength) break
    if (id === 1) {
      let from = at + 4
      return values.map((value) => {
        if (value !== 0xffffffff) return value
        if (from + 8 > at + 4 + length) return refuse(name, "a ZIP64 field that is too short")
        from += 8
        return u64(extra, from - 8)
      })
    }
    at += 4 + length
  }
  return refuse(name, "no ZIP64 field for a size of 4 GiB or more")
}

/** All entries by name. Throws InvalidZip, and whatever `file.read` throws. */
export const readZip = (file: ByteSource): ReadonlyMap<string, ZipEntry> => {
  const directory = findDirectory(file)
  const bytes = file.read(directory.begin, directory.bytes)
  const view = viewOf(bytes)
  const entries = new Map<string, ZipEntry>()
  let at = 0
  for (let i = 0; i < directory.count; i++) {
    if (at + entryBytes > bytes.length || view.getUint32(at, true) !== entrySignature) return refuse("directory", `no entry ${i} at byte ${at}`)
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true)) as [number, number, number]
    const next = at + entryBytes + nameBytes + extraBytes + commentBytes
    if (next > bytes.length) return refuse("directory", `entry ${i} ends at byte ${next} of ${bytes.length}`)
    const nameEnd = at + entryBytes + nameBytes
    const name = new TextDecoder().decode(bytes.subarray(at + entryBytes, nameEnd))
    if ((view.getUint16(at + 8, true) & 1) !== 0) return refuse(name, "encrypted")
    const method = view.getUint16(at + 10, true)
    if (method !== 0 && method !== 8) return refuse(name, `compression method ${method}, expected 0 (stored) or 8 (deflated)`)
    const extra = new DataView(bytes.buffer, bytes.byteOffset + nameEnd, extraBytes)
    const [size, packedSize, local] = wide(extra, [24, 20, 42].map((offset) => view.getUint32(at + offset, true)), name) as [number, number, number]
    if (!(local + localBytes <= directory.begin)) return refuse(name, `begins at ${local}, in or after the directory at ${directory.begin}`)
    const head = viewOf(file.read(local, localBytes))
    if (head.getUint32(0, true) !== localSignature) return refuse(name, `no entry at ${local}`)
    const begin = local + localBytes + head.getUint16(26, true) + head.getUint16(28, true)
    if (!(begin + packedSize <= directory.begin)) return refuse(name, `bytes ${begin} to ${begin + packedSize} reach into the directory at ${directory.begin}`)
    if (method === 0 && size !== packedSize) return refuse(name, `stored, but of ${packedSize} bytes for ${size}`)
    if (method === 8 && size > packedSize * mostDeflated) return refuse(name, `${size} bytes out of ${packedSize} compressed ones, more than can be`)
    if (entries.has(name)) return refuse(name, "given twice")
    entries.set(name, { name, method: method === 0 ? "stored" : "deflated", crc32: view.getUint32(at + 16, true), begin, packedSize, size })
    at = next
  }
  let free = 0
  for (const { begin, name, packedSize } of [...entries.values()].toSorted((a, b) => a.begin - b.begin)) {
    if (begin < free) return refuse(name, "shares bytes with another entry")
    free = begin + packedSize
  }
  return entries
}
