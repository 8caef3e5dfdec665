/** Which run a command means: a name in the runs' directory (`study`, `study/variant`), a path, or the newest. */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import type { RunJson } from "../../actors/run-json.ts"
import { nearest } from "../config/nearest.ts"

export const runsDirectory = (flag: string | undefined): string => flag ?? (process.env["RAE_RUNS_DIR"] || "runs")

export class NoSuchRun extends Error {
  readonly _tag = "NoSuchRun"
  readonly exitCode = 4
  readonly help: string
  constructor(message: string, help: string) {
    super(message)
    this.help = help
  }
}

export interface RunDirectory {
  /** `study/variant`, or the name of the run. */
  readonly name: string
  readonly dir: string
  readonly description: RunJson
  /** Where events and socket are: a variant's are its study's. */
  readonly home: string
  readonly variant: string | null
}

/** Null where there is no readable run.json. The supervisor checks every field of it; to show it, what is there is enough. */
const describe = (dir: string): RunJson | null => {
  try {
    const read: unknown = JSON.parse(readFileSync(join(dir, "run.json"), "utf8"))
    return typeof read === "object" && read !== null && "name" in read ? read as RunJson : null
  } catch {
    return null
  }
}

/** Null where there is no run. */
export const openRun = (dir: string): RunDirectory | null => {
  const description = describe(dir)
  if (!description) return null
  const above = describe(dirname(dir))
  return above?.kind === "study"
    ? { name: relative(dirname(dirname(dir)), dir), dir, description, home: dirname(dir), variant: relative(dirname(dir), dir) }
    : { name: relative(dirname(dir), dir), dir, description, home: dir, variant: null }
}

const children = (dir: string): ReadonlyArray<string> => {
  try {
    return readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => name)
  } catch {
    return []
  }
}

/** Last written to: its description changes with its state, its event log with every line. */
export const lastChange = (dir: string): number => {
  const logs = readdirSync(dir).includes("events") ? readdirSync(join(dir, "events")) : []
  return Math.max(...["run.json", ...logs.map((log) => join("events", log))].map((name) => statSync(join(dir, name), { throwIfNoEntry: false })?.mtimeMs ?? 0))
}

/** Runs and studies, not their variants. */
export const allRuns = (runsDir: string): ReadonlyArray<RunDirectory> => children(runsDir).map((name) => openRun(resolve(runsDir, name))).filter((found) => found !== null)

const newest = (runsDir: string): RunDirectory => {
  const found = allRuns(runsDir).toSorted((a, b) => lastChange(b.home) - lastChange(a.home))[0]
  if (!found) throw new NoSuchRun(`no runs in ${runsDir}`, "`rae run CONFIG` makes one; --runs-dir or RAE_RUNS_DIR say where they are")
  return found
}

/** Throws NoSuchRun, with the nearest name. */
export const findRun = (target: string | undefined, runsDir: string): RunDirectory => {
  if (target === undefined) return newest(runsDir)
  const found = openRun(resolve(runsDir, target)) ?? openRun(resolve(target))
  if (found) return found
  const names = children(runsDir).flatMap((name) => [name].concat(children(join(runsDir, name)).map((variant) => `${name}/${variant}`)))
  const near = nearest(target, names.filter((name) => describe(join(runsDir, name)) !== null))
  throw new NoSuchRun(`no run \`${target}\` in ${runsDir}`, near === undefined ? "--runs-dir or RAE_RUNS_DIR say where runs are" : `did you mean \`${near}\`?`)
}
