/** Where damaged checkpoints go: out of the way of every reader, kept with the reason for whoever wants to know. */
import * as Effect from "effect/Effect"
import { mkdir, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { fsyncPath, writeNew } from "./durable-files.ts"
import { type Entry, occupiedBytes, quarantineDirectory, stepName } from "./layout.ts"
import { attempt, errnoOf, type StorageError } from "./storage-errors.ts"

export interface Quarantined {
  readonly step: number
  /** Where it lies now. */
  readonly path: string
  readonly reason: string
}

/** `step-000001200`, or `step-000001200.2` where one of that step lies there already. */
const moveBeside = async (entry: Entry, directory: string): Promise<string> => {
  for (let n = 1; ; n++) {
    const path = join(directory, n === 1 ? stepName(entry.step) : `${stepName(entry.step)}.${n}`)
    try {
      await mkdir(path) // claims the name: an empty directory is what a rename may replace
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error
      continue
    }
    await rename(entry.path, path)
    return path
  }
}

/** Moves a checkpoint out of the way. The reason lies beside it, and costs nothing else where it cannot be written. */
export const quarantine = (directory: string, entry: Entry, reason: string): Effect.Effect<Quarantined, StorageError> => {
  const into = join(directory, quarantineDirectory)
  return attempt("quarantine", entry.path, async () => {
    await mkdir(into, { recursive: true })
    const path = await moveBeside(entry, into)
    await writeNew(`${path}.reason.txt`, Buffer.from(`${reason}\n`)).catch(() => undefined)
    await fsyncPath(into)
    await fsyncPath(directory)
    return { step: entry.step, path, reason }
  })
}

/** Gives the quarantine's space back, in bytes. */
export const dropQuarantine = (directory: string) => {
  const path = join(directory, quarantineDirectory)
  return attempt("remove", path, async () => {
    const bytes = await occupiedBytes(path).catch(() => 0)
    await rm(path, { recursive: true, force: true })
    return bytes
  })
}
