/**
 * Folds warnings and errors that come again and again: the first is shown as it is, what follows and differs in its numbers alone is counted.
 * Other events are never folded: each step is news.
 */
import type { StampedEvent } from "../../actors/journal.ts"

const foldable: ReadonlySet<string> = new Set(["warn", "error"])

/** What an event says without its numbers: counters, sizes, times, pids and paths of steps differ in every repeat. */
const gist = ({ cause: _cause, seq: _seq, time: _time, ...said }: StampedEvent): string => JSON.stringify(said).replace(/\d+(\.\d+)?/g, "#")

export interface Folding {
  readonly next: (event: StampedEvent) => void
  /** Says how often the last one came again, so far. */
  readonly flush: () => void
}

export const foldRepeats = (show: (event: StampedEvent) => void, repeated: (times: number, last: StampedEvent) => void): Folding => {
  let shown: string | null = null
  let times = 0
  let last: StampedEvent | null = null
  const flush = () => {
    if (times > 0 && last !== null) repeated(times, last)
    times = 0
  }
  return {
    flush,
    next: (event) => {
      const said = foldable.has(event.level) ? gist(event) : null
      if (said !== null && said === shown) {
        times++
        last = event
        return
      }
      flush()
      shown = said
      show(event)
    }
  }
}
