/** Follows a run's event log while its processes come and go. */
import type { StampedEvent } from "../actors/journal.ts"
import { followEvents } from "../src/runtime/event-reader.ts"

export class Over extends Error {}

export interface Watch {
  readonly events: ReadonlyArray<StampedEvent>
  /** The first event that is as wanted, from the `after`-th on, there already or still to come. Rejects with Over when the run is over before it. */
  readonly until: (wanted: (event: StampedEvent) => boolean, after?: number) => Promise<StampedEvent>
}

const pollMillis = 5

export const watchRun = (runDir: string, signal: AbortSignal): Watch => {
  const events: Array<StampedEvent> = []
  const waiting = new Set<() => void>()
  const news = () => { for (const look of waiting) look() }
  const follow = async () => {
    for await (const record of followEvents(runDir, { pollMillis, signal })) {
      events.push(record as unknown as StampedEvent)
      news()
    }
  }
  // A log that cannot be read just now (its disk is gone) is read again: what waits for an event has a deadline of its own.
  follow().catch(() => undefined)
  signal.addEventListener("abort", news)

  return {
    events,
    until: (wanted, after = 0) => new Promise((found, over) => {
      let next = after
      const look = () => {
        for (; next < events.length; next++) {
          const event = events[next]!
          if (!wanted(event)) continue
          waiting.delete(look)
          found(event)
          return
        }
        if (signal.aborted) {
          waiting.delete(look)
          over(new Over("the run was over before"))
        }
      }
      waiting.add(look)
      look()
    })
  }
}
