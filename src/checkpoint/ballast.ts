/** A file that only takes space, so that on a full disk there is something of ours to give up first. */
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { randomFillSync } from "node:crypto"
import { open, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { promisify } from "node:util"
import { makeDirectory } from "./durable-files.ts"
import { temporaryPrefix } from "./layout.ts"
import { attempt, errnoOf, freeAt } from "./storage-errors.ts"

const pieceBytes = 2 ** 20

const sizeOf = (path: string) =>
  stat(path).then(({ size }) => size, (error: unknown) => {
    if (errnoOf(error) === "ENOENT") return 0
    throw error
  })

/** Random bytes: a compressing file system would store zeros in no space at all. */
const fill = async (path: string, bytes: number) => {
  const piece = randomFillSync(new Uint8Array(Math.min(bytes, pieceBytes)))
  await using file = await open(path, "w")
  for (let left = bytes; left > 0; left -= piece.length) await file.writeFile(piece.subarray(0, left))
  await file.sync()
}

const run = promisify(execFile)

/** Reserved without a byte written, where the file system can (Node has no call for it, util-linux has); else filled. */
const allocate = async (path: string, bytes: number) => {
  try {
    await run("fallocate", ["--length", String(bytes), path], { env: { ...process.env, LC_ALL: "C" } })
  } catch (error) {
    const { code, stderr = "" } = error as { readonly code?: unknown; readonly stderr?: string }
    if (/no space left|quota exceeded/i.test(stderr)) throw Object.assign(new Error(stderr.trim(), { cause: error }), { code: "ENOSPC" })
    if (code !== "ENOENT" && !/not supported/i.test(stderr)) throw new Error(`fallocate: ${stderr.trim() || String(code)}`, { cause: error })
    await fill(path, bytes)
  }
}

/** Makes the ballast where it is missing and `keepFree` bytes stay free beside it. True if it is there afterwards. */
export const ensureBallast = (path: string, bytes: number, keepFree: number) =>
  attempt("write", path, async () => {
    if (await sizeOf(path) >= bytes) return true
    const free = await freeAt(path)
    if (free === null || free < bytes + keepFree) return false
    await makeDirectory(dirname(path))
    const growing = join(dirname(path), `${temporaryPrefix}${basename(path)}`)
    try {
      await rm(growing, { force: true })
      await allocate(growing, bytes)
      await rename(growing, path)
    } catch (error) {
      await rm(growing, { force: true })
      throw error
    }
    return true
  }, bytes).pipe(Effect.catchTag("DiskFull", () => Effect.succeed(false)))

/** Gives the space back; the bytes, 0 where there was no ballast. */
export const releaseBallast = (path: string) =>
  attempt("remove", path, async () => {
    const bytes = await sizeOf(path)
    await rm(path, { force: true })
    return bytes
  })
