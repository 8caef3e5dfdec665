/**
 * What went wrong and what came of it, folded from a run's events: several events (an exit, the supervisor's decision, the resume)
 * become one incident. An event of level warn or error that is not known here is an incident too, told by its fields.
 */
import type { LogRecord } from "../runtime/segments.ts"
import { firstLine, number, string } from "./fields.ts"

export type IncidentKind = "restart" | "skipped step" | "hang" | "disk" | "checkpoint" | "data" | "failed" | "stop" | "other"

export interface Incident {
  readonly seq: number
  readonly run: string
  readonly time: string
  readonly until: string
  readonly kind: IncidentKind
  readonly level: string
  readonly actor: string
  /** Where the run was. */
  readonly step: number | null
  readonly what: string
  readonly done: string
  /** Empty while it is not known. */
  readonly outcome: string
  /** How often the same came again. */
  readonly times: number
}
type Draft = { -readonly [K in keyof Incident]: Incident[K] }

const count = (n: number): string => n.toLocaleString("en-US")
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
const steps = (n: number): string => `${count(n)} step${n === 1 ? "" : "s"}`
const seconds = (from: string, to: string): string => `${((Date.parse(to) - Date.parse(from)) / 1000).toFixed(1)} s`

const plainFields: ReadonlySet<string> = new Set(["seq", "time", "type", "level", "actor", "run", "step", "cause"])
const otherFields = (event: LogRecord): string =>
  Object.entries(event).filter(([name]) => !plainFields.has(name)).map(([name, value]) => `${name} ${typeof value === "string" ? firstLine(value) : JSON.stringify(value)}`).join(", ")

/** Types whose repeats are one incident, and what was done about each. */
const folded: Readonly<Record<string, readonly [kind: IncidentKind, done: string]>> = {
  "data.image_replaced": ["data", "took another image in its place"],
  "data.upscaled": ["data", "enlarged it"],
  "eval.image_unreadable": ["data", "left it out of the evaluation"],
  "eval.picture_failed": ["disk", "went on without it"],
  "eval.failed": ["failed", "went on without it"],
  "feature_cache.failed": ["other", "went on without the cache"],
  "engine.stderr": ["other", ""],
  "environment.changed": ["other", "went on; bits may differ"],
  "checkpoint.room_made": ["disk", "gave up what can be made again"],
  "checkpoint.cleanup_failed": ["disk", "removes them another time"],
  "restart.requested": ["restart", "on purpose"],
  "fault.injected": ["other", "on purpose"],
  "record.failed": ["disk", "went on; the record on disk is older"],
  "log.dropped": ["disk", "went on; these events are missing"]
}

export const makeIncidents = () => {
  const all: Array<Draft> = []
  /** Of each run: its place, and whether it was begun and not ended. */
  const reached = new Map<string, number>()
  const begun = new Map<string, { at: string; step: number }>()
  /** Incidents whose outcome is still to come. */
  let down: Array<Draft> = []
  let disk: Draft | null = null, paused: Draft | null = null, passedOver: Draft | null = null, stop: Draft | null = null
  /** Why the engine went down, in its own words: the supervisor's decision follows. */
  let cause = "", causeStep: number | null = null

  const add = (event: LogRecord, incident: Pick<Incident, "kind" | "what" | "done"> & Partial<Incident>): Draft => {
    const run = string(event, "run") ?? ""
    const draft: Draft = {
      seq: event.seq, run, time: event.time, until: event.time, level: string(event, "level") ?? "warn", actor: string(event, "actor") ?? "n/a",
      step: number(event, "step") ?? reached.get(run) ?? null, outcome: "", times: 1, ...incident
    }
    all.push(draft)
    return draft
  }
  const settle = (draft: Draft, event: LogRecord, outcome: string) => {
    draft.until = event.time
    draft.outcome = outcome
  }
  const again = (event: LogRecord, kind: IncidentKind, done: string) => {
    const what = `${string(event, "type") ?? "event"}: ${otherFields(event)}`
    const before = all.findLast((each) => each.run === event["run"] && each.what.split(":")[0] === event["type"])
    if (before === undefined || Date.parse(event.time) - Date.parse(before.until) > 600_000) return void add(event, { kind, what, done })
    before.times++
    before.until = event.time
  }

  const diskText = (event: LogRecord): string => {
    const [needed, free] = [number(event, "needed"), number(event, "free")]
    return needed !== null && free !== null ? `checkpoint refused: needs ${megabytes(needed)}, ${megabytes(free)} free` : `checkpoint refused: ${firstLine(string(event, "message"))}`
  }

  const apply = (event: LogRecord): void => {
    const run = string(event, "run") ?? ""
    const step = number(event, "step")
    const type = string(event, "type") ?? ""
    switch (type) {
      case "study.started": {
        for (const [open, { at, step }] of begun) {
          all.push({
            seq: event.seq, run: open, time: at, until: event.time, kind: "restart", level: "error", actor: "supervisor", step, times: 1,
            what: "the supervisor ended without a word: killed, or the machine went down", done: "`rae run` was given again", outcome: ""
          })
          down.push(all.at(-1)!)
        }
        begun.clear()
        break
      }
      case "run.started": {
        const from = number(event, "resumed_from")
        for (const each of down) if (each.run === run) settle(each, event, `${from === null ? "started again from the beginning" : `resumed from step ${count(from)}`} after ${seconds(each.time, event.time)}`)
        down = down.filter((each) => each.run !== run)
        begun.set(run, { at: event.time, step: from ?? 0 })
        break
      }
      case "train.step":
        if (step !== null) reached.set(run, step)
        if (begun.has(run)) begun.set(run, { at: event.time, step: step ?? 0 })
        for (const each of down) if (each.run === run) settle(each, event, `went on, at step ${count(step ?? 0)} after ${seconds(each.time, event.time)}`)
        down = down.filter((each) => each.run !== run)
        break
      case "engine.exited":
        cause = `ended with ${string(event, "signal") ?? `code ${number(event, "code") ?? "unknown"}`}`
        causeStep = step
        break
      case "engine.hung":
        cause = `silent for ${number(event, "silent_seconds")?.toFixed(1) ?? "n/a"} s${string(event, "op") === null ? "" : ` in ${string(event, "op")}`}`
        causeStep = step
        break
      case "supervisor.child_down": {
        const offender = string(event, "offender") ?? "n/a"
        const reason = firstLine(string(event, "reason"))
        const lost = number(event, "lost_steps")
        down.push(add(event, {
          kind: /not finite|passed over/.test(reason) ? "skipped step" : cause.startsWith("silent") ? "hang" : "restart", actor: offender, step: causeStep ?? reached.get(run) ?? null,
          what: cause === "" ? reason.replace(`${offender}: `, "") : cause,
          done: `restarted, ${string(event, "strategy") ?? "one-for-one"}, attempt ${number(event, "attempt") ?? "n/a"} of ${number(event, "max") ?? "n/a"}${lost === null ? "" : `; ${steps(lost)} to redo`}`
        }))
        cause = ""
        causeStep = null
        break
      }
      case "supervisor.gave_up": add(event, { kind: "failed", what: firstLine(string(event, "reason")), done: `gave up restarting ${string(event, "offender") ?? "it"}` }); break
      case "run.failed": {
        const message = firstLine(string(event, "message"))
        begun.delete(run)
        for (const each of down) if (each.run === run) settle(each, event, "the run failed")
        down = down.filter((each) => each.run !== run)
        add(event, { kind: "failed", what: message, done: "stopped the run" })
        break
      }
      case "checkpoint.failed": {
        const unsaved = number(event, "unsaved_steps") ?? 0
        if (disk?.run === run) disk.times++
        else disk = add(event, { kind: "disk", what: diskText(event), done: "" })
        disk.done = `kept the state in memory and trained on, ${steps(unsaved)} unsaved; tried again`
        disk.until = event.time
        break
      }
      case "checkpoint.committed":
        if (disk?.run === run) {
          settle(disk, event, `saved step ${count(step ?? 0)} after ${seconds(disk.time, event.time)}`)
          disk = null
        }
        break
      case "checkpoint.quarantined": passedOver = add(event, { kind: "checkpoint", what: firstLine(string(event, "reason")), done: "quarantined it and took the one before" }); break
      case "checkpoint.unread": passedOver = add(event, { kind: "checkpoint", what: firstLine(string(event, "reason")), done: "left it where it is and took the one before" }); break
      case "checkpoint.loaded":
        if (passedOver !== null) settle(passedOver, event, `loaded step ${count(step ?? 0)}`)
        passedOver = null
        break
      case "train.paused": paused = add(event, { kind: "stop", what: `paused: ${string(event, "reason") ?? "n/a"}`, done: "waits" }); break
      case "train.resumed":
        if (paused !== null) settle(paused, event, `went on after ${seconds(paused.time, event.time)}`)
        paused = null
        break
      case "signal.received": stop = add(event, { kind: "stop", what: string(event, "signal") ?? "signal", done: string(event, "action") ?? "" }); break
      case "stop.requested": stop = add(event, { kind: "stop", what: "asked to stop", done: string(event, "action") ?? "" }); break
      case "run.stopped":
        begun.delete(run)
        if (stop !== null) settle(stop, event, `stopped at step ${count(step ?? 0)}, ${event["saved"] === true ? "saved" : "not saved"}`)
        stop = null
        break
      case "run.finished":
        begun.delete(run)
        if (disk?.run === run) settle(disk, event, "the run finished")
        break
      default: {
        const known = folded[type]
        if (known !== undefined) again(event, ...known)
        else if (event["level"] === "warn" || event["level"] === "error") again(event, "other", "")
      }
    }
  }
  return { apply, incidents: (): ReadonlyArray<Incident> => all.toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time)) }
}
