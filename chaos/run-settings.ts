/** How every run of a campaign is started, the undisturbed one and those of the trials: in no way that could change a bit between them. */
import { availableParallelism } from "node:os"
import { type RaeProcess, startRae } from "./rae-process.ts"

export interface RunSettings {
  readonly config: string
  readonly data: string | null
  readonly profile: string | null
  readonly sets: ReadonlyArray<string>
  readonly jobs: number
  /** Where the runs lie. */
  readonly dir: string
}

export interface Start {
  readonly runsDir: string
  readonly name: string
  /** Of this run alone: faults in it reach no other, and nothing is found that another has encoded. */
  readonly cacheDir: string
  readonly env: Readonly<Record<string, string>>
  /** Further words: `--stop-after N`. */
  readonly words?: ReadonlyArray<string>
}

/** Every step is logged, so that every step is compared; faults may be asked for. */
const always = ["training.log_interval=1", "supervision.allow_inject=true"]

export const startRun = ({ config, data, jobs, profile, sets }: RunSettings, { cacheDir, env, name, runsDir, words = [] }: Start): RaeProcess => {
  const threads = String(Math.max(1, Math.floor(availableParallelism() / jobs)))
  return startRae([
    "run", config, "--runs-dir", runsDir, "--name", name, ...(data === null ? [] : ["--data", data]), ...(profile === null ? [] : ["--profile", profile]),
    ...[...always, ...sets].flatMap((set) => ["--set", set]), ...words
  ], {
    XDG_CACHE_HOME: cacheDir, OMP_NUM_THREADS: process.env["OMP_NUM_THREADS"] ?? threads, OPENBLAS_NUM_THREADS: process.env["OPENBLAS_NUM_THREADS"] ?? threads, ...env
  })
}
