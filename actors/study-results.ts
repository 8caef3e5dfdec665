/** The study's table, from what each variant's run.json says of it: on the terminal, in `study.md` and in `study.json`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { renameSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { renderJson, renderMarkdown, type StudyRow, type StudyTable } from "../src/formats/study-table.ts"
import * as RunJson from "./run-json.ts"
import type { RunPlan } from "./run-plan.ts"

const states: Readonly<Record<RunJson.RunJson["state"], StudyRow["state"]>> = { running: "unfinished", stopped: "unfinished", done: "done", failed: "failed" }

export const collect = Effect.fnUntraced(function*(plan: RunPlan) {
  const rows = yield* Effect.forEach(plan.variants, Effect.fnUntraced(function*({ dir, name, run }) {
    const described = yield* RunJson.read(dir)
    const means = described?.result?.means ?? {}
    const mean = (loss: string) => means[loss] ?? null
    const row: StudyRow = {
      variant: name ?? basename(run), total: mean("total"), rec: mean("rec"), lpips: mean("lpips"), gan: mean("gan"), disc: mean("disc"),
      steps: described?.step ?? 0, of: described?.steps ?? 0, restarts: described?.restarts ?? 0, state: described === null ? "not started" : states[described.state]
    }
    return row
  }))
  const table: StudyTable = { schema: 1, study: plan.name, profile: plan.profile, random_weights: plan.randomWeights, rows }
  return table
})

export class ResultsUnwritable extends Schema.TaggedError<ResultsUnwritable>()("ResultsUnwritable", { path: Schema.String, reason: Schema.String }) {
  override get message() { return `cannot write ${this.path}: ${this.reason}` }
}

/** The table as programs read it. */
export const pathIn = (dir: string): string => join(dir, "study.json")

/** `study.md` and `study.json`, each replaced in one step. */
export const write = (dir: string, table: StudyTable) => Effect.forEach([["study.md", renderMarkdown(table)], ["study.json", renderJson(table)]] as const, ([name, text]) => {
  const path = join(dir, name)
  return Effect.try({
    try: () => {
      try {
        writeFileSync(`${path}.new`, text)
        renameSync(`${path}.new`, path)
      } catch (error) {
        rmSync(`${path}.new`, { force: true }) // half of one takes space where there is none
        throw error
      }
    },
    catch: (cause) => new ResultsUnwritable({ path, reason: cause instanceof Error ? cause.message : String(cause) })
  })
}, { discard: true })
