/** `rae events [RUN]`: the event log, filtered, as a table or as NDJSON; `-f` waits for more, whether the run runs or not. */
import type { Level } from "../../actors/events.ts"
import type { StampedEvent } from "../../actors/journal.ts"
import { padEnd, padStart, truncate } from "../formats/text-table.ts"
import type { EventsInput } from "./commands.ts"
import { followEvents, readEvents } from "./event-files.ts"
import { clock, utc } from "./quantities.ts"
import { foldRepeats } from "./repeats.ts"
import { findRun, runsDirectory, type RunDirectory } from "./run-directory.ts"
import { harmless, type Paint, type Style, type Terminal } from "./terminal.ts"

const levels: ReadonlyArray<Level> = ["debug", "info", "warn", "error"]
const styles: Readonly<Record<Level, Style>> = { debug: "dim", info: "green", warn: "yellow", error: "red" }

/** What `tail -f` and `journalctl -f` show of what was before. */
const linesBeforeFollowing = 10

const pattern = (glob: string): RegExp => new RegExp(`^${glob.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`)

export const selects = (values: EventsInput["values"], run: Pick<RunDirectory, "name" | "variant">): ((event: StampedEvent) => boolean) => {
  const types = values.type.map(pattern)
  // `engine` also means `engine[8390]`.
  const actors = values.actor.map(pattern)
  const least = levels.indexOf(values.level ?? "debug")
  const [since, until] = [values.since?.getTime() ?? -Infinity, values.until?.getTime() ?? Infinity]
  return (event) => {
    const time = Date.parse(event.time)
    return levels.indexOf(event.level) >= least && time >= since && time <= until
      && (types.length === 0 || types.some((type) => type.test(event.type)))
      && (actors.length === 0 || actors.some((actor) => actor.test(event.actor) || actor.test(event.actor.replace(/\[.*$/, ""))))
      && (run.variant === null || event.run === run.name)
  }
}

const shown = (value: unknown): string => {
  if (typeof value === "string" && /^[^\s"=\p{Cc}]+$/u.test(value)) return value
  return JSON.stringify(value, (_, each: unknown) => (typeof each === "number" && !Number.isInteger(each) ? Number(each.toPrecision(4)) : each))
}

const columnFields: ReadonlySet<string> = new Set(["seq", "time", "level", "actor", "type", "run"])

/** `step=450 bytes=18411520`, and the variant where there are several. */
const detail = (event: StampedEvent, whole: boolean): string => {
  const { run } = event
  const variant = whole && run.includes("/") ? [`variant=${run.slice(run.indexOf("/") + 1)}`] : []
  return harmless([...Object.entries(event).filter(([name]) => !columnFields.has(name)).map(([name, value]) => `${name}=${shown(value)}`), ...variant].join(" "))
}

const widths = { seq: 6, level: 5, actor: 13, type: 24 }

export interface Look {
  readonly columns: number
  readonly time: (time: Date) => string
  readonly paint: Paint
  /** Events of all variants of a study are shown, so each says whose it is. */
  readonly whole: boolean
}

export const titles = ({ paint, time }: Look): string =>
  paint("bold", `${padStart("SEQ", widths.seq)}  ${padEnd("TIME", time(new Date(0)).length)}  ${padEnd("LEVEL", widths.level)}  ${padEnd("ACTOR", widths.actor)}  ${padEnd("EVENT", widths.type)}  DETAIL`)

export const row = (event: StampedEvent, { columns, paint, time, whole }: Look): string => {
  const before = `${padStart(String(event.seq), widths.seq)}  ${time(new Date(event.time))}  `
  const after = `  ${padEnd(event.actor, widths.actor)}  ${padEnd(event.type, widths.type)}  `
  const room = columns - before.length - widths.level - after.length
  return `${before}${paint(styles[event.level], padEnd(event.level, widths.level))}${after}${truncate(detail(event, whole), Math.max(10, room))}`.trimEnd()
}

/** In place of rows that say the same as the one above, but for their numbers. */
const repeated = (times: number, last: StampedEvent, { paint, time }: Look): string =>
  `${padStart(String(last.seq), widths.seq)}  ${time(new Date(last.time))}  ${paint("dim", `the same ${times === 1 ? "once" : `${times} times`} more`)}`

export const events = async ({ operand, values }: EventsInput, terminal: Terminal): Promise<number> => {
  const run = findRun(operand, runsDirectory(values["runs-dir"]))
  const keep = selects(values, run)
  const look = (): Look => ({ columns: terminal.outColumns(), time: terminal.outIsTerminal ? clock : utc, paint: terminal.paintOut, whole: run.variant === null })
  const plain = (event: StampedEvent) => terminal.out(values.json ? JSON.stringify({ schema: 1, ...event }) : row(event, look()))
  const folded = values.json || values["no-fold"] ? null : foldRepeats(plain, (times, last) => terminal.out(repeated(times, last, look())))
  const print = folded === null ? plain : folded.next

  if (!values.json) terminal.out(titles(look()))
  const newest = (await readEvents(run.home, { last: 1 }))[0]?.seq ?? 0
  const beforeFollowing = values.follow && values.after === undefined && values.since === undefined ? linesBeforeFollowing : undefined
  const present = await readEvents(run.home, { after: values.after, last: values.lines ?? beforeFollowing, keep: (event) => event.seq <= newest && keep(event) })
  for (const event of present) print(event)
  folded?.flush()
  if (values.follow) for await (const event of followEvents(run.home, { after: Math.max(newest, values.after ?? 0) })) if (keep(event)) print(event)
  return 0
}
