/**
 * The files of an event log: `DIR/events/0000000001.ndjson`, each named for the sequence number of its first line, so that
 * a reader finds its place from the names alone.
 */
import { constants } from "node:fs"
import { open, readdir } from "node:fs/promises"
import { join } from "node:path"

export interface Segment {
  readonly path: string
  readonly firstSeq: number
}

const extension = ".ndjson"
const digits = 10
const namePattern = /^(\d{10})\.ndjson$/

export const eventsDir = (dir: string) => join(dir, "events")

export const segmentPath = (dir: string, firstSeq: number) => join(eventsDir(dir), `${String(firstSeq).padStart(digits, "0")}${extension}`)

/** Oldest first; none where there is no log yet. */
export const listSegments = async (dir: string): Promise<ReadonlyArray<Segment>> => {
  const names = await readdir(eventsDir(dir)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return []
    throw error
  })
  return names.sort().flatMap((name) => {
    const match = namePattern.exec(name)
    return match === null ? [] : [{ path: join(eventsDir(dir), name), firstSeq: Number(match[1]) }]
  })
}

/** Where a segment's last whole line ends, and its number; a line torn by a crash comes after it. */
export interface End {
  readonly bytes: number
  readonly lastSeq: number
}

const newline = 0x0a
const tailBytes = 64 * 1024

/** Reads backwards, in growing pieces, until there is a whole line that is an event. */
export const endOf = async (segment: Segment): Promise<End> => {
  const file = await open(segment.path, constants.O_RDONLY)
  try {
    const { size } = await file.stat()
    for (let tail = tailBytes; ; tail *= 8) {
      const from = Math.max(0, size - tail)
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from)
      const end = lastLine(buffer.subarray(0, bytesRead), from)
      if (end !== undefined) return end
      if (from === 0) return { bytes: 0, lastSeq: segment.firstSeq - 1 }
    }
  } finally {
    await file.close()
  }
}

/** The first line of a piece that starts inside the file is not whole: it does not count. */
const lastLine = (bytes: Buffer, from: number): End | undefined => {
  let end = bytes.lastIndexOf(newline)
  while (end >= 0) {
    const start = end === 0 ? -1 : bytes.lastIndexOf(newline, end - 1)
    if (start < 0 && from > 0) return undefined
    const seq = seqOf(bytes.toString("utf8", start + 1, end))
    if (seq !== undefined) return { bytes: from + end + 1, lastSeq: seq }
    end = start
  }
  return undefined
}

const seqOf = (line: string) => {
  const record = parseLine(line)
  return record?.seq
}

/** An event as it stands in the log: what JSON cannot hold is a string there (`"NaN"`). */
export interface LogRecord {
  readonly seq: number
  readonly time: string
  readonly [field: string]: unknown
}

/** Undefined: not an event, so damaged. */
export const parseLine = (line: string): LogRecord | undefined => {
  try {
    const record: unknown = JSON.parse(line)
    if (typeof record !== "object" || record === null || !("seq" in record) || !("time" in record)) return undefined
    return Number.isSafeInteger(record.seq) && typeof record.time === "string" ? record as LogRecord : undefined
  } catch {
    return undefined
  }
}
