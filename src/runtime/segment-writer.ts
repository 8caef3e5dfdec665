/**
 * Writes whole lines to the current segment and goes on exactly where it stopped: after an error nothing is lost or written
 * twice, however much of a batch the disk took before it was full.
 */
import { constants } from "node:fs"
import { type FileHandle, mkdir, open, rm, stat } from "node:fs/promises"
import { eventsDir, listSegments, segmentPath } from "./segments.ts"

export interface Line {
  readonly seq: number
  readonly bytes: Buffer
}

export interface SegmentWriter {
  /** Writes the lines, removing each from the array once it is on disk whole; throws what the disk said. */
  readonly write: (lines: Array<Line>) => Promise<void>
  readonly close: () => Promise<void>
}

/** With every new segment the oldest ones go, so that all together stay below `keepBytes` and one segment. */
const pruneSegments = async (dir: string, keepBytes: number): Promise<void> => {
  const segments = (await listSegments(dir)).toReversed()
  let total = 0
  for (const [age, { path }] of segments.entries()) {
    total += (await stat(path)).size
    if (age > 0 && total > keepBytes) await rm(path, { force: true })
  }
}

export interface SegmentLimits {
  /** Size at which the next segment begins. */
  readonly segmentBytes: number
  /** Size of all segments together at which the oldest are removed. */
  readonly keepBytes: number
}

export const makeSegmentWriter = (dir: string, { keepBytes, segmentBytes: limitBytes }: SegmentLimits, current: { readonly path: string; readonly bytes: number } | undefined): SegmentWriter => {
  let path = current?.path
  /** End of the last whole line. */
  let position = current?.bytes ?? 0
  let file: FileHandle | undefined

  const openAt = async (firstSeq: number): Promise<FileHandle> => {
    if (path !== undefined && position < limitBytes) {
      const old = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644)
      if (await endsAt(old, position)) return old
      await old.close() // not the file we wrote: start afresh rather than leave a hole
    }
    await mkdir(eventsDir(dir), { recursive: true })
    path = segmentPath(dir, firstSeq)
    position = 0
    await pruneSegments(dir, keepBytes).catch(() => undefined) // what the disk does not let go of goes with the next one
    return open(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o644)
  }

  /** A torn line after the position goes. */
  const endsAt = async (old: FileHandle, position: number) => {
    try {
      const { size } = await old.stat()
      if (size > position) await old.truncate(position)
      return size >= position
    } catch (error) {
      await old.close()
      throw error
    }
  }

  const close = async () => {
    const closing = file
    file = undefined
    if (closing === undefined) return
    await closing.sync().catch(() => undefined) // what the disk thinks of it was said at the write
    await closing.close().catch(() => undefined)
  }

  /** Takes the lines away that lie whole within `written` bytes. */
  const settle = (lines: Array<Line>, written: number) => {
    let whole = 0
    while (lines.length > 0) {
      const { length } = (lines[0] as Line).bytes
      if (whole + length > written) break
      whole += length
      lines.shift()
    }
    position += whole
  }

  return {
    close,
    write: async (lines) => {
      if (position >= limitBytes) await close()
      const first = lines[0]
      if (first === undefined) return
      file ??= await openAt(first.seq)
      const bytes = Buffer.concat(lines.map((line) => line.bytes))
      let written = 0
      try {
        while (written < bytes.length) {
          written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten
        }
      } catch (error) {
        await close()
        throw error
      } finally {
        settle(lines, written)
      }
    }
  }
}
