/** What can go wrong with the disk and with what lies on it, typed so that the response can be chosen by the type. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { statfs } from "node:fs/promises"
import { dirname } from "node:path"

const fields = {
  /** What was tried: `write`, `fsync`, `rename`, … */
  operation: Schema.String,
  path: Schema.String,
  /** The system's name of the error, such as `ENOSPC`. */
  errno: Schema.String,
  /** Bytes that the whole operation needs, where that is known, and bytes free when it failed. */
  needed: Schema.NullOr(Schema.Finite),
  free: Schema.NullOr(Schema.Finite)
}

const sized = (needed: number | null, free: number | null) =>
  (needed === null ? "" : `, ${needed} bytes needed`) + (free === null ? "" : `, ${free} bytes free`)

/** No room on the file system, or none left of the quota: space may return. */
export class DiskFull extends Schema.TaggedError<DiskFull>()("DiskFull", fields) {
  override get message() {
    return `disk full: ${this.operation} ${this.path}: ${this.errno}${sized(this.needed, this.free)}`
  }
}

/** Any other refusal of the file system: a device error, a read-only or vanished mount, missing permissions. */
export class WriteFailed extends Schema.TaggedError<WriteFailed>()("WriteFailed", fields) {
  override get message() {
    return `${this.operation} failed: ${this.path}: ${this.errno}${sized(this.needed, this.free)}`
  }
}

export type StorageError = DiskFull | WriteFailed

const fullDisk = new Set(["ENOSPC", "EDQUOT"])

/** Refusals that may end while the run goes on: whoever meets one waits and tries again. Any other (no permission, say) stays as it is. */
const passing = new Set([...fullDisk, "EIO", "EROFS", "EMFILE", "ENFILE", "ETIMEDOUT", "ESTALE"])
export const mayPass = ({ errno }: StorageError): boolean => passing.has(errno)

/** The error for an errno; also for errors that the engine reports of its own files. */
export const storageError = (failure: {
  readonly operation: string
  readonly path: string
  readonly errno: string
  readonly needed: number | null
  readonly free: number | null
}): StorageError => fullDisk.has(failure.errno) ? new DiskFull(failure) : new WriteFailed(failure)

/** The errno of what a Node file function threw; of what is no system error, its text. */
export const errnoOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : String(error)

/** Bytes that this user can still write to the file system of `path` or, where that does not exist, of its nearest parent; null where nobody knows. */
export const freeAt = async (path: string): Promise<number | null> => {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at)
      return bavail * bsize
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" || dirname(at) === at) return null
    }
  }
}

/** Runs one file operation; what it throws becomes a StorageError that knows the free space of that moment. */
export const attempt = <A>(operation: string, path: string, run: () => Promise<A>, needed: number | null = null): Effect.Effect<A, StorageError> =>
  Effect.tryPromise({ try: run, catch: errnoOf }).pipe(
    Effect.catch((errno) =>
      Effect.flatMap(Effect.promise(() => freeAt(path)), (free) => Effect.fail(storageError({ operation, path, errno, needed, free })))))

/** One thing found wrong with a checkpoint. */
export const Problem = Schema.Struct({
  /** The file or tensor, as `decoder.safetensors` or `decoder.safetensors#decoder.norm.weight`. */
  where: Schema.String,
  problem: Schema.String,
  expected: Schema.NullOr(Schema.String),
  got: Schema.NullOr(Schema.String)
})
export type Problem = typeof Problem.Type

/** One line of text for a problem. */
export const problemLine = ({ where, problem, expected, got }: Problem): string =>
  `${where}: ${problem}${expected === null ? "" : `, expected ${expected}`}${got === null ? "" : `, got ${got}`}`

/** A checkpoint that does not verify. */
export class CheckpointDamaged extends Schema.TaggedError<CheckpointDamaged>()("CheckpointDamaged", {
  path: Schema.String,
  problems: Schema.Array(Problem)
}) {
  override get message() {
    const [first, ...rest] = this.problems
    return `damaged checkpoint ${this.path}: ${first ? problemLine(first) : "unknown"}${rest.length > 0 ? `, and ${rest.length} more` : ""}`
  }
}
