/**
 * The checkpointer: gets each snapshot from the engine's memory to the disk, safely, and never lets a failing disk stop training.
 *
 * The engine writes into a temporary directory; here it is verified, committed and pruned. While the disk refuses, the snapshot stays in
 * the engine's memory (newer ones replace it) and writing is tried again with backoff, until it succeeds or the engine is gone.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Pull from "effect/Pull"
import * as Budget from "../src/checkpoint/budget.ts"
import type { Store } from "../src/checkpoint/store.ts"
import { type StorageError, storageError } from "../src/checkpoint/storage-errors.ts"
import type { ChildLost } from "../src/runtime/child.ts"
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
  /** Frees disk space that nobody needs (the feature cache), in bytes. */
  readonly reclaim: ReadonlyArray<Budget.ReclaimStep>
}

/** Losses may be NaN, which JSON has no word for. */
const encodeProgress = Schema.encodeSync(Schema.toCodecJson(Progress))

export const make = (options: Options) => {
  const { emit, run, stores } = options
  let committed: { readonly step: number; readonly hash: string } | null = null
  let nextBytes: number | null = null

  const attempt = Effect.fnUntraced(function*(writer: Writer, store: Store, step: number) {
    const needed = nextBytes ?? writer.stateBytes
    const found = yield* Budget.assess(store.directory, needed)
    if (found._tag === "Short") {
      const made = yield* Budget.reclaim(store.directory, needed, options.reclaim)
      if (!made.enough) return yield* storageError({ operation: "reserve", path: store.directory, errno: "ENOSPC", needed, free: made.free })
    }
    const temporary = yield* store.begin(step)
    emit(event("checkpoint.started", run, { step, bytes: needed, free: found.free }))
    const written = yield* writer.write(temporary.path).pipe(
      Effect.onError(() => store.abandon(temporary)),
      Effect.catchTag("SnapshotNotWritten", ({ errno, needed: short }) => Effect.fail(storageError({ operation: "write", path: temporary.path, errno, needed: short, free: found.free }))))
    const { progress } = written
    const done = yield* store.commit({ ...temporary, step: progress.step }, {
      epoch: progress.epoch, position: progress.position, config_hash: options.configHash, resumed_from: committed,
      frozen: Object.entries(writer.frozen).map(([name, hash]) => ({ name, hash })), report: written.report, state: encodeProgress(progress)
    })
    nextBytes = Budget.checkpointBytes({ tensors: written.report.tensors })
    return done
  })

  /** One try in each directory, in their order; the last refusal is the one told. */
  const tryStores = (writer: Writer, step: number, [store, ...others]: ReadonlyArray<Store>): ReturnType<typeof attempt> => {
    if (store === undefined) return Effect.die(new Error("a checkpointer needs a directory"))
    const tried = attempt(writer, store, step)
    return others.length === 0 ? tried : tried.pipe(Effect.catchTag(["DiskFull", "WriteFailed"], () => tryStores(writer, step, others)))
  }

  const prune = Effect.forEach(stores, (store) =>
    store.prune.pipe(
      Effect.tap(({ quarantined, removed }) => Effect.sync(() => {
        for (const { path, reason, step } of quarantined) emit(event("checkpoint.quarantined", run, { step, path, reason }))
        if (removed.length > 0) emit(event("checkpoint.pruned", run, { steps: removed }))
      })),
      // A failure to remove an old checkpoint never harms the new one; what remains is pruned next time.
      Effect.catchTag(["DiskFull", "WriteFailed"], (error) => Effect.sync(() => emit(event("checkpoint.failed", run, failure(error, committed?.step ?? 0, 0, 0))))),
    ), { discard: true })

  const failure = (error: StorageError | { readonly _tag: string; readonly message: string }, step: number, retrySeconds: number, unsaved: number) => ({
    step, error: error._tag, message: error.message,
    needed: "needed" in error ? error.needed : null, free: "free" in error ? error.free : null, unsaved_steps: unsaved, retry_seconds: retrySeconds
  })

  /** Returns once a snapshot of `step` or newer is committed. Fails only with the engine's end. */
  const save = Effect.fnUntraced(function*(writer: Writer, step: number) {
    if (committed !== null && committed.step >= step) return
    const backoff = yield* Schedule.toStep(Budget.retrySchedule)
    while (true) {
      const tried = yield* tryStores(writer, step, stores).pipe(Effect.map((done) => ({ done, error: null })),
        Effect.catchTag(["DiskFull", "WriteFailed", "CheckpointDamaged"], (error) => Effect.succeed({ done: null, error })))
      if (tried.done !== null) {
        committed = { step: tried.done.step, hash: tried.done.manifest.hash }
        emit(event("checkpoint.committed", run, { step: tried.done.step, bytes: tried.done.bytes, seconds: tried.done.seconds, path: tried.done.path }))
        yield* prune
        yield* writer.saved(tried.done.step)
        return
      }
      const now = yield* Clock.currentTimeMillis
      const delay = yield* backoff(now, tried.error).pipe(Effect.map(([, wait]) => wait), Pull.catchDone(() => Effect.succeed(Duration.minutes(1))))
      emit(event("checkpoint.failed", run, failure(tried.error, step, Duration.toSeconds(delay), options.step() - (committed?.step ?? 0))))
      yield* Effect.sleep(delay)
    }
  })

  return {
    save,
    /** Says what the run was resumed from, so that the next manifest can. */
    resumed: (from: { readonly step: number; readonly hash: string } | null): void => { committed = from },
    committedStep: () => committed?.step ?? null,
    nextBytes: () => nextBytes
  }
}
export type Checkpointer = ReturnType<typeof make>
