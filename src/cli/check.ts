/** `rae check CONFIG`: what the config would train, whether it fits, what is missing. */
import { existsSync, readFileSync, statfsSync } from "node:fs"
import { dirname } from "node:path"
import type { Forecast } from "../../actors/run-forecast.ts"
import { layOut } from "../formats/text-table.ts"
import type { CheckInput } from "./machine-commands.ts"
import { count, size } from "./quantities.ts"
import { runsDirectory } from "./run-directory.ts"
import type { Terminal } from "./terminal.ts"

interface Room { readonly disk_free_bytes: number; readonly memory_available_bytes: number | null }

/** Of the nearest directory that is there: the run's own is made by the run. */
const freeBytes = (path: string): number => {
  for (let at = path; ; at = dirname(at)) if (existsSync(at)) { const { bavail, bsize } = statfsSync(at); return bavail * bsize }
}

/** What the kernel could give without swapping; null where it does not say. */
export const availableMemory = (): number | null => {
  try {
    const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]
    return kilobytes === undefined ? null : Number(kilobytes) * 1024
  } catch {
    return null // no /proc: not Linux
  }
}

/** What does not fit, in words; nothing where all does. Variants of a study run one after another: memory is that of the largest, disk that of all. */
const shortages = (forecasts: ReadonlyArray<Forecast>, device: string, room: Room): ReadonlyArray<string> => {
  const memory = Math.max(...forecasts.map(({ buffer_bytes, device_bytes }) => buffer_bytes + (device === "cpu" ? device_bytes : 0)))
  const disk = forecasts.reduce((sum, { disk_bytes }) => sum + disk_bytes, 0)
  const empty = forecasts.filter(({ steps }) => steps === 0)
  return [
    ...(empty.length === 0 ? [] : [`${empty[0]?.run} has no step: ${count(empty[0]?.images ?? 0)} images do not fill one batch`]),
    ...(room.memory_available_bytes !== null && memory > room.memory_available_bytes ? [`memory: needs more than ${size(memory)}, available ${size(room.memory_available_bytes)}`] : []),
    ...(disk > room.disk_free_bytes ? [`disk: checkpoints need ${size(disk)}, free ${size(room.disk_free_bytes)}`] : [])
  ]
}

const facts = (forecast: Forecast, device: string): ReadonlyArray<readonly [string, string]> => [
  ["images", `${count(forecast.images)} to train on, ${count(forecast.held_out)} held out`],
  ["steps", `${count(forecast.steps_per_epoch)} an epoch, ${count(forecast.steps)} in all`],
  ["memory", `${size(forecast.device_bytes)} on ${device} for weights, optimiser, average, gradients; activations come on top (the dry step finds out)`],
  ["", `${size(forecast.buffer_bytes)} in the host's memory for the copy that checkpoints are written from`],
  ["disk", `${size(forecast.sizes.state_bytes)} a checkpoint, ${size(forecast.disk_bytes)} for all that are kept; latents up to ${size(forecast.cache_bytes)}`]
]

export const check = async ({ operand: configFile = "", values }: CheckInput, terminal: Terminal): Promise<number> => {
  const [Effect, { plan: makePlan }, { forecast }] = await Promise.all([import("effect/Effect"), import("../../actors/run-plan.ts"), import("../../actors/run-forecast.ts")])
  const plan = await Effect.runPromise(makePlan({
    configFile, profile: values.profile, sets: values.set, data: values.data, runsDir: runsDirectory(values["runs-dir"]), name: values.name,
    fresh: false, device: values.device, randomWeights: values["random-weights"]
  }))
  const forecasts = await Effect.runPromise(Effect.forEach(plan.variants, forecast))
  const room: Room = { disk_free_bytes: freeBytes(plan.dir), memory_available_bytes: availableMemory() }
  const short = shortages(forecasts, plan.device, room)
  if (values.json) {
    terminal.out(JSON.stringify({ schema: 1, name: plan.name, kind: plan.kind, profile: plan.profile, device: plan.device, random_weights: plan.randomWeights, resumes: plan.previous !== null, ...room, variants: forecasts, problems: short }))
    return short.length === 0 ? 0 : 1
  }
  const begun = plan.previous === null ? "" : `; goes on from run ${plan.dir}`
  terminal.out(`${terminal.paintOut("bold", plan.name)}   ${plan.kind === "study" ? `study of ${plan.variants.length} variants` : "run"}, profile ${plan.profile ?? "none"}, ${plan.device}, ${plan.randomWeights ? "random weights" : "pretrained weights: all there"}${begun}`)
  let shown = ""
  for (const each of forecasts) {
    const lines = [
      ...layOut([{ title: "NETWORK" }, { title: "PARAMETERS", align: "right" }, { title: "" }], each.sizes.networks.map(({ network, parameters, trained }) => [network, count(parameters), trained ? "trained" : "frozen"])),
      ...layOut([{ title: "" }, { title: "", least: 20 }], facts(each, plan.device), terminal.outColumns() - 2).slice(1)
    ]
    // Variants of a study differ in a key or two, seldom in what they take.
    if (lines.join("\n") === shown) terminal.out(`  ${each.run}: the same`)
    else {
      if (plan.kind === "study") terminal.out(`  ${each.run}`)
      for (const line of lines) terminal.out(`  ${line}`)
    }
    shown = lines.join("\n")
  }
  terminal.out(`  ${room.memory_available_bytes === null ? "" : `memory available ${size(room.memory_available_bytes)}, `}disk free ${size(room.disk_free_bytes)}`)
  for (const problem of short) terminal.err(`${terminal.paintErr("yellow", "warning:")} ${problem}`)
  if (short.length === 0) terminal.err("everything is there")
  return short.length === 0 ? 0 : 1
}
