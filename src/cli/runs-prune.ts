/** `rae runs prune`: removes what was moved aside, or is done, and is nobody's any more. */
import * as Effect from "effect/Effect"
import { existsSync, rmSync } from "node:fs"
import { basename, join } from "node:path"
import { occupiedBytes } from "../checkpoint/layout.ts"
import { fallbackOf } from "../checkpoint/locate.ts"
import { claimRunDir } from "../runtime/lock.ts"
import { size, utc } from "./quantities.ts"
import { allRuns, lastChange, runsDirectory, type RunDirectory } from "./run-directory.ts"
import type { RunsPruneInput } from "./runs-commands.ts"
import { layOut } from "../formats/text-table.ts"
import type { Terminal } from "./terminal.ts"

/** As `--fresh` names what it moves aside: `NAME.2026-01-31T12-00-00.000Z`. */
const movedAside = /\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z$/

/** All that a run, or a study, has on disks; its own directory, which says where the rest is, comes last. */
const placesOf = async ({ description, dir }: RunDirectory): Promise<ReadonlyArray<string>> => {
  const fallbacks = await Promise.all([dir, ...description.variants.map((name) => join(dir, basename(name)))].map(fallbackOf))
  return [...fallbacks.filter((place) => place !== null).filter((place) => existsSync(place)), dir]
}

/** Checkpoints in a second directory go too: a new run of the name would take them for its own. */
const remove = (dir: string, places: ReadonlyArray<string>) => Effect.runPromise(Effect.scoped(Effect.andThen(claimRunDir(dir), Effect.sync(() => {
  for (const place of places) rmSync(place, { recursive: true, force: true })
}))))

export const pruneRuns = async ({ values }: RunsPruneInput, terminal: Terminal): Promise<number> => {
  const before = values.before?.getTime() ?? Infinity
  const doomed = allRuns(runsDirectory(values["runs-dir"])).filter(({ description, home, name }) =>
    (movedAside.test(name) || (values.done && description.state === "done")) && lastChange(home) < before)
  const found = await Promise.all(doomed.map(async (run) => ({ run, places: await placesOf(run) })))
  const runs = await Promise.all(found.map(async ({ places, run }) => ({
    name: run.name, state: run.description.state, changed_at: new Date(lastChange(run.home)).toISOString(), bytes: (await Promise.all(places.map(occupiedBytes))).reduce((sum, bytes) => sum + bytes, 0)
  })))
  if (values.yes) for (const { places, run } of found) await remove(run.dir, places)
  if (values.json) terminal.out(JSON.stringify({ schema: 1, removed: values.yes, runs }))
  else {
    const rows = runs.map(({ bytes, changed_at, name, state }) => [name, state, utc(new Date(changed_at)), size(bytes)])
    if (runs.length > 0) for (const line of layOut([{ title: "NAME", least: 12 }, { title: "STATE" }, { title: "CHANGED" }, { title: "SIZE", align: "right" }], rows, terminal.outColumns())) terminal.out(line)
    const all = size(runs.reduce((sum, { bytes }) => sum + bytes, 0))
    terminal.err(runs.length === 0 ? "nothing to remove" : values.yes ? `removed: ${all}` : `would remove: ${all}\n  = help: --yes removes them`)
  }
  return 0
}
