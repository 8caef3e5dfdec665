/**
 * The run's journal: every event goes through here to the log on disk, the status document and whoever watches.
 *
 * Nothing may be created before the first `Load` has succeeded, yet events happen before: they wait until `open`.
 */
import * as Effect from "effect/Effect"
import { type EventLog, openEventLog } from "../src/runtime/event-log.ts"
import { makeCauses } from "./event-causes.ts"
import { Event, make as event } from "./events.ts"

export type StampedEvent = Event & { readonly seq: number; readonly time: string }

export const makeJournal = (listener: (event: StampedEvent) => void) => {
  let log: EventLog<Event> | null = null
  const waiting: Array<Event> = []
  const causes = makeCauses()
  const append = (open: EventLog<Event>, happened: Event) => {
    const cause = causes.of(happened, open.lastSeq() + 1)
    listener(open.append(cause === undefined ? happened : { ...happened, cause }))
  }

  return {
    emit: (happened: Event): void => {
      if (log === null) waiting.push(happened)
      else append(log, happened)
    },
    /** Opens the log in `dir`, of at most `keepBytes`; it lives, and is flushed, with the scope. */
    open: Effect.fnUntraced(function*(dir: string, run: string, keepBytes: number) {
      const opened = yield* openEventLog<Event>({ dir, schema: Event, keepBytes, dropped: (events, reason) => event("log.dropped", run, { events, reason }) })
      log = opened
      for (const happened of waiting.splice(0)) append(opened, happened)
      return opened
    }),
    flush: Effect.suspend(() => log === null ? Effect.void : log.flush)
  }
}
