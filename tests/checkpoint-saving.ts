/** The checkpointer on real directories with a stand-in for the engine, on virtual time: what tests of failing disks share. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { readdirSync } from "node:fs"
import * as Checkpointer from "../actors/checkpointer.ts"
import { SnapshotNotWritten, type Written } from "../actors/engine-protocol.ts"
import type { Event } from "../actors/events.ts"
import { errnoOf } from "../src/checkpoint/storage-errors.ts"
import { newestOf, open } from "../src/checkpoint/store.ts"
import { writeState } from "./checkpoint-fake-engine.ts"

export interface SavingOptions {
  readonly ballast?: boolean
  readonly cacheDir?: string
  /** Multiplies the size of the state, 2.4 kB. */
  readonly scale?: number
  /** Happens in the engine, before the files are written. */
  readonly beforeWrite?: (dir: string) => void
  /** Happens in the engine, after they are written. */
  readonly afterWrite?: (dir: string) => void
}

const patience = 20_000

export const makeSaving = Effect.fnUntraced(function*(directories: ReadonlyArray<string>, options: SavingOptions = {}) {
  const { scale = 1 } = options
  const stores = yield* Effect.forEach(directories, (directory) => open({ directory, retention: { keep_last: 2, keep_every: null } }))
  const events: Array<Event> = []
  let step = 0
  const stateBytes = 1100 * scale
  const checkpointer = Checkpointer.make({
    run: "r", configHash: "c", stores, emit: (event) => void events.push(event), step: () => step, cacheDir: options.cacheDir ?? "/nowhere", ballast: options.ballast ?? false
  })
  const writer: Checkpointer.Writer = {
    stateBytes, frozen: {}, saved: () => Effect.void,
    write: (dir) => Effect.try({
      try: (): Written => {
        options.beforeWrite?.(dir)
        const report = writeState(dir, step, scale)
        options.afterWrite?.(dir)
        return { progress: { step, epoch: 0, position: step, counters: {}, sums: {}, counts: {}, last_epoch: {}, skipped: [] }, report, seconds: 0 }
      },
      catch: (error) => new SnapshotNotWritten({ path: dir, errno: errnoOf(error), reason: String(error), needed: stateBytes })
    })
  }
  const of = <T extends Event["type"]>(type: T) => events.filter((event): event is Extract<Event, { readonly type: T }> => event.type === type)

  /** Lets virtual time pass until something holds. */
  const until = Effect.fnUntraced(function*(what: string, holds: () => boolean) {
    for (const deadline = Date.now() + patience; !holds();) {
      if (Date.now() > deadline) return assert.fail(`waited ${patience / 1000} s for ${what}; events: ${JSON.stringify(events)}`)
      yield* TestClock.adjust("1 second")
      yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
    }
  })

  /** Training has reached a step: its snapshot is to be saved. The fiber ends when it, or a newer one, is. */
  const reach = Effect.fnUntraced(function*(reached: number) {
    step = reached
    return yield* checkpointer.save(writer, reached).pipe(Effect.forkChild({ startImmediately: true }))
  })

  /** Saves a step on a disk that takes it. */
  const saved = Effect.fnUntraced(function*(reached: number) {
    const saving = yield* reach(reached)
    yield* until(`step ${reached} to be saved`, () => checkpointer.committedStep() === reached)
    yield* Fiber.join(saving)
  })

  return {
    checkpointer, events: of, reach, saved, until, stores,
    /** Training goes on while saving waits. */
    trainTo: (reached: number) => { step = reached },
    refused: (times: number) => until(`${times} refusals`, () => of("checkpoint.failed").length >= times),
    /** Step of the newest checkpoint, every byte of which verifies; nothing else may lie there. */
    newest: Effect.fnUntraced(function*() {
      const { plan, quarantined } = yield* newestOf(stores)
      assert.deepStrictEqual(quarantined, [])
      return plan?.step ?? null
    }),
    leftovers: () => directories.flatMap((directory) => readdirSync(directory)).filter((name) => !/^step-\d{9}$/.test(name))
  }
})
