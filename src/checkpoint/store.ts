/**
 * The checkpoints of one run in one directory: begin, commit, find the newest good one, prune. The run's lock is held by
 * whoever calls this; there is one writer.
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { mkdir, readdir, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { abandon, commit, type Committed, type Contents, type Temporary } from "./commit.ts"
import { fsyncPath, makeDirectory } from "./durable-files.ts"
import { Failpoints } from "./failpoints.ts"
import { entriesIn, type Entry, prunedPrefix, readSmall, replacedPrefix, stateFile, stepName, temporaryPrefix } from "./layout.ts"
import type { Manifest } from "./manifest.ts"
import { readMarks } from "./marks.ts"
import * as Quarantine from "./quarantine.ts"
import { expired, kept, type Retention } from "./retention.ts"
import { attempt, type CheckpointDamaged, errnoOf, mayPass, problemLine, type StorageError } from "./storage-errors.ts"
import { verify } from "./verifier.ts"
import type { Depth, Verification } from "./verify.ts"

export type { Committed, Contents, Temporary } from "./commit.ts"
export type { Quarantined } from "./quarantine.ts"

export interface Options {
  /** `<run>/checkpoints`; made where it does not exist. */
  readonly directory: string
  readonly retention: Retention
  /** Checkpoints of this size and larger are verified in a process of their own. */
  readonly inProcessBytes?: number
}

/** A checkpoint to go on from. */
export interface LoadPlan {
  readonly step: number
  readonly path: string
  readonly manifest: Manifest
  /** The content of `state.json`. */
  readonly state: unknown
}

export interface Found {
  readonly plan: LoadPlan | null
  /** Damaged ones that were newer than the plan. With no plan and some of these, a run must not start from nothing unasked. */
  readonly quarantined: ReadonlyArray<Quarantine.Quarantined>
  /** Newer ones that the disk did not give (EIO), asked several times: they may be whole, and lie where they were. */
  readonly unread: ReadonlyArray<Quarantine.Quarantined>
}

export interface Pruned {
  readonly removed: ReadonlyArray<number>
  readonly quarantined: ReadonlyArray<Quarantine.Quarantined>
}

export interface Store {
  readonly directory: string
  /** Removes what a killed process left; to be called at start, with the run locked. Gives the removed paths. */
  readonly removeLeftovers: Effect.Effect<ReadonlyArray<string>, StorageError>
  /** A new temporary directory for the engine to write into. */
  readonly begin: (step: number) => Effect.Effect<Temporary, StorageError>
  /** Makes it a checkpoint. On failure it is removed. Old checkpoints are left to `prune`. */
  readonly commit: (temporary: Temporary, contents: Contents) => Effect.Effect<Committed, StorageError | CheckpointDamaged>
  readonly abandon: (temporary: Temporary) => Effect.Effect<void>
  /** Removes expired checkpoints. Those that it counts on are verified first, once a process; one that cannot be read now stays, uncounted. */
  readonly prune: Effect.Effect<Pruned, StorageError>
  /** Oldest first. */
  readonly list: Effect.Effect<ReadonlyArray<Entry>, StorageError>
  readonly newest: (options?: { readonly depth?: Depth }) => Effect.Effect<Found, StorageError>
  readonly verify: (step: number, options?: { readonly depth?: Depth }) => Effect.Effect<Verification, StorageError>
  readonly quarantine: (step: number, reason: string) => Effect.Effect<Quarantine.Quarantined, StorageError>
  /** Removes quarantined checkpoints; gives the bytes. */
  readonly dropQuarantine: Effect.Effect<number, StorageError>
}

/** Opens the store of a directory, and makes the directory durable; where the disk refuses that now, `begin` makes it. */
export const open = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Store, StorageError> {
  const { directory, retention } = options
  const hit = yield* Failpoints
  const verifying = options.inProcessBytes === undefined ? {} : { inProcessBytes: options.inProcessBytes }
  yield* attempt("mkdir", directory, () => makeDirectory(directory)).pipe(Effect.catchIf(mayPass, () => Effect.void))
  const pathOf = (step: number) => join(directory, stepName(step))
  /** Steps that this process has seen to verify. */
  const verified = new Set<number>()

  const check = Effect.fnUntraced(function*(step: number, { depth = "full" }: { readonly depth?: Depth } = {}) {
    const result = yield* verify(pathOf(step), { ...verifying, depth })
    if (!result.ok) verified.delete(step)
    else if (depth === "full") verified.add(step)
    return result
  })

  const quarantine = (step: number, reason: string) =>
    Quarantine.quarantine(directory, { step, path: pathOf(step) }, reason).pipe(Effect.tap(() => Effect.sync(() => verified.delete(step))))

  const list = attempt("list", directory, () => entriesIn(directory))

  const begin = (step: number) => {
    const path = join(directory, `${temporaryPrefix}${stepName(step)}-${randomBytes(4).toString("hex")}`)
    return attempt("mkdir", path, async () => {
      await makeDirectory(directory)
      await mkdir(path)
      await hit("write.before")
      return { step, path }
    }).pipe(Effect.onError(() => abandon({ step, path })))
  }

  const remove = (step: number) =>
    attempt("remove", pathOf(step), async () => {
      // Renamed first: a kill in the middle must not leave half a checkpoint under a real name.
      const doomed = join(directory, `${prunedPrefix}${stepName(step)}`)
      await hit("prune.before")
      await rm(doomed, { recursive: true, force: true })
      await rename(pathOf(step), doomed)
      await hit("prune.between")
      await rm(doomed, { recursive: true, force: true })
      await hit("prune.after")
    })

  /**
   * What an earlier pruning was refused in the middle of, and an earlier checkpoint of a step that is there: kept while the name of the
   * later was not durable, which a commit after it was.
   */
  const dropDoomed = attempt("remove", directory, async () => {
    const names = await readdir(directory)
    for (const name of names) {
      const replaced = name.startsWith(replacedPrefix) && names.includes(name.slice(replacedPrefix.length))
      if (replaced || name.startsWith(prunedPrefix)) await rm(join(directory, name), { recursive: true, force: true })
    }
  })

  const prune = Effect.gen(function*() {
    yield* dropDoomed
    const marks = yield* readMarks(directory)
    const newestFirst = (yield* list).map(({ step }) => step).reverse()
    const good: Array<number> = []
    const quarantined: Array<Quarantine.Quarantined> = []
    let looked = 0
    for (; looked < newestFirst.length && good.length < kept(retention); looked++) {
      const step = newestFirst[looked]!
      const result = verified.has(step) ? null : yield* check(step)
      if (result === null || result.ok) good.push(step)
      else if (!result.unread) quarantined.push(yield* quarantine(step, result.problems.map(problemLine).join("\n")))
    }
    const removed: Array<number> = []
    for (const step of expired(good, newestFirst.slice(looked), retention, marks)) {
      // Somebody may have pinned it meanwhile: verifying takes its time, and so does each removal.
      if (expired(good, [step], retention, yield* readMarks(directory)).length === 0) continue
      yield* remove(step)
      removed.push(step)
    }
    return { removed, quarantined }
  })

  const removeLeftovers = attempt("clean", directory, async () => {
    const names = await readdir(directory).catch((error: unknown): Array<string> => {
      if (errnoOf(error) === "ENOENT") return []
      throw error
    })
    const removed: Array<string> = []
    for (const name of names) {
      const path = join(directory, name)
      if (name.startsWith(replacedPrefix) && !names.includes(name.slice(replacedPrefix.length))) {
        await rename(path, join(directory, name.slice(replacedPrefix.length))) // its successor never came
      } else if ([temporaryPrefix, prunedPrefix, replacedPrefix].some((prefix) => name.startsWith(prefix))) {
        await rm(path, { recursive: true, force: true })
        removed.push(path)
      }
    }
    if (removed.length > 0) await fsyncPath(directory)
    return removed
  })

  const store: Store = {
    directory, removeLeftovers, begin, abandon, prune, list, quarantine,
    commit: (temporary, contents) =>
      commit(temporary, contents, hit, verifying).pipe(Effect.tap(({ step }) => Effect.sync(() => verified.add(step)))),
    newest: (options) => newestOf([store], options),
    verify: check,
    dropQuarantine: Quarantine.dropQuarantine(directory)
  }
  return store
})

const maxStateBytes = 64 * 2 ** 20

const readState = (path: string) =>
  attempt("read", join(path, stateFile), async (): Promise<unknown> => JSON.parse(Buffer.from(await readSmall(join(path, stateFile), maxStateBytes)).toString()))

export interface NewestOptions {
  readonly depth?: Depth
  /** Paths of checkpoints that a reader has found damaged, and that are where they were. */
  readonly passedOver?: ReadonlySet<string>
}

/** A disk that gives nothing now may be one that is being reset, or that reads the block the second time. */
const readAgain = ["200 millis", "800 millis"] as const

/**
 * The newest checkpoint that verifies, in any of several directories. Damaged ones on the way are moved aside, those that the disk does not
 * give within a second are passed over. A directory that cannot be read (its disk is gone) does not hide the others; but where none has a checkpoint, its
 * error is the answer: to begin anew would bury it.
 */
export const newestOf = Effect.fnUntraced(function*(stores: ReadonlyArray<Store>, options: NewestOptions = {}): Effect.fn.Return<Found, StorageError> {
  const quarantined: Array<Quarantine.Quarantined> = []
  const unread: Array<Quarantine.Quarantined> = []
  const [lists, unreadable] = yield* Effect.partition(stores, (store) => Effect.map(store.list, (entries) => entries.map((entry) => ({ store, ...entry }))))
  for (const { store, step, path } of lists.flat().sort((a, b) => b.step - a.step)) {
    if (options.passedOver?.has(path) === true) continue
    let found = yield* store.verify(step, options)
    for (const wait of readAgain) if (found.unread) found = yield* Effect.delay(store.verify(step, options), wait)
    const { ok, manifest, problems } = found
    if (ok && manifest !== null) return { plan: { step, path, manifest, state: yield* readState(path) }, quarantined, unread }
    const inPlace = { step, path, reason: problems.map(problemLine).join("\n") }
    if (found.unread) unread.push(inPlace)
    // A disk that refuses the move (read-only) is no reason not to use the one before.
    else quarantined.push(yield* store.quarantine(step, inPlace.reason).pipe(Effect.orElseSucceed(() => inPlace)))
  }
  const [failure] = unreadable
  return failure === undefined ? { plan: null, quarantined, unread } : yield* failure
})
