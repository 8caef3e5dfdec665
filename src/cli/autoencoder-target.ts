/** What CONFIG|RUN|CHECKPOINT means to a command that encodes and decodes: the weights of a checkpoint, or those that a config names. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync, statSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import type { AutoencoderSource } from "../../actors/autoencoder-source.ts"
import { manifestFile } from "../checkpoint/layout.ts"
import { list, type Listed } from "../checkpoint/describe.ts"
import { locate } from "../checkpoint/locate.ts"
import { loadStudy, type Study } from "../config/load.ts"
import { shownPath } from "../config/places.ts"
import { requiredFiles } from "../config/required-files.ts"
import { RunConfig } from "../config/schema.ts"
import type { TargetFlags } from "./autoencoder-flags.ts"
import { chosen } from "./ckpt-change.ts"
import { findRun, openRun, type RunDirectory, runsDirectory } from "./run-directory.ts"
import { UsageError } from "./usage-error.ts"

export interface AutoencoderTarget {
  readonly source: AutoencoderSource
  /** The run's name, or the config's file. */
  readonly name: string
  /** Of the checkpoint; null for a config. */
  readonly step: number | null
  /** As the user names it. */
  readonly device: "cpu" | `cuda:${number}`
}

const deviceOf = (named: string): AutoencoderTarget["device"] => {
  const device = named === "cuda" ? "cuda:0" : named
  if (!/^(cpu|cuda:\d+)$/.test(device)) throw new UsageError(`unknown device \`${named}\``, "devices are `cpu` and `cuda:N`")
  return device as AutoencoderTarget["device"]
}

const needed = ["stage_1.params.encoder", "stage_1.ckpt", "stage_1.params.pretrained_decoder_path", "stage_1.params.normalization_stat_path"]
const requireFiles = (config: RunConfig, decoderIsSaved: boolean): void => {
  const wanted = decoderIsSaved ? [needed[0]!, needed[3]!] : needed
  const missing = requiredFiles(config).find(({ key, path }) => wanted.some((prefix) => key.startsWith(prefix)) && !existsSync(path))
  if (missing === undefined) return
  throw new UsageError(`${missing.what}: no file ${shownPath(missing.path)} (${missing.key})`, `published: ${missing.published}; --models-dir says where such files lie`)
}

/** Its variants may train differently, but must be the same networks. */
const onlyConfig = ({ name, variants }: Study): RunConfig => {
  const networks = ({ architecture, data, stage_1, training }: RunConfig) => JSON.stringify([architecture, data.image_size, stage_1, training.precision])
  const [{ config }] = variants
  if (variants.every((variant) => networks(variant.config) === networks(config))) return config
  throw new UsageError(`${name} is a study whose variants have different networks, expected one`, "name a run of it, or a config of one variant")
}

const ofConfig = async (file: string, flags: TargetFlags): Promise<AutoencoderTarget> => {
  if (flags.step !== undefined) throw new UsageError("--step goes with a run, not with a config")
  const modelsDir = flags["models-dir"]
  const sets = [...flags.set, ...(modelsDir === undefined ? [] : [`weights.models_dir=${JSON.stringify(resolve(modelsDir))}`])]
  const config = onlyConfig(await Effect.runPromise(loadStudy(resolve(file), { profile: flags.profile, sets, randomWeights: flags["random-weights"] })))
  const { ckpt, params } = config.stage_1
  if (config.weights.source !== "random" && ckpt === null && params.pretrained_decoder_path === null) {
    throw new UsageError(`${file} names no decoder weights`, "give `stage_1.params.pretrained_decoder_path` or `stage_1.ckpt` (--set …=FILE), name a run instead, or try it with --random-weights")
  }
  requireFiles(config, false)
  return { source: { config, checkpoint: null, weights: flags.weights ?? "ema" }, name: file, step: null, device: deviceOf(flags.device ?? "cpu") }
}

const configOf = (run: RunDirectory, modelsDir: string | undefined): RunConfig => {
  try {
    const config = Schema.decodeUnknownSync(RunConfig)(run.description.config)
    return modelsDir === undefined ? config : { ...config, weights: { ...config.weights, models_dir: resolve(modelsDir) } }
  } catch (error) {
    throw new UsageError(`${join(run.dir, "run.json")} holds no config that this version reads: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const ofCheckpoint = (run: RunDirectory, { path, step }: { readonly path: string; readonly step: number }, flags: TargetFlags): AutoencoderTarget => {
  const misplaced = (["profile", "random-weights", "set"] as const).find((name) => name === "set" ? flags.set.length > 0 : Boolean(flags[name]))
  if (misplaced !== undefined) throw new UsageError(`--${misplaced} goes with a config; ${run.name} has its own`)
  const config = configOf(run, flags["models-dir"])
  requireFiles(config, true)
  return { source: { config, checkpoint: path, weights: flags.weights ?? "ema" }, name: run.name, step, device: deviceOf(flags.device ?? run.description.device) }
}

/** The checkpoint that is meant; a newest one that cannot be read is not passed over in silence. */
const pick = (checkpoints: ReadonlyArray<Listed>, name: string, step: number | undefined): Listed & { readonly step: number } => {
  const newest = checkpoints.at(-1)
  if (step === undefined && newest !== undefined && newest.problem !== null) {
    throw new UsageError(`checkpoint ${newest.path} cannot be used: ${newest.problem}`, "--step N takes another one of a run; `rae ckpt ls` lists them")
  }
  return chosen(checkpoints, name, step)
}

const ofRun = async (run: RunDirectory, flags: TargetFlags): Promise<AutoencoderTarget> => {
  if (run.description.kind !== "run") throw new UsageError(`${run.name} is a study, expected one of its variants`, `one of ${run.description.variants.map((variant) => `${run.name}/${variant}`).join(", ")}`)
  return ofCheckpoint(run, pick(await Effect.runPromise(list(run.dir, ".")), run.name, flags.step), flags)
}

const ofPath = async (dir: string, flags: TargetFlags): Promise<AutoencoderTarget> => {
  if (flags.step !== undefined) throw new UsageError("--step goes with a run; this names one checkpoint already")
  const [located] = await Effect.runPromise(locate(dir, "."))
  const run = openRun(located?.directory ?? dir)
  if (run === null) throw new UsageError(`${dir} is a checkpoint without its run's run.json, expected two directories above it`, "name the run, and the checkpoint with --step")
  return ofCheckpoint(run, pick(await Effect.runPromise(list(dir, ".")), basename(dir), undefined), flags)
}

/** A run's name comes before a path, as everywhere. Throws UsageError, NoSuchRun, and ConfigInvalid for a config. */
export const findAutoencoder = async (target: string, flags: TargetFlags): Promise<AutoencoderTarget> => {
  const runs = runsDirectory(flags["runs-dir"])
  const named = openRun(resolve(runs, target))
  if (named !== null) return await ofRun(named, flags)
  if (/\.ya?ml$/i.test(target) || (statSync(target, { throwIfNoEntry: false })?.isFile() ?? false)) return await ofConfig(target, flags)
  if (existsSync(join(target, manifestFile))) return await ofPath(resolve(target), flags)
  return await ofRun(findRun(target, runs), flags)
}
