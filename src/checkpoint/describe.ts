/** What `rae ckpt` prints, as data: `show`, `show --hash`, `ls` and `verify`. */
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { manifestFile, readSmall } from "./layout.ts"
import { CheckpointNotFound, locate, type Located } from "./locate.ts"
import { decode, type Manifest, ManifestInvalid, maxManifestBytes } from "./manifest.ts"
import { none, readMarks } from "./marks.ts"
import { attempt, CheckpointDamaged, errnoOf, problemLine } from "./storage-errors.ts"
import { verify } from "./verifier.ts"

export interface Shown {
  readonly variant: string | null
  readonly path: string
  readonly manifest: Manifest
}

/** The newest checkpoint of each run that has one, every byte of it verified now. */
export const show = Effect.fnUntraced(function*(target: string, runsDirectory: string) {
  const located = yield* locate(target, runsDirectory)
  const newest = located.flatMap(({ variant, checkpoints }) => checkpoints.slice(-1).map((path) => ({ variant, path })))
  if (newest.length === 0) return yield* new CheckpointNotFound({ target, problem: "no checkpoint yet", looked: located.map(({ directory }) => directory) })
  return yield* Effect.forEach(newest, Effect.fnUntraced(function*({ variant, path }) {
    const { manifest, problems } = yield* verify(path)
    if (manifest === null || problems.length > 0) return yield* new CheckpointDamaged({ path, problems })
    return { variant, path, manifest } satisfies Shown
  }))
})

/**
 * One line a tensor: name, dtype, shape, hash; sorted, and nothing in it that depends on time, place or the run's name.
 * In a study the variant stands before the name.
 */
export const hashLines = (target: string, runsDirectory: string) =>
  Effect.map(show(target, runsDirectory), (shown) =>
    shown.flatMap(({ variant, manifest }) =>
      manifest.tensors.map(({ name, dtype, shape, hash }) => `${variant === null ? "" : `${variant}/`}${name} ${dtype} [${shape.join(",")}] ${hash}`)))

export interface Listed {
  readonly variant: string | null
  readonly path: string
  readonly step: number | null
  readonly epoch: number | null
  readonly position: number | null
  readonly bytes: number | null
  readonly tensors: number | null
  readonly written_at: string | null
  readonly resumed_from: number | null
  readonly pinned: boolean
  /** Why its manifest cannot be used; null where it can. Hashes are not checked here. */
  readonly problem: string | null
}

const readManifest = (path: string) =>
  attempt("read", path, () => readSmall(join(path, manifestFile), maxManifestBytes)).pipe(
    Effect.flatMap((bytes) => Effect.try({ try: () => decode(bytes), catch: (error) => error instanceof ManifestInvalid ? error : new ManifestInvalid({ problem: errnoOf(error) }) })))

const listOne = Effect.fnUntraced(function*({ variant, directory, checkpoints }: Located) {
  const marks = yield* readMarks(join(directory, "checkpoints")).pipe(Effect.orElseSucceed(() => none))
  return yield* Effect.forEach(checkpoints, (path) =>
    readManifest(path).pipe(Effect.match({
      onFailure: (error): Listed => ({
        variant, path, step: null, epoch: null, position: null, bytes: null, tensors: null, written_at: null, resumed_from: null,
        pinned: false, problem: error.message
      }),
      onSuccess: ({ step, epoch, position, files, tensors, written_at, resumed_from }): Listed => ({
        variant, path, step, epoch, position, bytes: files.reduce((sum, { size }) => sum + size, 0), tensors: tensors.length, written_at,
        resumed_from: resumed_from?.step ?? null, pinned: marks.pinned.includes(step), problem: null
      })
    })))
})

/** Every checkpoint, oldest first, run by run. */
export const list = (target: string, runsDirectory: string) =>
  Effect.flatMap(locate(target, runsDirectory), (located) => Effect.map(Effect.forEach(located, listOne), (lists) => lists.flat()))

/** Every checkpoint with every problem found in it. */
export const verifyAll = (target: string, runsDirectory: string) =>
  Effect.flatMap(locate(target, runsDirectory), (located) =>
    Effect.forEach(located.flatMap(({ variant, checkpoints }) => checkpoints.map((path) => ({ variant, path }))), ({ variant, path }) =>
      Effect.map(verify(path), ({ ok, bytes, problems }) => ({ variant, path, ok, bytes, problems: problems.map(problemLine) }))))
