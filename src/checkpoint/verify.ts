/** Compares a checkpoint's directory with its manifest, and reports every difference. */
import * as Schema from "effect/Schema"
import { lstat, readdir } from "node:fs/promises"
import type { FileHandle } from "node:fs/promises"
import { basename, join } from "node:path"
import { InvalidSafetensors, headerLength, parseHeader, type TensorEntry as Stored } from "../formats/safetensors.ts"
import { manifestFile, openRegular, readSmall, stepOf } from "./layout.ts"
import { decode, Manifest, ManifestInvalid, maxManifestBytes, storedAs, type FileEntry, type TensorEntry } from "./manifest.ts"
import { errnoOf, Problem } from "./storage-errors.ts"
import { borrowHasher, type Hasher } from "./xxh3.ts"

/**
 * `full` reads and hashes every byte. `quick` checks the manifest, which files there are and their sizes, and the content
 * of those without tensors: for a reader that hashes the tensors itself.
 */
export type Depth = "full" | "quick"

export const Verification = Schema.Struct({
  path: Schema.String,
  ok: Schema.Boolean,
  bytes: Schema.Finite,
  problems: Schema.Array(Problem),
  /** All that was found is that the disk did not give the bytes (EIO): they may be as they were written, and come another time. */
  unread: Schema.Boolean,
  manifest: Schema.NullOr(Manifest)
})
export type Verification = typeof Verification.Type

/** Read in pieces: hashing one takes about a millisecond, so that a supervisor that verifies in its own process still answers. */
const pieceBytes = 4 * 2 ** 20

type Report = (where: string, problem: string, expected?: string | number, got?: string | number) => void

/** Errors that say that this file is bad. All others say that this process could not look, which is no reason to give a checkpoint up. */
const damage = new Set(["ENOENT", "EINVAL", "ELOOP", "ENXIO", "EISDIR", "ENOTDIR", "EIO", "EFBIG", "EUCLEAN", "EBADMSG"])

/** The tensors of a file's header against those of the manifest; gives the header's entries that are to be hashed. */
const compareHeader = (name: string, stored: ReadonlyArray<Stored>, listed: ReadonlyArray<TensorEntry>, report: Report): ReadonlyArray<Stored> => {
  const found = new Map(stored.map((tensor) => [tensor.name, tensor]))
  for (const { name: tensor, dtype, shape } of listed) {
    const entry = found.get(tensor)
    const where = `${name}#${tensor}`
    if (entry === undefined) report(where, "tensor missing from its file")
    else if (entry.dtype !== storedAs[dtype]) report(where, "dtype differs", storedAs[dtype], entry.dtype)
    else if (String(entry.shape) !== String(shape)) report(where, "shape differs", `[${shape}]`, `[${entry.shape}]`)
  }
  const known = new Set(listed.map((tensor) => tensor.name))
  for (const { name: tensor } of stored) if (!known.has(tensor)) report(`${name}#${tensor}`, "tensor that the manifest does not list")
  return stored.filter((tensor) => known.has(tensor.name))
}

const readHeader = async (file: FileHandle, size: number): Promise<ReadonlyArray<Stored>> => {
  const first8 = new Uint8Array(8)
  const { bytesRead } = await file.read(first8, 0, 8, 0)
  const head = new Uint8Array(8 + headerLength(first8.subarray(0, bytesRead), size))
  const read = await file.read(head, 0, head.length, 0)
  return parseHeader(head.subarray(0, read.bytesRead), size).tensors
}

/** One pass over a file: its own hash, and that of each tensor in it. */
const hashFile = async (file: FileHandle, size: number, tensors: ReadonlyArray<Stored>, whole: Hasher, single: Hasher) => {
  const piece = Buffer.allocUnsafe(Math.min(pieceBytes, size + 1))
  const hashes = new Map<string, string>()
  let at = 0
  let next = 0
  whole.begin()
  single.begin()
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, piece.length, at)
    whole.update(piece.subarray(0, bytesRead))
    for (let tensor = tensors[next]; tensor !== undefined && tensor.begin < at + bytesRead; tensor = tensors[next]) {
      if (tensor.end > tensor.begin) single.update(piece.subarray(Math.max(0, tensor.begin - at), Math.min(bytesRead, tensor.end - at)))
      if (tensor.end > at + bytesRead) break
      hashes.set(tensor.name, single.digest())
      single.begin()
      next++
    }
    at += bytesRead
    if (bytesRead === 0) break
  }
  for (const tensor of tensors.slice(next)) { // those without elements at the end of the file
    if (tensor.begin < tensor.end) break // the file ends inside it
    hashes.set(tensor.name, single.digest())
    single.begin()
  }
  return { hash: whole.digest(), tensors: hashes }
}

const verifyFile = async (directory: string, entry: FileEntry, listed: ReadonlyArray<TensorEntry>, hashers: readonly [Hasher, Hasher], report: Report) => {
  const { name } = entry
  await using file = await openRegular(join(directory, name))
  const { size } = await file.stat()
  if (size !== entry.size) report(name, "size differs", entry.size, size)
  let tensors: ReadonlyArray<Stored> = []
  if (listed.length > 0 || name.endsWith(".safetensors")) {
    try {
      tensors = compareHeader(name, await readHeader(file, size), listed, report)
    } catch (error) {
      if (!(error instanceof InvalidSafetensors)) throw error
      report(name, error.message)
    }
  }
  const got = await hashFile(file, size, tensors, ...hashers)
  if (got.hash !== entry.hash) report(name, "hash differs", entry.hash, got.hash)
  for (const { name: tensor, hash } of listed) {
    const found = got.tensors.get(tensor)
    if (found !== undefined && found !== hash) report(`${name}#${tensor}`, "hash differs", hash, found)
  }
}

/** Runs a check of one file; what damage makes it throw becomes a problem, anything else is thrown on. `refused` hears of what the disk did not give. */
const guarded = async <A>(where: string, report: Report, refused: () => void, check: () => Promise<A>): Promise<A | undefined> => {
  try {
    return await check()
  } catch (error) {
    const errno = errnoOf(error)
    if (!damage.has(errno)) throw error
    if (errno === "EIO") refused()
    report(where, errno === "ENOENT" ? "file missing" : `cannot be read: ${error instanceof Error ? error.message : errno}`)
    return undefined
  }
}

const readManifest = (directory: string, report: Report, refused: () => void) =>
  guarded(manifestFile, report, refused, async () => {
    const bytes = await readSmall(join(directory, manifestFile), maxManifestBytes)
    try {
      return decode(bytes)
    } catch (error) {
      if (!(error instanceof ManifestInvalid)) throw error
      return report(manifestFile, error.problem)
    }
  })

/** Throws only where this process could not look (out of file descriptors, no permission). */
export const verifyDirectory = async (directory: string, depth: Depth): Promise<Verification> => {
  const problems: Array<Problem> = []
  const report: Report = (where, problem, expected, got) =>
    void problems.push({ where, problem, expected: expected === undefined ? null : String(expected), got: got === undefined ? null : String(got) })
  let refusals = 0
  const refused = () => { refusals++ }
  const manifest = await readManifest(directory, report, refused) ?? null
  const files = manifest?.files ?? []
  const result = () => ({ path: directory, ok: problems.length === 0, bytes: files.reduce((sum, { size }) => sum + size, 0), problems, unread: refusals > 0 && refusals === problems.length, manifest })
  if (manifest === null) return result()

  const named = stepOf(basename(directory))
  if (named !== undefined && named !== manifest.step) report(manifestFile, "step differs from the directory's name", named, manifest.step)
  const listed = new Set([manifestFile, ...files.map(({ name }) => name)])
  for (const name of await readdir(directory)) if (!listed.has(name)) report(name, "file that the manifest does not list")

  using whole = await borrowHasher()
  using single = await borrowHasher()
  for (const entry of files) {
    const tensors = manifest.tensors.filter(({ file }) => file === entry.name)
    await guarded(entry.name, report, refused, async () => {
      if (depth === "full" || tensors.length === 0) return verifyFile(directory, entry, tensors, [whole, single], report)
      const status = await lstat(join(directory, entry.name))
      if (!status.isFile()) report(entry.name, "no regular file")
      else if (status.size !== entry.size) report(entry.name, "size differs", entry.size, status.size)
    })
  }
  return result()
}
