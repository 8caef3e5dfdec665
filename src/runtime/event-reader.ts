/**
 * Reads an event log from its files, so that it works whether or not the run does: from any sequence number on, to the end or
 * for ever, without loss or repeat where the writer starts a new segment or was killed in the middle of a line. Of a segment that was
 * pruned before it was read nothing is left; reading goes on with the next one.
 *
 * Without Effect: the command line reads with it, and must start fast.
 */
import { open } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { listSegments, type LogRecord, parseLine, type Segment } from "./segments.ts"

export type { LogRecord } from "./segments.ts"

const newline = 0x0a
const chunkBytes = 256 * 1024
const defaultPollMillis = 100

export interface ReadOptions {
  /** Only events with a higher number; 0: all. */
  readonly after?: number | undefined
}

export interface FollowOptions extends ReadOptions {
  readonly pollMillis?: number | undefined
  /** Ends the reading. */
  readonly signal?: AbortSignal | undefined
}

/** All that is there now; nothing where there is no log. */
export const readEvents = async function*(dir: string, { after }: ReadOptions = {}): AsyncGenerator<LogRecord> {
  const next = openCursor(dir, after ?? 0)
  for (let records = await next(); records.length > 0; records = await next()) yield* records
}

/** All that is there and all that will be; waits for a log that does not exist yet. */
export const followEvents = async function*(dir: string, { after, pollMillis, signal }: FollowOptions = {}): AsyncGenerator<LogRecord> {
  const next = openCursor(dir, after ?? 0)
  while (true) {
    if (signal?.aborted === true) return
    const records = await next()
    if (records.length === 0) await sleep(pollMillis ?? defaultPollMillis, undefined, { signal }).catch(() => undefined)
    else yield* records
  }
}

/** Each call: the next events, none at the end for now. */
export const openCursor = (dir: string, after: number): () => Promise<ReadonlyArray<LogRecord>> => {
  let segment: Segment | undefined
  /** End of the last whole line; what follows is read again, for it may be torn off and written anew. */
  let offset = 0
  let seen = after

  const take = (bytes: Buffer): ReadonlyArray<LogRecord> => {
    const records: Array<LogRecord> = []
    for (const line of bytes.toString("utf8").split("\n")) {
      const record = parseLine(line)
      if (record === undefined || record.seq <= seen) continue
      seen = record.seq
      records.push(record)
    }
    return records
  }

  return async () => {
    while (true) {
      // listed before it is read: the writer never returns to a segment once there is a later one
      const segments = await listSegments(dir)
      segment ??= segments.findLast(({ firstSeq }) => firstSeq <= seen + 1) ?? segments[0]
      if (segment === undefined) return []
      const { firstSeq, path } = segment
      const bytes = await wholeLines(path, offset)
      if (bytes !== undefined) {
        offset += bytes.length
        const records = take(bytes)
        if (records.length > 0) return records
        continue
      }
      const later = segments.find((candidate) => candidate.firstSeq > firstSeq)
      if (later === undefined) return []
      segment = later
      offset = 0
    }
  }
}

/** Undefined where there is no whole line from `offset` on, or the segment was pruned meanwhile. */
const wholeLines = async (path: string, offset: number): Promise<Buffer | undefined> => {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined
    throw error
  })
  if (file === undefined) return undefined
  try {
    for (let length = chunkBytes; ; length *= 4) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset)
      const end = buffer.subarray(0, bytesRead).lastIndexOf(newline)
      if (end >= 0) return buffer.subarray(0, end + 1)
      if (bytesRead < length) return undefined
    }
  } finally {
    await file.close()
  }
}
