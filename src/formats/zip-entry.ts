/** The bytes of a zip archive's entries, checked against the size and the CRC-32 that the archive states. */
import { pipeline, Readable } from "node:stream"
import { crc32, createInflateRaw } from "node:zlib"
import type { ByteSource } from "./byte-source.ts"
import { InvalidZip, type ZipEntry } from "./zip.ts"

const pieceBytes = 2 ** 20

const refuse = ({ name }: ZipEntry, problem: string): never => {
  throw new InvalidZip({ where: name.length > 120 ? `${name.slice(0, 120)}…` : name, problem })
}
const hex = (crc: number) => crc.toString(16).padStart(8, "0")

const checkCrc = (entry: ZipEntry, crc: number): void => {
  if (crc !== entry.crc32) refuse(entry, `its CRC-32 is ${hex(crc)}, expected ${hex(entry.crc32)}: the file is damaged`)
}

/** All bytes of a stored entry. The caller bounds its size. Throws InvalidZip. */
export const readStored = (file: ByteSource, entry: ZipEntry): Uint8Array => {
  if (entry.method !== "stored") return refuse(entry, "compressed, expected stored")
  const bytes = file.read(entry.begin, entry.size)
  checkCrc(entry, crc32(bytes))
  return bytes
}

function* packedPieces(file: ByteSource, { begin, packedSize }: ZipEntry): Generator<Uint8Array> {
  for (let done = 0; done < packedSize; done += pieceBytes) yield file.read(begin + done, Math.min(pieceBytes, packedSize - done))
}

async function* inflated(file: ByteSource, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  const inflate = createInflateRaw({ chunkSize: pieceBytes })
  // an error of either end destroys the other, and comes out of the loop
  pipeline(Readable.from(packedPieces(file, entry), { highWaterMark: 1 }), inflate, () => undefined)
  try {
    for await (const piece of inflate) yield piece as Uint8Array
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "Z_DATA_ERROR" || code === "Z_BUF_ERROR") return refuse(entry, `its compressed data is damaged: ${(error as Error).message}`)
    throw error
  }
}

/** The entry in pieces of a megabyte. What came before an error is not known to be right: the CRC-32 is that of the whole. Throws InvalidZip. */
export async function* entryPieces(file: ByteSource, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  let crc = 0
  let size = 0
  for await (const piece of entry.method === "stored" ? packedPieces(file, entry) : inflated(file, entry)) {
    size += piece.length
    if (size > entry.size) return refuse(entry, `more than the ${entry.size} bytes that are stated`)
    crc = crc32(piece, crc)
    yield piece
  }
  if (size !== entry.size) return refuse(entry, `${size} bytes, expected ${entry.size}`)
  checkCrc(entry, crc)
}
