/** `rae ckpt export`: a checkpoint for other programs: its decoder under the names that it is published with, or its whole training state. */
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { mkdtemp, rename, rm } from "node:fs/promises"
import { basename, join, resolve } from "node:path"
import { encoderWeights, optimizerFacts } from "../../actors/published-training.ts"
import { exportDirectory, exportSafetensors, exportTorch, type Written } from "../checkpoint/decoder-export.ts"
import { stateFile } from "../checkpoint/layout.ts"
import type { Manifest } from "../checkpoint/manifest.ts"
import { trainedParts } from "../checkpoint/published-state.ts"
import { CheckpointDamaged } from "../checkpoint/storage-errors.ts"
import { exportTraining } from "../checkpoint/training-export.ts"
import { verify } from "../checkpoint/verifier.ts"
import type { PlacedWeight } from "../checkpoint/weight-places.ts"
import type { RunConfig } from "../config/schema.ts"
import type { ExportInput } from "./checkpoint-commands.ts"
import { checkpointsOf, chosen } from "./ckpt-change.ts"
import { count, size } from "./quantities.ts"
import { runsDirectory, type RunDirectory } from "./run-directory.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

const suffixes = { safetensors: ".safetensors", pt: ".pt", hf: "", training: ".pt" } as const

const encoderOf = (config: RunConfig): ReadonlyArray<PlacedWeight> => {
  try {
    return encoderWeights(config)
  } catch (cause) {
    throw new UsageError(`the encoder's file cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, "the state is exported with it; put it back where it was when the run began")
  }
}

const writeTraining = async (run: RunDirectory, path: string, manifest: Manifest, to: string, terminal: Terminal): Promise<Written> => {
  const { config: asItTrains, steps } = run.description
  const config = asItTrains as RunConfig
  const state = readFileSync(join(path, stateFile), "utf8").trimEnd()
  const { counters } = JSON.parse(state) as { readonly counters: Readonly<Record<string, number>> }
  const [generator, discriminator] = trainedParts.map(({ counter }) => counters[counter] ?? 0)
  const encoder = encoderOf(config)
  if (encoder.length === 0) terminal.err("note: the encoder was drawn, no file holds it: `model` and `ema` are without it")
  if (manifest.position > 0) terminal.err(`note: saved within epoch ${manifest.epoch}, after ${count(manifest.position)} steps of it: the PyTorch implementation begins that epoch again, rae goes on`)
  return await exportTraining({
    directory: path, manifest, state, counters, encoder,
    optimizers: optimizerFacts(config, steps / config.training.epochs, { optimizer: generator!, disc_optimizer: discriminator! })
  }, to)
}

export const exportCheckpoint = async ({ operand, values }: ExportInput, terminal: Terminal): Promise<number> => {
  const format = values.to ?? "safetensors"
  if (format === "training" && values.live) throw new UsageError("`--live` picks one set of weights, a training state holds both", "leave it out")
  const { checkpoints, run } = await checkpointsOf(operand, runsDirectory(values["runs-dir"]))
  const { path, step } = chosen(checkpoints, run.name, values.step)
  const { manifest, ok, problems } = await Effect.runPromise(verify(path))
  if (!ok || manifest === null) throw new CheckpointDamaged({ path, problems })
  const which = format === "training" ? "all" : values.live ? "decoder" : "ema"
  const target = resolve(values.output ?? `${run.name.replaceAll("/", "-")}-step-${step}${suffixes[format]}`)
  if (format === "hf" && existsSync(target)) throw new UsageError(`${target} is there already, expected a directory to be made`, "choose another with -o DIR")
  const source = join(path, `${which}.safetensors`)
  const metadata = { format: "pt", run: run.name, step: String(step), weights: which }
  let beside: string | null = null
  try {
    beside = await mkdtemp(`${target}.`)
    const whole = join(beside, basename(target))
    const written = format === "training" ? await writeTraining(run, path, manifest, whole, terminal)
      : format === "pt" ? await exportTorch(source, whole, `${which}.`)
      : format === "hf" ? await exportDirectory(source, whole, `${which}.`, metadata, (run.description.config as RunConfig).architecture.decoder)
      : await exportSafetensors(source, whole, `${which}.`, metadata)
    await rename(whole, target)
    if (values.json) terminal.out(JSON.stringify({ schema: 1, path: target, step, weights: which, ...written }))
    else {
      terminal.out(target)
      terminal.err(`step ${count(step)}, ${said[which]}, ${count(written.tensors)} tensors, ${size(written.bytes)}`)
    }
    return 0
  } catch (error) {
    if (error instanceof Error && "code" in error) throw new UsageError(`cannot write ${target}: ${error.message}`, "choose another file with -o FILE")
    throw error
  } finally {
    if (beside !== null) await rm(beside, { force: true, recursive: true })
  }
}
const said = { all: "the whole training state", decoder: "weights under training", ema: "moving average" } as const
