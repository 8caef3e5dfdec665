/** The table that a study ends in: on the terminal, as `study.md` and as `study.json`. Losses are means over the last epoch. */
import { layOut } from "./text-table.ts"

export interface StudyRow {
  readonly variant: string
  readonly total: number | null
  readonly rec: number | null
  readonly lpips: number | null
  readonly gan: number | null
  readonly disc: number | null
  /** Steps done, of how many. */
  readonly steps: number
  readonly of: number
  readonly restarts: number
  readonly state: "done" | "unfinished" | "failed" | "not started"
}

export interface StudyTable {
  readonly schema: 1
  readonly study: string
  readonly profile: string | null
  readonly random_weights: boolean
  readonly rows: ReadonlyArray<StudyRow>
}

const losses = ["total", "rec", "lpips", "gan", "disc"] as const
const marks: Readonly<Record<StudyRow["state"], string>> = { done: "", unfinished: "*", failed: "!", "not started": "–" }

const count = (n: number): string => n.toLocaleString("en-US")

/** Four significant digits, never in exponents for what losses are; `n/a` where there is none. */
export const lossText = (loss: number | null): string => {
  if (loss === null) return "n/a"
  if (!Number.isFinite(loss)) return String(loss)
  const magnitude = loss === 0 ? 0 : Math.floor(Math.log10(Math.abs(loss)))
  if (magnitude < -4 || magnitude > 5) return loss.toExponential(2)
  return loss.toFixed(Math.max(0, Math.min(4, 3 - magnitude)))
}

/** Of how many is not known before the start. */
const stepsText = (row: StudyRow): string =>
  row.state === "done" ? count(row.steps) : `${count(row.steps)}${row.of > 0 ? `/${count(row.of)}` : ""} ${marks[row.state]}`

const notes = (table: StudyTable): ReadonlyArray<string> => {
  const states = (["unfinished", "failed", "not started"] as const).filter((state) => table.rows.some((row) => row.state === state))
  return [
    ...states.map((state) => `${marks[state]} ${state}${state === "unfinished" ? ": losses so far" : ""}`),
    ...(table.random_weights ? ["random weights instead of pretrained ones: a trial, not a result"] : [])
  ]
}

const titles = ["variant", ...losses, "steps", "restarts"]
const cellsOf = (row: StudyRow): ReadonlyArray<string> => [row.variant, ...losses.map((name) => lossText(row[name])), stepsText(row), count(row.restarts)]

/** At most `width` columns wide while the variants' names can give way. */
export const renderText = (table: StudyTable, width: number): ReadonlyArray<string> => {
  const columns = titles.map((title, i) => (i === 0 ? { title, least: 8 } : { title, align: "right" as const }))
  const remarks = notes(table)
  return [...layOut(columns, table.rows.map(cellsOf), width), ...(remarks.length > 0 ? ["", ...remarks] : [])]
}

const escaped = (cell: string): string => cell.replaceAll("|", "\\|").replaceAll("*", "\\*")

export const renderMarkdown = (table: StudyTable): string => {
  const row = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  const lines = [
    `# ${table.study}`,
    "",
    `Profile: ${table.profile ?? "none"}. Losses are means over the last epoch.`,
    "",
    row(titles),
    row(titles.map((_, i) => (i === 0 ? "---" : "---:"))),
    ...table.rows.map((each) => row(cellsOf(each).map(escaped)))
  ]
  const remarks = notes(table)
  return `${[...lines, ...(remarks.length > 0 ? ["", ...remarks.map((note) => `${escaped(note)}  `)] : [])].join("\n")}\n`
}

/** A loss that is not finite becomes null: JSON has no word for it. */
export const renderJson = (table: StudyTable): string => `${JSON.stringify(table, null, 2)}\n`
