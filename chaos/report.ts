/** The table of a campaign: one line a kind of fault, and the failing trials with the command that replays each. */
import { layOut } from "../src/formats/text-table.ts"
import type { Kind } from "./faults/all.ts"
import type { Outcome } from "./trial.ts"

const median = (values: ReadonlyArray<number>): number | null => values.toSorted((a, b) => a - b)[values.length >> 1] ?? null
const worst = (values: ReadonlyArray<number>): number | null => values.length === 0 ? null : Math.max(...values)

export interface Row {
  readonly fault: string
  readonly trials: number
  readonly detection_median: number | null
  readonly detection_worst: number | null
  readonly steps_lost_median: number | null
  readonly steps_lost_worst: number | null
  readonly seconds_lost_median: number | null
  readonly seconds_lost_worst: number | null
  readonly ended_as_it_must: number
  readonly ends: Kind["ends"]
  /** Trials by who had to do something. */
  readonly human: { readonly none: number; readonly command: number; readonly more: number }
  readonly missed: number
}

export const rowsOf = (kinds: ReadonlyArray<Kind>, outcomes: ReadonlyArray<Outcome>): ReadonlyArray<Row> =>
  kinds.flatMap(({ ends, name }) => {
    const all = outcomes.filter(({ kind }) => kind === name)
    const struck = all.filter(({ verdict }) => verdict !== "missed")
    if (all.length === 0) return []
    const detection = struck.flatMap((outcome) => outcome.detection)
    const steps = struck.map(({ stepsLost }) => stepsLost)
    const seconds = struck.map(({ secondsLost }) => secondsLost)
    const needing = (human: Outcome["human"]) => struck.filter((outcome) => outcome.human === human).length
    return [{
      fault: name, trials: struck.length, ends,
      detection_median: median(detection), detection_worst: worst(detection), steps_lost_median: median(steps), steps_lost_worst: worst(steps),
      seconds_lost_median: median(seconds), seconds_lost_worst: worst(seconds), ended_as_it_must: struck.filter(({ verdict }) => verdict === ends).length,
      human: { none: needing("none"), command: needing("command"), more: needing("more") }, missed: all.length - struck.length
    }]
  })

const figure = (value: number | null, digits: number) => value === null ? "–" : value.toFixed(digits)
const pair = (middle: number | null, most: number | null, digits: number) => middle === null ? "–" : `${figure(middle, digits)} / ${figure(most, digits)}`

const humanText = ({ command, more, none }: Row["human"]): string =>
  more > 0 ? `YES (${more})` : command === 0 ? "none" : none === 0 ? "same command" : `same command (${command})`

const titles = ["fault", "trials", "detected, s", "steps lost", "seconds lost", "ended equal", "human action"]
const cells = (row: Row): ReadonlyArray<string> => [
  row.fault, String(row.trials), pair(row.detection_median, row.detection_worst, 3), pair(row.steps_lost_median, row.steps_lost_worst, 0), pair(row.seconds_lost_median, row.seconds_lost_worst, 1),
  `${row.ended_as_it_must}/${row.trials}${row.ends === "finite" ? " finite" : ""}`, humanText(row.human)
]

export const tableLines = (rows: ReadonlyArray<Row>): ReadonlyArray<string> => {
  const sum = (of: (row: Row) => number) => rows.reduce((total, row) => total + of(row), 0)
  const missed = sum((row) => row.missed)
  return [
    ...layOut(titles.map((title, i) => i === 0 || i === titles.length - 1 ? { title } : { title, align: "right" as const }), rows.map(cells)),
    "",
    "Figures are median / worst.",
    `${sum((row) => row.ended_as_it_must)} of ${sum((row) => row.trials)} trials ended as they must${missed === 0 ? "" : `; in ${missed} more the run was over before the fault could strike`}.`
  ]
}

const failureOf = ({ dir, kind, problems, text, trial }: Outcome, replay: string): ReadonlyArray<string> =>
  [`trial ${trial}, ${kind}: ${text}`, ...problems.map((problem) => `  ${problem}`), `  kept: ${dir}`, `  = help: ${replay}`]

/** What went wrong in each failing trial, where its run lies, and the command that replays it. */
export const failureLines = (outcomes: ReadonlyArray<Outcome>, replay: (trial: number) => string): ReadonlyArray<string> =>
  outcomes.filter(({ verdict }) => verdict === "failed").flatMap((outcome) => failureOf(outcome, replay(outcome.trial)))
