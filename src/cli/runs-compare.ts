/** `rae runs compare`: what came of runs, and in which keys of the config they differ. */
import { basename, join } from "node:path"
import { diffConfigs } from "../config/hash.ts"
import type { RunConfig } from "../config/schema.ts"
import { layOut } from "../formats/text-table.ts"
import { readEvents } from "./event-files.ts"
import { count, figure } from "./quantities.ts"
import { findRun, openRun, runsDirectory, type RunDirectory } from "./run-directory.ts"
import type { RunsInput } from "./runs-commands.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

/** A study stands for its variants. */
const expand = (run: RunDirectory): ReadonlyArray<RunDirectory> =>
  run.description.kind === "run" ? [run] : run.description.variants.map((variant) => openRun(join(run.dir, basename(variant)))).filter((found) => found !== null)

const describe = async (run: RunDirectory) => {
  const { description } = run
  const mean = (loss: string) => description.result?.means[loss] ?? null
  const last = <T extends string>(type: T) => readEvents(run.home, { last: 1, keep: (event) => event.type === type && event.run === run.name })
  const [evaluated] = await last("eval.finished")
  const [stepped] = await last("train.step")
  const quality = evaluated?.type === "eval.finished" ? evaluated : null
  return {
    name: run.name, state: description.state, step: description.step, steps: description.steps, restarts: description.restarts,
    total: mean("total"), rec: mean("rec"), lpips: mean("lpips"), gan: mean("gan"), disc: mean("disc"),
    eval: quality === null ? null : { step: quality.step, psnr: quality.psnr, ssim: quality.ssim, lpips: quality.lpips },
    images_per_second: stepped?.type === "train.step" ? stepped.images_per_second : null,
    libtorch: description.libtorch, precision: description.precision, device: description.device
  }
}

/** Keys in which not all are the same, with the value of each. */
const differences = (runs: ReadonlyArray<RunDirectory>): ReadonlyArray<{ readonly key: string; readonly values: ReadonlyArray<unknown> }> => {
  const configs = runs.map(({ description }) => description.config as RunConfig)
  const [first, ...others] = configs
  if (first === undefined) return []
  const keys = new Set(others.flatMap((config) => diffConfigs(first, config).map(({ key }) => key)))
  const at = (config: unknown, key: string): unknown => key.split(".").reduce<unknown>((value, name) => (value as Readonly<Record<string, unknown>> | null | undefined)?.[name], config)
  return [...keys].map((key) => ({ key, values: configs.map((config) => at(config, key) ?? null) }))
}

const cell = (value: number | null | undefined): string => (value === null || value === undefined ? "–" : figure(value))

export const compareRuns = async ({ operands, values }: RunsInput, terminal: Terminal): Promise<number> => {
  const runsDir = runsDirectory(values["runs-dir"])
  const runs = operands.flatMap((operand) => expand(findRun(operand, runsDir)))
  if (runs.length < 2) throw new UsageError(`one run is nothing to compare: ${runs.map(({ name }) => name).join("")}`, "name two runs or more, or a study; `rae runs` lists them")
  const described = await Promise.all(runs.map(describe))
  const changes = differences(runs)
  if (values.json) {
    terminal.out(JSON.stringify({ schema: 1, runs: described, config: changes }))
    return 0
  }
  const titles = ["RUN", "STATE", "STEP", "TOTAL", "REC", "LPIPS", "GAN", "DISC", "PSNR", "SSIM", "EVAL LPIPS", "IMG/S", "RESTARTS"]
  const rows = described.map((run) => [run.name, run.state, `${count(run.step)}/${count(run.steps)}`].concat(
    [run.total, run.rec, run.lpips, run.gan, run.disc, run.eval?.psnr, run.eval?.ssim, run.eval?.lpips, run.images_per_second].map(cell), count(run.restarts)))
  // Upright where the runs are the columns: few runs, many figures.
  const upright = titles.map((title, i) => [title.toLowerCase()].concat(rows.map((row) => row[i] ?? "")))
  const [header = [], ...body] = upright
  const wide = terminal.outColumns()
  const table = (head: ReadonlyArray<string>, lines: ReadonlyArray<ReadonlyArray<string>>) => layOut(head.map((title, i) => ({ title, ...(i === 0 ? {} : { least: 8 }) })), lines, wide)
  for (const line of table(["", ...header.slice(1)], body)) terminal.out(line)
  terminal.out("")
  if (changes.length === 0) terminal.out("the configs are the same")
  else for (const line of table(["CONFIG", ...header.slice(1)], changes.map(({ key, values: each }) => [key].concat(each.map((value) => JSON.stringify(value)))))) terminal.out(line)
  return 0
}
