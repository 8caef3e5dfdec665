/**
 * Appends records to a file that must always end with a whole one. On a full or failing disk what cannot be written is dropped and
 * counted: figures are worth less than the run. Written in the order of `append`, one write at a time, off the caller's path.
 */
import { type FileHandle, mkdir, open } from "node:fs/promises"
import { dirname } from "node:path"

export interface MetricsFile {
  readonly append: (record: Buffer) => void
  /** Until all that was appended before is on disk or dropped. */
  readonly close: () => Promise<void>
}

/** Held while the disk is slow: beyond it, newer ones are dropped. */
const mostWaiting = 2000

/** `onDrop`: once for each stretch of refusals, when it begins; `onBack`: with how many were lost, when it ends. */
export const openMetricsFile = (path: string, on: { readonly drop: (reason: string) => void; readonly back: (dropped: number) => void }): MetricsFile => {
  let waiting: Array<Buffer> = []
  let dropped = 0
  let file: FileHandle | null = null
  let end = 0
  /** Its end is half a record that cannot be cut off. */
  let spoilt = false
  let busy = false
  let writing: Promise<void> = Promise.resolve()

  const drop = (records: number, reason: string) => {
    if (dropped === 0) on.drop(reason)
    dropped += records
  }

  const writeAll = async () => {
    busy = true
    while (waiting.length > 0) {
      const records = waiting
      waiting = []
      try {
        if (file === null) {
          await mkdir(dirname(path), { recursive: true })
          file = await open(path, "a")
          end = (await file.stat()).size
        }
        const bytes = Buffer.concat(records)
        await file.writeFile(bytes)
        end += bytes.length
        if (dropped > 0) on.back(dropped)
        dropped = 0
      } catch (error) {
        drop(records.length, error instanceof Error ? error.message : String(error))
        // Half a record would hide all that follow it; where it cannot even be cut off, the file is not written any more.
        await file?.truncate(end).catch(() => { spoilt = true })
      }
    }
    busy = false
  }
  const close = async () => {
    const closing = file
    file = null
    await closing?.close().catch(() => undefined)
  }

  return {
    append: (record) => {
      if (spoilt) return drop(1, "half a record is at its end")
      if (waiting.length >= mostWaiting) return drop(1, "the disk is slower than the run")
      waiting.push(record)
      // What comes while the last batch is on its way is taken up by the same loop.
      if (!busy) writing = writeAll()
    },
    close: async () => {
      await writing
      await close()
    }
  }
}
