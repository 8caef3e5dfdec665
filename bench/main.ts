/**
 * `npm run bench -- NAME [options]`: what things cost here. Figures in README and docs/lab-log.md come from these commands.
 *
 *   step   seconds per phase of the training step          --config F --profile paper|tiny --precision bf16|fp32 --batch N --steps N --json
 *   race   the same step against one in plain PyTorch      --reference bench_step.py --python PY, alternating in one run, same environment
 *   recovery  kill to next step, a standing engine noticed, what supervision costs a step   --config F --profile tiny --kills N
 *   ops    an operation call, a message between actors, an event
 *   eval   images a second of evaluation, beside encoder and decoder alone   --profile paper|tiny --batch N --steps BATCHES --rounds N --dir IMAGES
 *   checkpoint   stall, writing against dd, verifying, loading     --config F --profile paper|tiny --dir DIR --rounds N --json
 */
import { spawnSync } from "node:child_process"
import { parseArgs } from "node:util"
import { forEngine } from "../actors/engine-environment.ts"

const marker = "RAE_BENCH_ENVIRONMENT"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    config: { type: "string", default: "configs/base.yaml" }, profile: { type: "string", default: "paper" }, precision: { type: "string", default: "bf16" },
    batch: { type: "string", default: "2" }, steps: { type: "string", default: "4" }, device: { type: "string", default: "cpu" }, json: { type: "boolean", default: false },
    reference: { type: "string" }, python: { type: "string", default: "python3" }, pythonpath: { type: "string" }, dir: { type: "string" }, rounds: { type: "string", default: "2" }, kills: { type: "string", default: "20" }
  }
})
export type Values = typeof values

const benches: Readonly<Record<string, () => Promise<{ readonly run: (values: Values) => Promise<void> }>>> = {
  step: () => import("./step.ts"), race: () => import("./race.ts"), ops: () => import("./ops.ts"), checkpoint: () => import("./checkpoint.ts"), recovery: () => import("./recovery.ts"), eval: () => import("./eval.ts")
}
const chosen = benches[positionals[0] ?? ""]
if (chosen === undefined) {
  process.stderr.write(`error: unknown benchmark \`${positionals[0] ?? ""}\`\n  = help: one of ${Object.keys(benches).join(", ")}\n`)
  process.exitCode = 2
} else if (process.env[marker] === undefined) {
  // The environment decides speed, and libraries read it as they load: a process of its own has the engine's.
  const { status } = spawnSync(process.execPath, process.argv.slice(1), { stdio: "inherit", env: { ...process.env, ...forEngine(values.device), [marker]: "1" } })
  process.exitCode = status ?? 1
} else await (await chosen()).run(values)
