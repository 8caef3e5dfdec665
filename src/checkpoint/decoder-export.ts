/**
 * A checkpoint's decoder in the formats that others read, under the names that it is published with: one safetensors file, one PyTorch
 * file (zip format, a plain state dict), or a directory as the Hugging Face library lays it out.
 */
import { mkdir, open, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import { encodeHeader } from "../formats/safetensors.ts"
import { layOutTorchFile } from "../formats/torch-writer.ts"
import { pieces, tensorsOf, writeAt, writeStored } from "./file-pieces.ts"

export interface Written {
  readonly tensors: number
  readonly bytes: number
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
    checksums.push(await writeStored(target, pieces(source, from, first, end), begin))
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
