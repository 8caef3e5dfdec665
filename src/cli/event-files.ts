/**
 * Reads a run's event log from its files, whether or not the run is there, and while it is being written.
 * Without Effect, whose modules take longer to load than `rae events` may take in all.
 */
import { open, readFile } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import type { StampedEvent } from "../../actors/journal.ts"
import { listSegments, parseLine, type Segment } from "../runtime/segments.ts"

/** What every event has; a line without it is none of ours. Losses that are not finite are text in JSON ("NaN"). */
const parse = (line: string): StampedEvent | undefined => {
  const record = parseLine(line)
  return record !== undefined && ["type", "level", "actor", "run"].every((field) => typeof record[field] === "string") ? record as unknown as StampedEvent : undefined
}

export interface Selection {
  /** Only events with a greater number. */
  readonly after?: number | undefined
  /** Only the last so many of those kept. */
  readonly last?: number | undefined
  readonly keep?: (event: StampedEvent) => boolean
}

/** Oldest first; reads from the newest segment back, and no further than asked. */
export const readEvents = async (dir: string, { after = 0, keep = () => true, last = Infinity }: Selection = {}): Promise<ReadonlyArray<StampedEvent>> => {
  const found: Array<StampedEvent> = []
  for (const { path } of (await listSegments(dir)).toReversed()) {
    for (const line of (await readFile(path, "utf8")).split("\n").toReversed()) {
      const event = parse(line)
      if (event === undefined) continue
      if (found.length >= last || event.seq <= after) return found.reverse()
      if (keep(event)) found.push(event)
    }
  }
  return found.reverse()
}

/** Whole lines of a file from a byte on, and where what follows them begins: that may be torn off and written anew. */
const linesFrom = async (path: string, offset: number): Promise<readonly [lines: ReadonlyArray<string>, next: number]> => {
  const file = await open(path, "r")
  try {
    const { size } = await file.stat()
    if (size <= offset) return [[], offset]
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - offset), 0, size - offset, offset)
    const whole = buffer.subarray(0, bytesRead).lastIndexOf(10) + 1
    return whole === 0 ? [[], offset] : [buffer.toString("utf8", 0, whole).split("\n"), offset + whole]
  } finally {
    await file.close()
  }
}

/** Every event after a number that there is and will be, once each: across restarts of the writer and new segments, and before there is a log. */
export const followEvents = async function*(dir: string, after: number, { pollMillis = 100 } = {}): AsyncGenerator<StampedEvent, never> {
  let segment: Segment | undefined
  let offset = 0
  let seen = after
  while (true) {
    // Listed before it is read: the writer never returns to a segment once there is a later one.
    const segments = await listSegments(dir)
    segment ??= segments.findLast(({ firstSeq }) => firstSeq <= after + 1) ?? segments[0]
    const [lines, next] = segment === undefined ? [[], 0] : await linesFrom(segment.path, offset)
    offset = next
    for (const event of lines.map(parse)) {
      if (event === undefined || event.seq <= seen) continue
      seen = event.seq
      yield event
    }
    const at = segment?.firstSeq ?? Infinity
    const later = segments.find(({ firstSeq }) => firstSeq > at)
    if (lines.length > 0) continue
    if (later !== undefined) [segment, offset] = [later, 0]
    else await sleep(pollMillis)
  }
}
