/**
 * Shows a run while it trains, on standard error: on a terminal a live block with events scrolling above it; elsewhere one plain line an
 * event, with the time in UTC and no control sequences. Its first line says what runs, on what, and whether it goes on or starts.
 */
import type { Event } from "../../actors/events.ts"
import type { StampedEvent } from "../../actors/journal.ts"
import type { Status } from "../../actors/status.ts"
import { eventLine, lineOf } from "./event-line.ts"
import { openLiveBlock } from "./live-block.ts"
import { liveView } from "./live-view.ts"
import { clock, count, utc } from "./quantities.ts"
import { harmless, type Paint, type Terminal } from "./terminal.ts"

type RunStarted = Extract<Event, { readonly type: "run.started" }>

/** `rae 0.1.0  study ablation_lpips  variant 2/3 lpips-1.0  (resumed from step 400)  profile tiny  cpu float32  data photos (120 images)  pid 8123` */
export const headline = (version: string, event: RunStarted, status: Status | null, pid: number, paint: Paint): string => {
  const [study = event.run, variant] = event.run.split("/")
  const place = variant === undefined ? "" : status?.variant ? `variant ${status.variant.index}/${status.variant.count} ${variant}` : `variant ${variant}`
  const facts = [
    `${variant === undefined ? "run" : "study"} ${study}`,
    place,
    event.resumed_from === null ? "(new)" : `(resumed from step ${count(event.resumed_from)})`,
    `profile ${event.profile ?? "none"}`,
    `${event.device} ${event.precision}`,
    `data ${event.data} (${count(event.images)} images)`,
    event.random_weights ? "random weights" : "",
    `pid ${pid}`
  ]
  return [paint("bold", `rae ${version}`), ...facts.filter((fact) => fact !== "").map(harmless)].join("  ")
}

export interface Printer {
  readonly started: (status: () => Status) => void
  readonly event: (event: StampedEvent) => void
  /** Did any run start? */
  readonly trained: () => boolean
  readonly close: () => void
}

export const openPrinter = (terminal: Terminal, version: string, pid: number): Printer => {
  const paint = terminal.paintErr
  let status: (() => Status) | null = null
  /** The run whose headline was printed last. */
  let headed: string | null = null
  let held: Array<string> = []
  const block = terminal.live ? openLiveBlock(terminal, (columns) => (status && headed !== null ? liveView(status(), columns, paint) : [])) : null
  const print = block ? block.print : terminal.err
  const stamp = (time: string) => (block ? clock : utc)(new Date(time))
  const plainPrefix = (time: string) => (block ? "" : `${stamp(time)}  `)

  return {
    started: (read) => {
      status = read
    },
    event: (event) => {
      if (event.type === "run.started" && event.run === headed) {
        print(lineOf({ actor: "engine", level: "info", verb: "resumed", detail: `step ${count(event.resumed_from ?? 0)}` }, stamp(event.time), paint))
        return
      }
      if (event.type === "run.started") {
        headed = event.run
        print(plainPrefix(event.time) + headline(version, event, status?.() ?? null, pid, paint))
        for (const line of held) print(line)
        held = []
        return
      }
      if (block && event.type === "train.step") return
      const line = eventLine(event, stamp(event.time), paint)
      if (line === null) return
      // The headline is the first line, whatever was found out on the way to it; but no failure waits for it.
      if (headed !== null || event.level === "error" || event.type === "signal.received") print(line)
      else held.push(line)
      if (event.type === "signal.received") block?.flush()
    },
    trained: () => headed !== null,
    close: () => {
      for (const line of held) print(line)
      block?.close()
    }
  }
}
