/**
 * A checkpoint's decoder in the formats that others read, under the names that it is published with: one safetensors file, one PyTorch
 * file (zip format, a plain state dict), or a directory as the Hugging Face library lays it out.
 */
import { mkdir, open, writeFile, type FileHandle } from "node:fs/promises"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import { encodeHeader, headerLength, parseHeader, type TensorEntry } from "../formats/safetensors.ts"
import { layOutTorchFile } from "../formats/torch-writer.ts"

/** Copied in pieces: a decoder has gigabytes. */
const pieceBytes = 16 * 2 ** 20

export interface Written {
  readonly tensors: number
  readonly bytes: number
}

/** Bytes `begin` to `end` of a file, piece by piece, each valid until the next is asked for. */
async function* pieces(source: FileHandle, path: string, begin: number, end: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(pieceBytes, end - begin))
  for (let at = begin; at < end;) {
    const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, end - at), at)
    if (bytesRead === 0) throw new Error(`${path} ended at ${at} of ${end} bytes`)
    yield buffer.subarray(0, bytesRead)
    at += bytesRead
  }
}

/** Writes all of it at `at`, however little the system takes at once. */
const writeAt = async (target: FileHandle, bytes: Uint8Array, at: number): Promise<void> => {
  for (let done = 0; done < bytes.length;) done += (await target.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}

const tensorsOf = async (source: FileHandle): Promise<{ readonly tensors: ReadonlyArray<TensorEntry>; readonly fileSize: number }> => {
  const { size: fileSize } = await source.stat()
  const first = await source.read(new Uint8Array(8), 0, 8, 0)
  const head = new Uint8Array(8 + headerLength(first.buffer, fileSize))
  await source.read(head, 0, head.length, 0)
  return { tensors: parseHeader(head, fileSize).tensors, fileSize }
}
const without = (prefix: string, name: string) => name.startsWith(prefix) ? name.slice(prefix.length) : name

/** Copies a safetensors file with `prefix` taken off every name. */
export const exportSafetensors = async (from: string, to: string, prefix: string, metadata: Readonly<Record<string, string>>): Promise<Written> => {
  await using source = await open(from, "r")
  const { fileSize, tensors } = await tensorsOf(source)
  const header = encodeHeader(tensors.map(({ dtype, name, shape }) => ({ name: without(prefix, name), dtype, shape })), metadata)
  await using target = await open(to, "wx")
  await writeAt(target, header.bytes, 0)
  let at = header.bytes.length
  // tensors lie back to back in both files, in the same order
  for await (const piece of pieces(source, from, tensors[0]?.begin ?? fileSize, fileSize)) {
    await writeAt(target, piece, at)
    at += piece.length
  }
  await target.sync()
  return { tensors: tensors.length, bytes: header.fileSize }
}

/** The same tensors as `torch.save(state_dict)` would write them. */
export const exportTorch = async (from: string, to: string, prefix: string): Promise<Written> => {
  await using source = await open(from, "r")
  const { tensors } = await tensorsOf(source)
  const { rest, storages } = layOutTorchFile(tensors.map(({ dtype, name, shape }) => ({ name: without(prefix, name), dtype, shape })), crc32)
  await using target = await open(to, "wx")
  const checksums: Array<number> = []
  for (const [i, { begin }] of storages.entries()) {
    const { begin: first, end } = tensors[i]!
    let checksum = 0
    let at = begin
    for await (const piece of pieces(source, from, first, end)) {
      checksum = crc32(piece, checksum)
      await writeAt(target, piece, at)
      at += piece.length
    }
    checksums.push(checksum)
  }
  for (const { at, bytes } of rest(checksums)) await writeAt(target, bytes, at)
  await target.sync()
  return { tensors: tensors.length, bytes: (await target.stat()).size }
}

/** A directory with `config.json` (ViTMAEConfig, as published decoder configs have it) and `model.safetensors`. */
export const exportDirectory = async (from: string, to: string, prefix: string, metadata: Readonly<Record<string, string>>, sizes: Readonly<Record<string, unknown>>): Promise<Written> => {
  await mkdir(to)
  await writeFile(join(to, "config.json"), `${JSON.stringify({ model_type: "vit_mae", ...sizes }, null, 2)}\n`, { flush: true })
  return await exportSafetensors(from, join(to, "model.safetensors"), prefix, metadata)
}
