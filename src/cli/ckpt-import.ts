/** `rae ckpt import`: a training state of the PyTorch implementation as a run that goes on from it. */
import * as Effect from "effect/Effect"
import { basename, extname, resolve } from "node:path"
import { importRun, requireFree } from "../../actors/imported-run.ts"
import { SizesUnknown } from "../../actors/run-forecast.ts"
import { plan as makePlan } from "../../actors/run-plan.ts"
import type { StateTensors } from "../../actors/state-tensors.ts"
import type { RunConfig } from "../config/schema.ts"
import type { ImportInput } from "./checkpoint-commands.ts"
import { startNative } from "./native-process.ts"
import { count, size } from "./quantities.ts"
import { resumeCommand } from "./resume-command.ts"
import { runsDirectory } from "./run-directory.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

const askTensors = async (config: RunConfig): Promise<StateTensors> => {
  const child = startNative<StateTensors>("state-tensors.ts", "cpu", config)
  let answer: StateTensors | null = null
  for await (const line of child.lines) answer = line
  const end = await child.ended
  if (answer === null) throw new SizesUnknown({ reason: `the process that knows them ended: ${end}` })
  return answer
}

export const importTraining = async ({ operand = "", values }: ImportInput, terminal: Terminal): Promise<number> => {
  const { config: configFile } = values
  if (configFile === undefined) throw new UsageError("missing --config: what the state was trained with", "its config, as `rae run` takes it; the PyTorch implementation's own is one")
  const path = resolve(operand)
  const runsDir = runsDirectory(values["runs-dir"])
  const sets = values["models-dir"] === undefined ? values.set : [...values.set, `weights.models_dir=${JSON.stringify(resolve(values["models-dir"]))}`]
  const plan = await Effect.runPromise(makePlan({
    configFile, runsDir, name: values.name ?? basename(path, extname(path)), profile: values.profile, sets, data: values.data, device: values.device,
    randomWeights: values["random-weights"], fresh: false
  }).pipe(Effect.tap(requireFree)))
  const [variant] = plan.variants
  if (variant === undefined || plan.kind === "study") throw new UsageError(`${configFile} describes a study of ${plan.variants.length} variants, expected one run`, "a config without `study`")
  const state = await askTensors(variant.config)
  const { committed, notes, progress } = await Effect.runPromise(importRun({ path, plan, variant, state }))
  const { epoch, position, step } = progress
  if (values.json) {
    terminal.out(JSON.stringify({ schema: 1, name: plan.name, path: committed.path, step, epoch, position, tensors: committed.manifest.tensors.length, bytes: committed.bytes, notes }))
    return 0
  }
  for (const note of notes) terminal.err(`note: ${note}`)
  terminal.out(committed.path)
  terminal.err(`step ${count(step)}, epoch ${epoch}, ${count(committed.manifest.tensors.length)} tensors, ${size(committed.bytes)}`)
  terminal.err(`  = help: \`${resumeCommand(configFile, plan.name, runsDir)}\` goes on from there`)
  return 0
}
