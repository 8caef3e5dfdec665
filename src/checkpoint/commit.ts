/**
 * The commit protocol: files written by the engine become a checkpoint, or leave nothing behind.
 *
 * state.json and manifest.json → fsync of everything → verification → rename → fsync of the directory. Until the rename
 * there is no checkpoint, after it there is one that verifies; a kill between any two lines changes nothing about that.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { fsyncPath, writeNew } from "./durable-files.ts"
import type { Hit, Name } from "./failpoints.ts"
import { manifestFile, replacedPrefix, stateFile, stepName } from "./layout.ts"
import { type Body, encode, type Manifest, type WriteReport } from "./manifest.ts"
import { attempt, CheckpointDamaged, errnoOf } from "./storage-errors.ts"
import { type Options as VerifyOptions, verify } from "./verifier.ts"
import { hashBytes } from "./xxh3.ts"

/** A directory that is being written, on the file system of its checkpoint. */
export interface Temporary {
  readonly step: number
  readonly path: string
}

/** What a checkpoint says about itself, besides the engine's files. */
export interface Contents {
  readonly epoch: number
  readonly position: number
  readonly config_hash: string
  readonly resumed_from: Body["resumed_from"]
  readonly frozen: Body["frozen"]
  readonly report: WriteReport
  /** Written as `state.json`: anything that JSON can hold. */
  readonly state: unknown
}

export interface Committed {
  readonly step: number
  readonly path: string
  readonly bytes: number
  readonly seconds: number
  readonly manifest: Manifest
}

const exists = async (path: string) =>
  stat(path).then(() => true, (error: unknown) => {
    if (errnoOf(error) === "ENOENT") return false
    throw error
  })

/**
 * Puts `temporary` where `target` is, which may exist: a run that rolled back comes to the same step a second time.
 * A directory cannot replace another in one call; a kill between the two renames is mended by `removeLeftovers`.
 */
const moveInto = async (temporary: string, target: string, hit: Hit): Promise<string | null> => {
  await hit("rename.before")
  const replaced = await exists(target) ? join(dirname(target), `${replacedPrefix}${basename(target)}`) : null
  if (replaced !== null) {
    await rm(replaced, { recursive: true, force: true })
    await rename(target, replaced)
  }
  try {
    await hit("rename.between")
    await rename(temporary, target)
  } catch (error) {
    if (replaced !== null) await rename(replaced, target)
    throw error
  }
  await hit("rename.after")
  return replaced
}

/** An engine that reports what no manifest can hold has written no checkpoint. */
const sealed = (path: string, body: Body) =>
  Effect.try({
    try: () => encode(body),
    catch: (error) => new CheckpointDamaged({ path, problems: [{ where: manifestFile, problem: error instanceof Error ? error.message : String(error), expected: null, got: null }] })
  })

/** Commits; on failure removes the temporary directory, which frees its space. */
export const commit = (temporary: Temporary, contents: Contents, hit: Hit, verifying: VerifyOptions) =>
  Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
    const { step, path } = temporary
    const target = join(dirname(path), stepName(step))
    const started = yield* Clock.currentTimeMillis
    const state = Buffer.from(`${JSON.stringify(contents.state)}\n`)
    const files = [...contents.report.files, { name: stateFile, size: state.length, hash: hashBytes(state) }]
    const { manifest, bytes } = yield* sealed(path, {
      schema: 1, step, epoch: contents.epoch, position: contents.position, config_hash: contents.config_hash,
      resumed_from: contents.resumed_from, frozen: contents.frozen, written_at: new Date(started).toISOString(), files, tensors: contents.report.tensors
    })
    const needed = files.reduce((sum, { size }) => sum + size, bytes.length)
    const tried = <A>(operation: string, at: string, before: Name, run: () => Promise<A>, after: Name) =>
      attempt(operation, at, async () => {
        await hit(before)
        const result = await run()
        await hit(after)
        return result
      }, needed)

    yield* attempt("write", path, () => hit("write.after"), needed)
    yield* tried("write", join(path, manifestFile), "manifest.before", async () => {
      await writeNew(join(path, stateFile), state)
      await writeNew(join(path, manifestFile), bytes)
    }, "manifest.after")
    yield* tried("fsync", path, "fsync.before", async () => {
      // Together: a journalling file system commits once for all of them.
      await Promise.all([manifestFile, ...manifest.files.map(({ name }) => name)].map((name) => fsyncPath(join(path, name))))
      await fsyncPath(path)
    }, "fsync.after")
    yield* attempt("verify", path, () => hit("verify.before"), needed)
    const { ok, problems } = yield* restore(verify(path, { ...verifying, depth: "full" }))
    if (!ok) return yield* new CheckpointDamaged({ path, problems })
    yield* attempt("verify", path, () => hit("verify.after"), needed)
    const replaced = yield* attempt("rename", target, () => moveInto(path, target, hit), needed)
    yield* tried("fsync", dirname(target), "dir-fsync.before", () => fsyncPath(dirname(target)), "dir-fsync.after")
    if (replaced !== null) yield* attempt("remove", replaced, () => rm(replaced, { recursive: true, force: true }))
    const seconds = ((yield* Clock.currentTimeMillis) - started) / 1000
    return { step, path: target, bytes: needed, seconds, manifest } satisfies Committed
  })).pipe(Effect.onError(() => abandon(temporary)))

/** Removes what was written so far; what cannot be removed now goes at the next start. */
export const abandon = (temporary: Temporary): Effect.Effect<void> =>
  Effect.promise(() => rm(temporary.path, { recursive: true, force: true }).catch(() => undefined))
