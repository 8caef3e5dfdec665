/** Files and directory entries that survive a power loss: written, then flushed, content and name each by its own call. */
import { mkdir, open, rename } from "node:fs/promises"
import { dirname, join } from "node:path"

/** Flushes a file, or the entries of a directory, to the disk. */
export const fsyncPath = async (path: string): Promise<void> => {
  await using file = await open(path, "r")
  await file.sync()
}

/** Creates a file that must not exist yet. It is durable after `fsyncPath` of it and of its directory. */
export const writeNew = async (path: string, bytes: Uint8Array): Promise<void> => {
  await using file = await open(path, "wx", 0o644)
  await file.writeFile(bytes)
}

/** Replaces a file in one step: a reader, or a crash, finds the old content or the new. `temporary` lies in the same directory. */
export const replaceFile = async (path: string, temporary: string, bytes: Uint8Array): Promise<void> => {
  await writeNew(temporary, bytes)
  await fsyncPath(temporary)
  await rename(temporary, path)
  await fsyncPath(dirname(path))
}

/** Makes a directory with its parents, and makes the names of those that it created durable. */
export const makeDirectory = async (path: string): Promise<void> => {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  for (let at = path; ; at = dirname(at)) {
    await fsyncPath(dirname(at))
    if (at === first || at === join(at, "..")) return
  }
}
