/** `rae ckpt export`: the decoder of a checkpoint for other programs, under the names that it is published with. */
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { mkdtemp, rename, rm } from "node:fs/promises"
import { basename, join, resolve } from "node:path"
import { exportDirectory, exportSafetensors, exportTorch } from "../checkpoint/decoder-export.ts"
import { CheckpointDamaged } from "../checkpoint/storage-errors.ts"
import { verify } from "../checkpoint/verifier.ts"
import type { RunConfig } from "../config/schema.ts"
import type { ExportInput } from "./checkpoint-commands.ts"
import { checkpointsOf, chosen } from "./ckpt-change.ts"
import { count, size } from "./quantities.ts"
import { runsDirectory } from "./run-directory.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

const suffixes = { safetensors: ".safetensors", pt: ".pt", hf: "" } as const

export const exportDecoder = async ({ operand, values }: ExportInput, terminal: Terminal): Promise<number> => {
  const { checkpoints, run } = await checkpointsOf(operand, runsDirectory(values["runs-dir"]))
  const { path, step } = chosen(checkpoints, run.name, values.step)
  const { ok, problems } = await Effect.runPromise(verify(path))
  if (!ok) throw new CheckpointDamaged({ path, problems })
  const which = values.live ? "decoder" : "ema"
  const format = values.to ?? "safetensors"
  const target = resolve(values.output ?? `${run.name.replaceAll("/", "-")}-step-${step}${suffixes[format]}`)
  if (format === "hf" && existsSync(target)) throw new UsageError(`${target} is there already, expected a directory to be made`, "choose another with -o DIR")
  const source = join(path, `${which}.safetensors`)
  const metadata = { format: "pt", run: run.name, step: String(step), weights: which }
  let beside: string | null = null
  try {
    beside = await mkdtemp(`${target}.`)
    const whole = join(beside, basename(target))
    const written = format === "pt" ? await exportTorch(source, whole, `${which}.`)
      : format === "hf" ? await exportDirectory(source, whole, `${which}.`, metadata, (run.description.config as RunConfig).architecture.decoder)
      : await exportSafetensors(source, whole, `${which}.`, metadata)
    await rename(whole, target)
    if (values.json) terminal.out(JSON.stringify({ schema: 1, path: target, step, weights: which, ...written }))
    else {
      terminal.out(target)
      terminal.err(`step ${count(step)}, ${values.live ? "weights under training" : "moving average"}, ${count(written.tensors)} tensors, ${size(written.bytes)}`)
    }
    return 0
  } catch (error) {
    if (error instanceof Error && "code" in error) throw new UsageError(`cannot write ${target}: ${error.message}`, "choose another file with -o FILE")
    throw error
  } finally {
    if (beside !== null) await rm(beside, { force: true, recursive: true })
  }
}
