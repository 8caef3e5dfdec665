/**
 * Reconstructions on disk: PNGs that are whole under their names. Each is written beside its place and renamed, so whoever looks, or whatever
 * process goes on, finds all of a picture or none of it.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import { mkdir, rename, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import sharp from "sharp"
import { errnoOf, freeAt, storageError } from "../src/checkpoint/storage-errors.ts"
import { Refused } from "./process-failure.ts"

/** Level 9 takes four times as long for a twentieth of the bytes. */
const compressionLevel = 6

/** Runs a file operation; what the system refuses becomes a StorageError. */
export const stored = async <A>(operation: string, path: string, run: () => Promise<A>): Promise<A> => {
  try {
    return await run()
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause)) throw cause
    throw storageError({ operation, path, errno: errnoOf(cause), needed: null, free: await freeAt(path) })
  }
}

/** Writes an interleaved RGB picture under its name once it is whole. Rejects with StorageError. */
export const writePng = async (path: string, pixels: Uint8Array, width: number, height: number): Promise<void> => {
  const bytes = await sharp(pixels, { raw: { width, height, channels: 3 } }).png({ compressionLevel }).toBuffer()
  const beside = `${path}.new`
  await stored("write", path, async () => {
    try {
      await writeFile(beside, bytes)
      await rename(beside, path)
    } catch (cause) {
      await rm(beside, { force: true })
      throw cause
    }
  })
}

/** A written PNG's pixels, interleaved RGB of size × size. Rejects with Refused where it is no such picture. */
export const readPng = async (path: string, size: number): Promise<Uint8Array> => {
  const help = "remove it; the same command makes it again"
  try {
    const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true })
    if (info.width === size && info.height === size && info.channels === 3) return data
  } catch (cause) {
    throw new Refused(`${path} cannot be read any more: ${cause instanceof Error ? cause.message : String(cause)}`, help)
  }
  throw new Refused(`${path} is no picture of ${size} × ${size} pixels any more`, help)
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const end = Buffer.from([0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82])
/** Signature, length and type of the header's chunk, width and height. */
const headBytes = 24

/** There, of this size, and not cut short (as after a power loss). Synchronous: 20 µs each, for tens of thousands in a row. */
export const isWhole = (path: string, size: number): boolean => {
  let fd: number
  try {
    fd = openSync(path, "r")
  } catch {
    return false
  }
  try {
    const bytes = fstatSync(fd).size
    if (bytes < headBytes + end.length) return false
    const head = Buffer.alloc(headBytes), tail = Buffer.alloc(end.length)
    readSync(fd, head, 0, head.length, 0)
    readSync(fd, tail, 0, tail.length, bytes - tail.length)
    return head.subarray(0, signature.length).equals(signature) && head.readUInt32BE(16) === size && head.readUInt32BE(20) === size && tail.equals(end)
  } catch {
    return false
  } finally {
    closeSync(fd)
  }
}

/** Makes the folders of all names below `dir`, and `dir` itself. Rejects with StorageError. */
export const makeFolders = async (dir: string, names: ReadonlyArray<string>): Promise<void> => {
  for (const folder of new Set([dir, ...names.map((name) => join(dir, dirname(name)))])) await stored("make", folder, () => mkdir(folder, { recursive: true }))
}
