/** Numbers copied from file to file in pieces: a training state has gigabytes. */
import { type FileHandle } from "node:fs/promises"
import { crc32 } from "node:zlib"
import { headerLength, parseHeader, type TensorEntry } from "../formats/safetensors.ts"

const pieceBytes = 16 * 2 ** 20

/** Bytes `begin` to `end` of a file, piece by piece, each valid until the next is asked for. */
export async function* pieces(source: FileHandle, path: string, begin: number, end: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(pieceBytes, end - begin))
  for (let at = begin; at < end;) {
    const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, end - at), at)
    if (bytesRead === 0) throw new Error(`${path} ended at ${at} of ${end} bytes`)
    yield buffer.subarray(0, bytesRead)
    at += bytesRead
  }
}

/** Writes all of it at `at`, however little the system takes at once. */
export const writeAt = async (target: FileHandle, bytes: Uint8Array, at: number): Promise<void> => {
  for (let done = 0; done < bytes.length;) done += (await target.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}

/** What a safetensors file says is in it. Throws InvalidSafetensors. */
export const tensorsOf = async (source: FileHandle): Promise<{ readonly tensors: ReadonlyArray<TensorEntry>; readonly fileSize: number }> => {
  const { size: fileSize } = await source.stat()
  const first = await source.read(new Uint8Array(8), 0, 8, 0)
  const head = new Uint8Array(8 + headerLength(first.buffer, fileSize))
  await source.read(head, 0, head.length, 0)
  return { tensors: parseHeader(head, fileSize).tensors, fileSize }
}

/** Writes a stored tensor's pieces from `at` on, in order; the CRC-32 of all. */
export const writeStored = async (target: FileHandle, parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, at: number): Promise<number> => {
  let checksum = 0
  for await (const part of parts) {
    checksum = crc32(part, checksum)
    await writeAt(target, part, at)
    at += part.length
  }
  return checksum
}
