/** A run's events as the command line asks for them: from the end of the log back, and as they come. */
import { readFile } from "node:fs/promises"
import type { StampedEvent } from "../../actors/journal.ts"
import { followEvents as follow, type FollowOptions } from "../runtime/event-reader.ts"
import { listSegments, parseLine, type LogRecord } from "../runtime/segments.ts"

/** What every event has; a line without it is none of ours. Losses that are not finite are text in JSON ("NaN"). */
const isEvent = (record: object): record is StampedEvent =>
  ["type", "level", "actor", "run"].every((field) => typeof (record as LogRecord)[field] === "string")

export interface Selection {
  /** Only events with a greater number. */
  readonly after?: number | undefined
  /** Only the last so many of those kept. */
  readonly last?: number | undefined
  readonly keep?: (event: StampedEvent) => boolean
}

/** The oldest segment gives way to a limit on the log's size, perhaps just now. */
const readSegment = (path: string): Promise<string> => readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
  if (error.code === "ENOENT") return ""
  throw error
})

/** Lines, the last one first: of a segment's tens of thousands, a few are asked for. */
const fromTheEnd = function*(text: string): Generator<string> {
  for (let end = text.length; end >= 0;) {
    const start = end === 0 ? -1 : text.lastIndexOf("\n", end - 1)
    yield text.slice(start + 1, end)
    end = start
  }
}

/** Oldest first; reads from the newest segment back, and no further than asked: a week's log is long, its last ten lines are not. */
export const readEvents = async (dir: string, { after = 0, keep = () => true, last = Infinity }: Selection = {}): Promise<ReadonlyArray<StampedEvent>> => {
  const found: Array<StampedEvent> = []
  for (const { path } of (await listSegments(dir)).toReversed()) {
    for (const line of fromTheEnd(await readSegment(path))) {
      const event = parseLine(line)
      if (event === undefined || !isEvent(event)) continue
      if (found.length >= last || event.seq <= after) return found.reverse()
      if (keep(event)) found.push(event)
    }
  }
  return found.reverse()
}

/** Every event after a number that there is and will be, once each. */
export const followEvents = async function*(dir: string, options: FollowOptions): AsyncGenerator<StampedEvent> {
  for await (const record of follow(dir, options)) if (isEvent(record)) yield record
}
