/** `rae runs`: a line a run, newest first, and whether it runs now. */
import { basename, join } from "node:path"
import * as Goodput from "../../actors/goodput.ts"
import type { RunJson } from "../../actors/run-json.ts"
import { layOut } from "../formats/text-table.ts"
import { count, figure, utc } from "./quantities.ts"
import { allRuns, lastChange, openRun, runsDirectory, type RunDirectory } from "./run-directory.ts"
import type { RunsInput } from "./runs-commands.ts"
import type { Terminal } from "./terminal.ts"

/** Does somebody answer? One that does not within a moment is there all the same. */
const isRunning = async ({ home }: Pick<RunDirectory, "home">): Promise<boolean> => {
  // HTTP is loaded where a run means to be running, and not to list those that are over.
  const { askControl } = await import("../runtime/control-client.ts")
  return askControl({ dir: home, path: "/status", timeoutMillis: 1000 }).then(() => true, (error: unknown) => error instanceof Error && "_tag" in error && error._tag === "NoAnswer")
}

/** How it stands: one that means to be running and is not has died. */
const stateOf = (state: RunJson["state"], running: boolean): string => (running ? "running" : state === "running" ? "died" : state)

const variantsOf = ({ description, dir }: RunDirectory) => description.variants.map((run) => {
  const name = basename(run)
  const found = openRun(join(dir, name))?.description
  return { name, state: found?.state ?? "not started", step: found?.step ?? 0, steps: found?.steps ?? 0, total: found?.result?.means["total"] ?? null }
})

const describe = async (run: RunDirectory) => {
  const { description } = run
  const running = description.state === "running" && await isRunning(run)
  const ledger = Goodput.from(description.goodput)
  const spent = Goodput.total(ledger)
  return {
    name: run.name, kind: description.kind, state: stateOf(description.state, running), running, step: description.step, steps: description.steps, restarts: description.restarts,
    profile: description.profile, device: description.device, created_at: description.created_at, changed_at: new Date(lastChange(run.home)).toISOString(),
    config_file: description.config_file, total: description.result?.means["total"] ?? null, useful: spent === 0 ? null : ledger.useful / spent, variants: variantsOf(run)
  }
}

export const listRuns = async ({ values }: RunsInput, terminal: Terminal): Promise<number> => {
  const runsDir = runsDirectory(values["runs-dir"])
  const runs = (await Promise.all(allRuns(runsDir).map(describe))).toSorted((a, b) => b.changed_at.localeCompare(a.changed_at))
  if (values.json) {
    terminal.out(JSON.stringify({ schema: 1, runs }))
    return 0
  }
  const columns = [
    { title: "NAME", least: 12 }, { title: "STATE" }, { title: "STEP", align: "right" }, { title: "VARIANTS" }, { title: "LOSS", align: "right" }, { title: "USEFUL", align: "right" },
    { title: "RESTARTS", align: "right" }, { title: "CHANGED" }
  ] as const
  const rows = runs.map((run) => [
    run.name, run.state, run.kind === "study" ? "" : `${count(run.step)}/${count(run.steps)}`,
    run.kind === "study" ? `${run.variants.filter(({ state }) => state === "done").length} of ${run.variants.length} done` : "",
    run.total === null ? "–" : figure(run.total), run.useful === null ? "–" : `${Math.floor(run.useful * 100)}%`, count(run.restarts), utc(new Date(run.changed_at))
  ])
  for (const line of layOut(columns, rows, terminal.outColumns())) terminal.out(line)
  if (runs.length === 0) terminal.err(`no runs in ${runsDir}`)
  return 0
}
