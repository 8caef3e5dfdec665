/**
 * Everything that a report or the dashboard shows of a run, read from its directory alone: `run.json`, the event log and the evaluator's
 * pictures. Works while the run runs and after it has ended; what is missing or torn is left out.
 */
import { readdirSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { openCursor } from "../runtime/event-reader.ts"
import type { LogRecord } from "../runtime/segments.ts"
import { makeCurves, type Curves } from "./curves.ts"
import { readDescription, type Description } from "./description.ts"
import { makeIncidents, type Incident } from "./incidents.ts"
import { makeTimeSpent, type TimeSpent } from "./time-spent.ts"

export interface RunRecord {
  readonly name: string
  readonly dir: string
  readonly description: Description
  readonly curves: Curves
  readonly spent: TimeSpent
  /** File names in `DIR/eval`, by step. */
  readonly pictures: ReadonlyArray<{ readonly step: number; readonly file: string }>
  /** From when to when it ran, as the events tell. */
  readonly sessions: ReadonlyArray<{ readonly from: string; readonly to: string }>
}

/** A run, or a study with its runs: what has one event log. */
export interface HomeRecord {
  readonly name: string
  readonly home: string
  readonly description: Description
  readonly runs: ReadonlyArray<RunRecord>
  readonly incidents: ReadonlyArray<Incident>
  /** The last event that is in it, and when that was; 0 and null where there is none. */
  readonly seq: number
  readonly time: string | null
}

const picturePattern = /^step-(\d+)\.png$/
const filesIn = (folder: string): Array<string> => {
  try {
    return readdirSync(folder)
  } catch {
    return [] // there is none yet, or no more
  }
}
export const listPictures = (dir: string): RunRecord["pictures"] => {
  return filesIn(join(dir, "eval")).sort().flatMap((file) => {
    const step = picturePattern.exec(file)?.[1]
    return step === undefined ? [] : [{ step: Number(step), file }]
  })
}

const makeSessions = () => {
  const sessions: Array<{ from: string; to: string }> = []
  let open = false
  return {
    apply: ({ time, type }: LogRecord) => {
      const current = open ? sessions.at(-1) : undefined
      // The last session ends with its last sign of life, not with the first of the next one.
      if (current !== undefined && type !== "study.started") current.to = time
      if (type === "study.started") open = false
      if (type === "run.started" && !open) {
        sessions.push({ from: time, to: time })
        open = true
      }
      if (type === "run.finished" || type === "run.stopped" || type === "run.failed") open = false
    },
    sessions
  }
}

export interface HomeReader {
  /** Takes in what was logged since; the new events, none at the end for now. */
  readonly advance: () => Promise<ReadonlyArray<LogRecord>>
  readonly record: () => HomeRecord
}

/** `home` is the directory of a run, or of a study: where the event log is. */
export const openHome = (home: string): HomeReader => {
  const name = readDescription(home, basename(home)).name
  const folds = new Map<string, { curves: ReturnType<typeof makeCurves>; spent: ReturnType<typeof makeTimeSpent>; sessions: ReturnType<typeof makeSessions> }>()
  const incidents = makeIncidents()
  const next = openCursor(home, 0)
  let seq = 0, time: string | null = null
  const foldOf = (run: string) => {
    const found = folds.get(run) ?? { curves: makeCurves(), spent: makeTimeSpent(), sessions: makeSessions() }
    folds.set(run, found)
    return found
  }

  const apply = (event: LogRecord) => {
    seq = event.seq
    time = event.time
    incidents.apply(event)
    // What is said of the whole study begins every run's session anew.
    if (event["type"] === "study.started") for (const { sessions } of folds.values()) sessions.apply(event)
    if (typeof event["run"] !== "string") return
    const { curves, sessions, spent } = foldOf(event["run"])
    if (event["type"] !== "study.started") sessions.apply(event)
    curves.apply(event)
    spent.apply(event)
  }

  return {
    advance: async () => {
      const events = await next()
      for (const event of events) apply(event)
      return events
    },
    record: () => {
      const description = readDescription(home, name)
      // A run of that name is a directory of the study's: no name of a description leads out of it.
      const names = description.kind === "study" ? description.variants.filter((each) => !/^\.*$/.test(basename(each))) : [description.name]
      const runs = names.map((name): RunRecord => {
        const dir = description.kind === "study" ? join(home, basename(name)) : home
        const { curves, sessions, spent } = foldOf(name)
        return { name, dir, description: readDescription(dir, name), curves: curves.curves(), spent: spent.spent(), pictures: listPictures(dir), sessions: sessions.sessions }
      })
      return { name: description.name, home, description, runs, incidents: incidents.incidents(), seq, time }
    }
  }
}

export const readHome = async (home: string): Promise<HomeRecord> => {
  const reader = openHome(home)
  while ((await reader.advance()).length > 0) { /* to the end for now */ }
  return reader.record()
}

/** The same with one of its runs alone; its study's incidents are its own too. */
export const onlyRun = (record: HomeRecord, name: string): HomeRecord => ({
  ...record, name, runs: record.runs.filter((run) => run.name === name), incidents: record.incidents.filter(({ run }) => run === name || run === dirname(name))
})
