/**
 * The checkpointer: gets each snapshot from the engine's memory to the disk, safely, and never lets a failing disk stop training.
 *
 * The engine writes into a temporary directory; here it is verified, committed and pruned. While the disk refuses, room is made step by
 * step, the second directory is tried, the snapshot stays in the engine's memory (newer ones replace it), and writing is tried again with
 * backoff, until it succeeds or the engine is gone.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Pull from "effect/Pull"
import { join } from "node:path"
import { ensureBallast, releaseBallast } from "../src/checkpoint/ballast.ts"
import * as Budget from "../src/checkpoint/budget.ts"
import { stepName } from "../src/checkpoint/layout.ts"
import type { Quarantined, Store } from "../src/checkpoint/store.ts"
import { type DiskFull, freeAt, problemLine, type StorageError, storageError } from "../src/checkpoint/storage-errors.ts"
import type { ChildLost } from "../src/runtime/child.ts"
import { ballastOf, roomIn } from "./disk-room.ts"
import { Progress, type SnapshotNotWritten, type Written } from "./engine-protocol.ts"
import { type Event, make as event } from "./events.ts"

/** What the checkpointer needs of the engine that is running now. */
export interface Writer {
  /** Writes the newest snapshot into a directory; ChildLost says that the engine is gone, and the snapshot with it. */
  readonly write: (dir: string) => Effect.Effect<Written, SnapshotNotWritten | ChildLost>
  /** Bytes of the state's tensors. */
  readonly stateBytes: number
  readonly frozen: Readonly<Record<string, string>>
  /** Tells the engine what is safe. */
  readonly saved: (step: number) => Effect.Effect<void, ChildLost>
}

export interface Options {
  readonly run: string
  readonly configHash: string
  /** The run's own directory first, then `checkpoint.fallback_dir` where one is configured. */
  readonly stores: ReadonlyArray<Store>
  readonly emit: (event: Event) => void
  /** Step that training has reached, for "unsaved for N steps". */
  readonly step: () => number
  /** Directory of the latents' cache, which gives way to a checkpoint. */
  readonly cacheDir: string
  /** Keeps the space of one checkpoint in a file beside them. */
  readonly ballast: boolean
}

interface Named {
  readonly step: number
  readonly hash: string
}

/** How often free space is measured while a checkpoint waits for it; a microsecond each. */
const roomPoll = "1 second"

/** Losses may be NaN, which JSON has no word for. */
const encodeProgress = Schema.encodeSync(Schema.toCodecJson(Progress))

export const make = (options: Options) => {
  const { emit, run, stores } = options
  /** What is known to be there, oldest first: the one that the run was resumed from, and those committed since. */
  let known: ReadonlyArray<Named> = []
  const committed = (): Named | null => known.at(-1) ?? null
  const forget = (steps: ReadonlyArray<number>): void => { known = known.filter(({ step }) => !steps.includes(step)) }
  let nextBytes: number | null = null

  /** A step whose checkpoint is gone is not saved: asked for again, it is written again. */
  const putAside = ({ path, reason, step }: Quarantined): void => {
    forget([step])
    emit(event("checkpoint.quarantined", run, { step, path, reason }))
  }

  /** Removes what has expired; the number of checkpoints removed. */
  const prune = (store: Store) => store.prune.pipe(Effect.map(({ quarantined, removed }) => {
    quarantined.forEach(putAside)
    forget(removed)
    if (removed.length > 0) emit(event("checkpoint.pruned", run, { steps: removed }))
    return removed.length
  }))

  const makeRoom = Effect.fnUntraced(function*(store: Store, needed: number) {
    const made = yield* Budget.reclaim(store.directory, needed, roomIn(store, options.cacheDir, prune(store)))
    emit(event("checkpoint.room_made", run, {
      path: store.directory, needed: Number.isFinite(needed) ? needed : null, free: made.free, enough: made.enough, freed: made.freed, failed: made.failed
    }))
    return made
  })

  const write = Effect.fnUntraced(function*(writer: Writer, store: Store, step: number, needed: number, free: number) {
    const temporary = yield* store.begin(step)
    emit(event("checkpoint.started", run, { step, bytes: needed, free }))
    const written = yield* writer.write(temporary.path).pipe(
      Effect.catchTag("SnapshotNotWritten", Effect.fnUntraced(function*({ errno, needed: wanted }: SnapshotNotWritten) {
        return yield* storageError({ operation: "write", path: temporary.path, errno, needed: wanted, free: yield* Effect.promise(() => freeAt(store.directory)) })
      })),
      Effect.onError(() => store.abandon(temporary)))
    const { progress } = written
    const done = yield* store.commit({ ...temporary, step: progress.step }, {
      epoch: progress.epoch, position: progress.position, config_hash: options.configHash, resumed_from: committed(),
      frozen: Object.entries(writer.frozen).map(([name, hash]) => ({ name, hash })), report: written.report, state: encodeProgress(progress)
    })
    nextBytes = Budget.checkpointBytes({ tensors: written.report.tensors })
    return done
  })

  const attempt = Effect.fnUntraced(function*(writer: Writer, store: Store, step: number) {
    const needed = nextBytes ?? writer.stateBytes
    const found = yield* Budget.assess(store.directory, needed)
    let { free } = found
    if (found._tag === "Short") {
      const made = yield* makeRoom(store, needed)
      if (!made.enough) return yield* storageError({ operation: "reserve", path: store.directory, errno: "ENOSPC", needed, free: made.free })
      free = made.free
    }
    return yield* write(writer, store, step, needed, free).pipe(Effect.catchTag("DiskFull", Effect.fnUntraced(function*(full: DiskFull) {
      // Free by the measure, yet refused: somebody was faster, or a quota holds. Whatever can be given up is.
      const made = yield* makeRoom(store, Number.POSITIVE_INFINITY)
      return made.freed.length === 0 ? yield* full : yield* write(writer, store, step, needed, made.free)
    })))
  })

  const failed = (error: StorageError | { readonly _tag: string; readonly message: string }, step: number, retrySeconds: number) =>
    emit(event("checkpoint.failed", run, {
      step, error: error._tag, message: error.message, needed: "needed" in error ? error.needed : null, free: "free" in error ? error.free : null,
      unsaved_steps: options.step() - (committed()?.step ?? 0), retry_seconds: retrySeconds
    }))

  /** One try in each directory, in their order; the last refusal is the answer. */
  const tryStores = (writer: Writer, step: number, [store, ...others]: ReadonlyArray<Store>): ReturnType<typeof attempt> => {
    if (store === undefined) return Effect.die(new Error("a checkpointer needs a directory"))
    const tried = attempt(writer, store, step)
    return others.length === 0 ? tried : tried.pipe(Effect.catchTag(["DiskFull", "WriteFailed", "CheckpointDamaged"], (error) => {
      failed(error, step, 0)
      return tryStores(writer, step, others)
    }))
  }

  /** Where the measure of free space alone refused, the wait ends as soon as it shows room. */
  const roomReturns = (needed: number) => Effect.gen(function*() {
    while (true) {
      yield* Effect.sleep(roomPoll)
      const fits = yield* Effect.forEach(stores, ({ directory }) => Budget.assess(directory, needed))
      if (fits.some(({ _tag }) => _tag === "Ok")) return
    }
  }).pipe(Effect.catch(() => Effect.never))

  /** Failing to clean up never harms the new checkpoint; what remains goes next time. Gives what came of it, null for a failure. */
  const tidied = <A>(cleaning: Effect.Effect<A, StorageError>): Effect.Effect<A | null> =>
    Effect.catch(cleaning, ({ message }) => Effect.sync(() => {
      emit(event("checkpoint.cleanup_failed", run, { message }))
      return null
    }))

  /** Once more where the disk refused: nothing comes after a run's last save to take up what was half removed. */
  const pruned = (store: Store) => tidied(prune(store)).pipe(Effect.flatMap((removed) => removed === null ? tidied(prune(store)) : Effect.void))

  const keepBallast = Effect.suspend(() => {
    const [store] = stores
    const bytes = nextBytes
    // Twice the space: taking the last room for it would leave the next checkpoint none.
    return options.ballast && store !== undefined && bytes !== null ? tidied(ensureBallast(ballastOf(store), bytes, bytes)) : Effect.void
  })

  /** Returns once a snapshot of `step` or newer is committed. Fails only with the engine's end. */
  const save = Effect.fnUntraced(function*(writer: Writer, step: number) {
    const newest = committed()?.step ?? -1
    // The engine may have missed the news of it.
    if (newest >= step) return yield* writer.saved(newest)
    const backoff = yield* Schedule.toStep(Budget.retrySchedule)
    while (true) {
      const tried = yield* tryStores(writer, step, stores).pipe(Effect.map((done) => ({ done, error: null })),
        Effect.catchTag(["DiskFull", "WriteFailed", "CheckpointDamaged"], (error) => Effect.succeed({ done: null, error })))
      if (tried.done !== null) {
        forget([tried.done.step])
        known = [...known, { step: tried.done.step, hash: tried.done.manifest.hash }]
        emit(event("checkpoint.committed", run, { step: tried.done.step, bytes: tried.done.bytes, seconds: tried.done.seconds, path: tried.done.path }))
        yield* Effect.forEach(stores, pruned, { discard: true })
        yield* writer.saved(tried.done.step)
        yield* keepBallast
        return
      }
      const now = yield* Clock.currentTimeMillis
      const delay = yield* backoff(now, tried.error).pipe(Effect.map(([, wait]) => wait), Pull.catchDone(() => Effect.succeed(Duration.minutes(1))))
      failed(tried.error, step, Duration.toSeconds(delay))
      const short = "operation" in tried.error && tried.error.operation === "reserve" ? tried.error.needed : null
      yield* short === null ? Effect.sleep(delay) : Effect.timeoutOption(roomReturns(short), delay)
    }
  })

  let scrubbed = 0
  /**
   * Reads the next older checkpoint in full, in turn; one that has gone bad is put aside, one that the disk does not give now is left. True where
   * one was put aside, and another is wanted in its place.
   */
  const scrub = tidied(Effect.gen(function*() {
    const lists = yield* Effect.forEach(stores, (store) => Effect.map(store.list, (entries) => entries.map(({ step }) => ({ store, step }))))
    const all = lists.flat()
    const next = all[scrubbed++ % Math.max(1, all.length)]
    if (next === undefined) return false
    const { step, store } = next
    const [taken, { ok, problems, unread }] = yield* Effect.timed(store.verify(step))
    emit(event("checkpoint.scrubbed", run, { step, ok, seconds: Duration.toSeconds(taken) }))
    if (ok) return false
    const reason = problems.map(problemLine).join("\n")
    if (unread) emit(event("checkpoint.unread", run, { step, path: join(store.directory, stepName(step)), reason }))
    else putAside(yield* store.quarantine(step, reason))
    return !unread
  })).pipe(Effect.map((aside) => aside === true))

  return {
    save, scrub,
    /** Removes what a killed process left. */
    removeLeftovers: Effect.forEach(stores, (store) => tidied(Effect.map(store.removeLeftovers, (paths) => {
      if (paths.length > 0) emit(event("checkpoint.leftovers_removed", run, { paths }))
    })), { discard: true }),
    /** A run that has ended needs no room for another checkpoint. */
    releaseBallast: Effect.forEach(stores, (store) => Effect.ignore(releaseBallast(ballastOf(store))), { discard: true }),
    /** Says what the run was resumed from, so that the next manifest can. */
    resumed: (from: Named | null): void => { known = from === null ? [] : [from] },
    committedStep: () => committed()?.step ?? null,
    nextBytes: () => nextBytes
  }
}
export type Checkpointer = ReturnType<typeof make>
