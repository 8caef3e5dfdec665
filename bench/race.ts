/**
 * The full-size step against the same step in plain PyTorch, alternating in one run under one environment, so that a busy moment of the
 * machine falls on both. `--reference` is a script that takes `bf16|fp32 --batch N --steps N --json` and prints seconds by phase with `TOTAL`.
 */
import { execFileSync } from "node:child_process"
import { forEngine } from "../actors/engine-environment.ts"
import type { Values } from "./main.ts"
import type { StepTimes } from "./step.ts"

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

export const run = (values: Values): Promise<void> => {
  const { reference } = values
  if (reference === undefined) throw new Error("race needs --reference SCRIPT")
  const environment = { ...process.env, ...forEngine(values.device), ...(values.pythonpath === undefined ? {} : { PYTHONPATH: values.pythonpath }) }
  const last = (output: string) => JSON.parse(output.trim().split("\n").at(-1) ?? "") as unknown
  const call = (program: string, args: ReadonlyArray<string>) => last(execFileSync(program, args, { env: environment, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }))
  const shape = ["--batch", values.batch, "--steps", values.steps, "--json"]
  const ours: Array<StepTimes> = [], theirs: Array<Record<string, number | string>> = []
  for (let round = 0; round < Number(values.rounds); round++) {
    ours.push(call(process.execPath, [new URL("main.ts", import.meta.url).pathname, "step", "--precision", values.precision, "--config", values.config, "--profile", values.profile, ...shape]) as StepTimes)
    theirs.push(call(values.python, [reference, values.precision, ...shape]) as Record<string, number | string>)
    const [a, b] = [ours.at(-1)?.seconds["total"] ?? Number.NaN, Number(theirs.at(-1)?.["TOTAL"])]
    process.stdout.write(`round ${round + 1}: rae ${a.toFixed(2)} s, PyTorch ${b.toFixed(2)} s, ${(b / a).toFixed(2)} times faster; peak ${ours.at(-1)?.peak_gb.toFixed(1)} and ${theirs.at(-1)?.["peak GB"]} GB\n`)
  }
  const ratio = median(ours.map((times, i) => Number(theirs[i]?.["TOTAL"]) / (times.seconds["total"] ?? Number.NaN)))
  process.stdout.write(`median ratio ${ratio.toFixed(2)}; rae on libtorch ${ours[0]?.libtorch}, reference on ${theirs[0]?.["torch"]}, ${values.precision}, batch ${values.batch}\n`)
  process.stdout.write(`rae      ${JSON.stringify(ours.at(-1)?.seconds)}\nPyTorch  ${JSON.stringify(theirs.at(-1))}\n`)
  process.stdout.write(`${Object.entries(forEngine(values.device)).map(([name, value]) => `${name}=${value}`).join(" ")}\n`)
  return Promise.resolve()
}
