/** `rae ckpt export`: the decoder of a checkpoint as one safetensors file, under the names that it is published with. */
import * as Effect from "effect/Effect"
import { open, rename, rm } from "node:fs/promises"
import { join, resolve } from "node:path"
import { CheckpointDamaged } from "../checkpoint/storage-errors.ts"
import { verify } from "../checkpoint/verifier.ts"
import { encodeHeader, headerLength, parseHeader } from "../formats/safetensors.ts"
import type { ExportInput } from "./checkpoint-commands.ts"
import { checkpointsOf, chosen } from "./ckpt-change.ts"
import { count, size } from "./quantities.ts"
import { runsDirectory } from "./run-directory.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

/** Copied in pieces: a decoder has gigabytes. */
const pieceBytes = 16 * 2 ** 20

/** Copies a safetensors file with `prefix` taken off every name; gives the number of tensors and the bytes written. */
const copyRenamed = async (from: string, to: string, prefix: string, metadata: Readonly<Record<string, string>>): Promise<{ readonly tensors: number; readonly bytes: number }> => {
  await using source = await open(from, "r")
  const { size: fileSize } = await source.stat()
  const first = await source.read(new Uint8Array(8), 0, 8, 0)
  const head = new Uint8Array(8 + headerLength(first.buffer, fileSize))
  await source.read(head, 0, head.length, 0)
  const { tensors } = parseHeader(head, fileSize)
  const written = encodeHeader(tensors.map(({ dtype, name, shape }) => ({ name: name.startsWith(prefix) ? name.slice(prefix.length) : name, dtype, shape })), metadata)
  await using target = await open(to, "wx")
  await target.write(written.bytes, 0, written.bytes.length, 0)
  const piece = new Uint8Array(pieceBytes)
  // Tensors lie back to back in both files, in the same order.
  const begin = tensors[0]?.begin ?? fileSize
  for (let at = begin; at < fileSize;) {
    const { bytesRead } = await source.read(piece, 0, pieceBytes, at)
    if (bytesRead === 0) throw new Error(`${from} ended at ${at} of ${fileSize} bytes`)
    await target.write(piece, 0, bytesRead, written.bytes.length + at - begin)
    at += bytesRead
  }
  await target.sync()
  return { tensors: tensors.length, bytes: written.fileSize }
}

export const exportDecoder = async ({ operand, values }: ExportInput, terminal: Terminal): Promise<number> => {
  const { checkpoints, run } = await checkpointsOf(operand, runsDirectory(values["runs-dir"]))
  const { path, step } = chosen(checkpoints, run.name, values.step)
  const { ok, problems } = await Effect.runPromise(verify(path))
  if (!ok) throw new CheckpointDamaged({ path, problems })
  const which = values.live ? "decoder" : "ema"
  const target = resolve(values.output ?? `${run.name.replaceAll("/", "-")}-step-${step}.safetensors`)
  const beside = `${target}.new`
  try {
    await rm(beside, { force: true })
    const written = await copyRenamed(join(path, `${which}.safetensors`), beside, `${which}.`, { format: "pt", run: run.name, step: String(step), weights: which })
    await rename(beside, target)
    if (values.json) terminal.out(JSON.stringify({ schema: 1, path: target, step, weights: which, ...written }))
    else {
      terminal.out(target)
      terminal.err(`step ${count(step)}, ${values.live ? "weights under training" : "moving average"}, ${count(written.tensors)} tensors, ${size(written.bytes)}`)
    }
    return 0
  } catch (error) {
    await rm(beside, { force: true })
    if (error instanceof Error && "code" in error) throw new UsageError(`cannot write ${target}: ${error.message}`, "choose another file with -o FILE")
    throw error
  }
}
