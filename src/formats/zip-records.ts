/** What stands around the bytes of a zip archive's entries. Sizes are always in ZIP64 fields, needed or not: one shape for all. */

export const joined = (parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))
export const littleEndian = (value: number, bytes: 2 | 4 | 8): Uint8Array => {
  const out = new Uint8Array(bytes)
  const view = new DataView(out.buffer)
  if (bytes === 2) view.setUint16(0, value, true)
  else if (bytes === 4) view.setUint32(0, value, true)
  else view.setBigUint64(0, BigInt(value), true)
  return out
}

export interface StoredEntry {
  readonly path: string
  /** Where its local header stands. */
  readonly local: number
  readonly size: number
  readonly crc32: number
}

const inWideField = 0xffffffff
const wideField = (...values: ReadonlyArray<number>) => joined([littleEndian(1, 2), littleEndian(8 * values.length, 2), ...values.map((value) => littleEndian(value, 8))])
const bytesOf = (path: string) => new TextEncoder().encode(path)

/** `extra`: further fields, behind that of the sizes. */
export const localHeader = ({ crc32, path, size }: Omit<StoredEntry, "local">, extra: Uint8Array = new Uint8Array()): Uint8Array => joined([
  littleEndian(0x04034b50, 4), littleEndian(45, 2), littleEndian(0, 2), littleEndian(0, 2), littleEndian(0, 4), littleEndian(crc32, 4),
  littleEndian(inWideField, 4), littleEndian(inWideField, 4), littleEndian(bytesOf(path).length, 2), littleEndian(20 + extra.length, 2), bytesOf(path), wideField(size, size), extra
])

const directoryEntry = ({ crc32, local, path, size }: StoredEntry) => joined([
  littleEndian(0x02014b50, 4), littleEndian(45, 2), littleEndian(45, 2), littleEndian(0, 2), littleEndian(0, 2), littleEndian(0, 4), littleEndian(crc32, 4),
  littleEndian(inWideField, 4), littleEndian(inWideField, 4), littleEndian(bytesOf(path).length, 2), littleEndian(28, 2), littleEndian(0, 2), littleEndian(0, 2),
  littleEndian(0, 2), littleEndian(0, 4), littleEndian(inWideField, 4), bytesOf(path), wideField(size, size, local)
])

const directoryEnd = (count: number, begin: number, bytes: number) => joined([
  littleEndian(0x06064b50, 4), littleEndian(44, 8), littleEndian(45, 2), littleEndian(45, 2), littleEndian(0, 4), littleEndian(0, 4), littleEndian(count, 8), littleEndian(count, 8),
  littleEndian(bytes, 8), littleEndian(begin, 8),
  littleEndian(0x07064b50, 4), littleEndian(0, 4), littleEndian(begin + bytes, 8), littleEndian(1, 4),
  littleEndian(0x06054b50, 4), littleEndian(0, 2), littleEndian(0, 2), littleEndian(0xffff, 2), littleEndian(0xffff, 2), littleEndian(inWideField, 4), littleEndian(inWideField, 4), littleEndian(0, 2)
])

/** The directory and what ends the archive, to be written at byte `begin`. */
export const zipDirectory = (entries: ReadonlyArray<StoredEntry>, begin: number): Uint8Array => {
  const directory = joined(entries.map(directoryEntry))
  return joined([directory, directoryEnd(entries.length, begin, directory.length)])
}
