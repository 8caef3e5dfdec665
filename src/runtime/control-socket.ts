/**
 * Where a run's control socket is. A socket's path may have about 100 bytes, so that of a run with a longer one lives, named by
 * hash, in a private directory, and a link in the run directory leads there, whatever the environment of whoever asks.
 */
import { createHash } from "node:crypto"
import { chmodSync, lstatSync, mkdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir, userInfo } from "node:os"
import { join, resolve } from "node:path"

/** Linux allows 107 and a terminating zero, macOS 103. */
const longestPath = 100
const socketName = "control.sock"

/** The path to connect to. */
export const socketPath = (dir: string): string => {
  const direct = join(resolve(dir), socketName)
  if (Buffer.byteLength(direct) <= longestPath) return direct
  try {
    return readlinkSync(direct)
  } catch {
    return hashedPath(dir)
  }
}

/** The path to listen on, with whatever an earlier run left there removed. Only whoever holds the run directory may call it. */
export const prepareSocket = (dir: string): string => {
  const direct = join(resolve(dir), socketName)
  rmSync(direct, { force: true })
  if (Buffer.byteLength(direct) <= longestPath) return direct
  const path = hashedPath(dir)
  rmSync(path, { force: true })
  symlinkSync(path, direct)
  return path
}

/** Removes what `prepareSocket` made. */
export const removeSocket = (dir: string, path: string) => {
  rmSync(path, { force: true })
  rmSync(join(resolve(dir), socketName), { force: true })
}

const hashedPath = (dir: string) => {
  const name = `${createHash("sha256").update(resolve(dir)).digest("hex").slice(0, 16)}.sock`
  const runtime = process.env["XDG_RUNTIME_DIR"]
  const candidate = runtime === undefined || runtime === "" ? undefined : join(runtime, "rae", name)
  const path = candidate !== undefined && Buffer.byteLength(candidate) <= longestPath ? candidate : join(tmpdir(), `rae-${userInfo().uid}`, name)
  makePrivate(join(path, ".."))
  return path
}

/** In a directory that others may write to, whoever comes first could be somebody else. */
const makePrivate = (folder: string) => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { uid } = userInfo()
  const found = lstatSync(folder)
  if (!found.isDirectory() || found.uid !== uid) throw new Error(`${folder} belongs to somebody else, expected a directory of user ${uid}`)
  if ((found.mode & 0o077) !== 0) chmodSync(folder, 0o700)
}
