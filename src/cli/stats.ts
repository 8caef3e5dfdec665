/** `rae stats CONFIG`: the latents' statistics, computed by a process of its own, since nothing native is loaded here. */
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { deviceInEngine } from "../../actors/engine-environment.ts"
import type { StatisticsLine, StatisticsRequest } from "../../actors/latent-statistics-request.ts"
import { loadStudy } from "../config/load.ts"
import { shownPath } from "../config/places.ts"
import { requiredFiles } from "../config/required-files.ts"
import type { RunConfig } from "../config/schema.ts"
import type { StatsInput } from "./stats-command.ts"
import { startNative } from "./native-process.ts"
import { count } from "./quantities.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

/** Batches of 16 images: a minute or so of a large encoder on a CPU. */
const saveEvery = 32
/** A line of progress so often, in a pipe. */
const reportMillis = 10_000

const requireEncoder = (config: RunConfig): void => {
  const missing = requiredFiles(config).find(({ key, path }) => key.startsWith("stage_1.params.encoder") && !existsSync(path))
  if (missing !== undefined) throw new UsageError(`${missing.what}: no file ${shownPath(missing.path)}`, `published: ${missing.published}; or --random-weights, for a trial`)
}

type Result = Extract<StatisticsLine, { readonly kind: "done" | "failed" }>

const run = async (request: StatisticsRequest, hear: (line: StatisticsLine) => void): Promise<Result> => {
  const child = startNative<StatisticsLine>("latent-statistics.ts", request.device, { ...request, device: deviceInEngine(request.device) })
  let result: Result | null = null
  for await (const line of child.lines) {
    if (line.kind === "done" || line.kind === "failed") result = line
    else hear(line)
  }
  return result ?? { kind: "failed", reason: `the process that computes ended: ${await child.ended}`, help: "the same command goes on from where it was" }
}

export const stats = async ({ operand: configFile = "", values }: StatsInput, terminal: Terminal): Promise<number> => {
  const modelsDir = values["models-dir"]
  const sets = [
    ...values.set, ...(modelsDir === undefined ? [] : [`weights.models_dir=${JSON.stringify(resolve(modelsDir))}`]),
    // what is computed is of the latents as they are
    "stage_1.params.normalization_stat_path=null"
  ]
  const { variants: [{ config }] } = await Effect.runPromise(loadStudy(resolve(configFile), { profile: values.profile, sets, data: values.data, randomWeights: values["random-weights"] }))
  if (config.data.path === null) throw new UsageError("no images to compute from", "give a folder of class folders of images: --data DIR")
  const device = values.device ?? "cpu"
  if (!/^(cpu|cuda:\d+)$/.test(device)) throw new UsageError(`unknown device \`${device}\``, "devices are `cpu` and `cuda:N`")
  requireEncoder(config)
  const output = resolve(values.output ?? "stat.pt")
  let told = performance.now()
  const result = await run({ config, data: config.data.path, output, device: device as StatisticsRequest["device"], saveEvery }, (line) => {
    if (line.kind === "unreadable") terminal.err(`not read: ${line.path}: ${line.reason}`)
    else if (line.kind === "resumed") terminal.err(`goes on from image ${count(line.done)} of ${count(line.of)}`)
    else if (line.kind === "progress" && performance.now() - told > reportMillis) {
      told = performance.now()
      terminal.err(`${count(line.done)} of ${count(line.of)} images`)
    }
  })
  if (result.kind === "failed") throw new UsageError(result.reason, result.help)
  if (values.json) terminal.out(JSON.stringify({ schema: 1, path: result.path, images: result.images, shape: result.shape }))
  else {
    terminal.out(result.path)
    terminal.err(`mean and variance [${result.shape.join(", ")}] of ${count(result.images)} images`)
  }
  return 0
}
