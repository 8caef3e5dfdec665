/**
 * One file of the feature cache: 64 bytes of header, then the feature's bytes. Little-endian.
 *
 *     0  "RAEFEAT1"        8  length of the feature, u64
 *     16 key, 16 bytes     32 XXH3-128 of bytes 0-31 and the feature, 16 bytes     48 zeros
 *
 * The key is in it, so that a file under another's name is found out; 64 bytes keep the feature aligned.
 */
import { contentHash } from "./content-hash.ts"

export const headerBytes = 64
const magic = "RAEFEAT1"
const checked = 32

export const packEntry = (key: string, feature: Uint8Array): readonly [header: Uint8Array, feature: Uint8Array] => {
  const header = Buffer.alloc(headerBytes)
  header.write(magic, 0, "latin1")
  header.writeBigUInt64LE(BigInt(feature.byteLength), 8)
  header.write(key, 16, "hex")
  header.write(contentHash(header.subarray(0, checked), feature), checked, "hex")
  return [header, feature]
}

/** The feature, a view of `file`; or, as text, what is wrong with the file. */
export const unpackEntry = (key: string, file: Buffer): Uint8Array | string => {
  if (file.length < headerBytes) return `truncated: ${file.length} bytes, a header has ${headerBytes}`
  if (file.toString("latin1", 0, magic.length) !== magic) return "not a feature file"
  const length = file.readBigUInt64LE(8)
  const feature = file.subarray(headerBytes)
  if (length !== BigInt(feature.length)) return `truncated: ${feature.length} bytes of ${length}`
  const named = file.toString("hex", 16, checked)
  if (named !== key) return `holds key ${named}`
  const stored = file.toString("hex", checked, checked + 16)
  const actual = contentHash(file.subarray(0, checked), feature)
  return stored === actual ? feature : `checksum ${actual}, expected ${stored}`
}
