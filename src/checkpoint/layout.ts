/**
 * Names inside `<run>/checkpoints`. A directory named for a step is a committed checkpoint; whatever is not yet, or no
 * longer, one begins with a dot and is removed at the next start.
 */
import { type FileHandle, constants, lstat, open, readdir } from "node:fs/promises"
import { join, resolve } from "node:path"
import { errnoOf } from "./storage-errors.ts"

export const manifestFile = "manifest.json"
export const stateFile = "state.json"
export const marksFile = "marks.json"
export const quarantineDirectory = "quarantine"
/** Takes the space of one checkpoint until that is needed. */
export const ballastFile = ".ballast"

/** Being written, being removed, and being replaced by another of the same step. */
export const temporaryPrefix = ".tmp-"
export const prunedPrefix = ".pruned-"
export const replacedPrefix = ".replaced-"

/** The place of a run's checkpoints below a second directory that other runs may share. */
export const fallbackPlace = (fallbackDirectory: string, runDirectory: string): string =>
  join(resolve(fallbackDirectory), runDirectory.replaceAll("/", "-").replace(/^-/, ""))

/** `step-000001200`: names sort as steps do. */
export const stepName = (step: number): string => `step-${String(step).padStart(9, "0")}`

/** The step that a directory is named for; undefined for any other name. */
export const stepOf = (name: string): number | undefined => {
  const digits = /^step-(\d{9,15})$/.exec(name)?.[1]
  const step = Number(digits)
  return digits !== undefined && stepName(step) === name ? step : undefined
}

export interface Entry {
  readonly step: number
  readonly path: string
}

/** Committed checkpoints, oldest first; none where the directory does not exist. */
export const entriesIn = async (directory: string): Promise<ReadonlyArray<Entry>> => {
  const found = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return []
    throw error
  })
  return found.flatMap((entry) => {
    const step = entry.isDirectory() ? stepOf(entry.name) : undefined
    return step === undefined ? [] : [{ step, path: join(directory, entry.name) }]
  }).sort((a, b) => a.step - b.step)
}

/** Opens a regular file for reading: no symbolic link is followed, no pipe waited for. */
export const openRegular = async (path: string): Promise<FileHandle> => {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw Object.assign(new Error("no regular file"), { code: "EINVAL" })
}

/** Whole content of a small regular file; a larger one is refused before it is read. */
export const readSmall = async (path: string, maxBytes: number): Promise<Uint8Array> => {
  await using file = await openRegular(path)
  const { size } = await file.stat()
  if (size > maxBytes) throw Object.assign(new Error(`${size} bytes, at most ${maxBytes} are read`), { code: "EFBIG" })
  return file.readFile()
}

/** Bytes that a file or a directory with all that is in it occupies on disk. */
export const occupiedBytes = async (path: string): Promise<number> => {
  const status = await lstat(path)
  const inner = status.isDirectory() ? await Promise.all((await readdir(path)).map((name) => occupiedBytes(join(path, name)))) : []
  return inner.reduce((sum, bytes) => sum + bytes, status.blocks * 512)
}
