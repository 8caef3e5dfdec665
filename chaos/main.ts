/**
 * `npm run chaos -- …`: trains a config undisturbed, then again and again while faults happen to it, and compares every bit of the ends;
 * or, with `--soak`, once for a long time.
 *
 * Exit 0: every trial ended as it must; 1: one did not, or no fault struck; 2: wrong usage, or the config does not train even undisturbed.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as Args from "../src/cli/arguments.ts"
import { renderError, tell } from "../src/cli/errors.ts"
import { UsageError } from "../src/cli/usage-error.ts"
import { runCampaign } from "./campaign.ts"
import { kinds } from "./faults/all.ts"
import { killAll } from "./rae-process.ts"
import type { RunSettings } from "./run-settings.ts"
import { unmountAll } from "./small-disk.ts"
import { runSoak } from "./soak.ts"

const flags = {
  seed: Args.whole("N", "decides every trial, with its number (default 1)", 0),
  trials: Args.whole("N", "how many (default: one of each kind)", 1),
  first: Args.whole("TRIAL", "begin with this one (default 0)", 0),
  record: Args.text("FILE", "add each trial to this file and leave out those that it holds: the same command again goes on"),
  only: Args.whole("TRIAL", "replay this one, and keep its run", 0),
  faults: Args.text("A,B,…", "kinds of fault, instead of all; --list names them"),
  config: Args.text("FILE", "the config to train (default configs/chaos.yaml)"),
  profile: Args.text("NAME", "its profile"),
  data: Args.text("DIR", "folder of images"),
  set: Args.list("KEY=VALUE", "override a key of the config, as with `rae run`"),
  jobs: Args.whole("N", "trials at a time (default 1)", 1),
  soak: Args.text("SPAN", "one long run instead, of 90s, 20m or 1h"),
  every: Args.text("SPAN", "a fault in the soak so often on average (default 20s)"),
  dir: Args.text("DIR", "where the runs lie (default: a temporary folder)"),
  keep: Args.toggle("keep the runs of passing trials too"),
  json: Args.toggle("print one document instead of the table"),
  list: Args.toggle("print the kinds of fault, and what each does"),
  help: Args.toggle("print this", "h")
}

const usage = (): ReadonlyArray<string> => [
  "usage: npm run chaos -- [--seed N] [--trials N | --only TRIAL | --soak SPAN --every SPAN] [--faults A,B,…] [--config FILE] [--data DIR] [--jobs N] [--json]",
  "",
  ...Object.entries(flags).map(([name, { help, metavar }]) => `  ${`--${name} ${metavar}`.padEnd(22)}  ${help}`)
]

const stopping = new AbortController()

/** Seconds of `90s`, `20m`, `1h`. */
const spanOf = (name: string, text: string): number => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smh])$/.exec(text) ?? []
  if (amount === undefined) throw new UsageError(`\`--${name}\`: expected a span such as 90s, 20m or 1h, got \`${text}\``)
  return Number(amount) * ({ s: 1, m: 60, h: 3600 }[unit as "s" | "m" | "h"])
}

const chosen = (names: string | undefined) => names === undefined ? kinds : names.split(",").map((name) => {
  const kind = kinds.find((each) => each.name === name.trim())
  if (kind === undefined) throw new UsageError(`unknown kind of fault \`${name}\``, `kinds: ${kinds.map((each) => each.name).join(" ")}`)
  return kind
})

const main = async (): Promise<number> => {
  const { values } = Args.parse(process.argv.slice(2), flags, undefined)
  const out = (line: string) => process.stdout.write(`${line}\n`)
  if (values.help || values.list) {
    for (const line of values.help ? usage() : kinds.map(({ name, says }) => `${name.padEnd(26)}  ${says}`)) out(line)
    return 0
  }
  const among = chosen(values.faults)
  const made = values.dir === undefined
  const dir = values.dir === undefined ? mkdtempSync(join(tmpdir(), "rae-chaos-")) : resolve(values.dir)
  mkdirSync(dir, { recursive: true })
  const jobs = values.jobs ?? 1
  const settings: RunSettings = {
    config: resolve(values.config ?? join(import.meta.dirname, "../configs/chaos.yaml")), profile: values.profile ?? (values.config === undefined ? "tiny" : null),
    data: values.data === undefined ? null : resolve(values.data), sets: values.set, jobs, dir
  }
  const common = { settings, stop: stopping.signal, seed: values.seed ?? 1, kinds: among, json: values.json, out, say: (line: string) => void process.stderr.write(`${line}\n`) }
  const code = values.soak !== undefined ? await runSoak({ ...common, seconds: spanOf("soak", values.soak), everySeconds: spanOf("every", values.every ?? "20s") }) : await runCampaign({
    ...common, record: values.record === undefined ? null : resolve(values.record), keep: values.keep || values.only !== undefined,
    trials: values.only !== undefined ? [values.only] : Array.from({ length: values.trials ?? among.length }, (_, i) => (values.first ?? 0) + i),
    replayWords: (trial) => [
      "npm run chaos --", `--seed ${values.seed ?? 1} --only ${trial}`, ...(values.faults === undefined ? [] : [`--faults ${values.faults}`]), ...(values.config === undefined ? [] : [`--config ${values.config}`]),
      ...(values.profile === undefined ? [] : [`--profile ${values.profile}`]), ...(values.data === undefined ? [] : [`--data ${values.data}`]), ...values.set.map((set) => `--set ${set}`)
    ].join(" ")
  })
  if (made && code === 0 && !values.keep && values.only === undefined) rmSync(dir, { recursive: true, force: true })
  return code
}

// Whatever ends this ends what it has started; the first signal still prints the table.
process.on("exit", () => {
  killAll()
  unmountAll()
})
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {
  if (stopping.signal.aborted) process.exit(130)
  stopping.abort()
  killAll()
})

try {
  process.exitCode = await main()
} catch (error) {
  for (const line of renderError(error, (_, text) => text, process.env["RAE_DEBUG"] === "1")) process.stderr.write(`${line}\n`)
  process.exitCode = error instanceof UsageError ? 2 : tell(error).exitCode
}
process.exit()
