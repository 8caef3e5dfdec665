/** The checkpointer on virtual time and a disk that refuses: training is never stopped, nothing is lost, writing resumes by itself. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Checkpointer from "../actors/checkpointer.ts"
import { SnapshotNotWritten, type Written } from "../actors/engine-protocol.ts"
import type { Event } from "../actors/events.ts"
import type { Committed, Store, Temporary } from "../src/checkpoint/store.ts"
import { ChildExited } from "../src/runtime/child.ts"

const progress = (step: number): Written["progress"] => ({ step, epoch: 0, position: step, counters: {}, sums: { total: Number.NaN }, counts: {}, last_epoch: {}, skipped: [] })

/** A store in memory whose directory exists, so that its free space can be asked for. */
const makeStore = (directory: string) => {
  const committed: Array<number> = []
  const abandoned: Array<Temporary> = []
  const states: Array<unknown> = []
  const unused = () => Effect.die(new Error("not used here"))
  const store: Store = {
    directory, removeLeftovers: Effect.succeed([]), begin: (step) => Effect.succeed({ step, path: join(directory, `tmp-${step}`) }),
    commit: (temporary, contents) => Effect.sync(() => {
      committed.push(temporary.step)
      states.push(contents.state)
      return { step: temporary.step, path: temporary.path, bytes: 10, seconds: 0.1, manifest: { hash: "0".repeat(32) } } as Committed
    }),
    abandon: (temporary) => Effect.sync(() => { abandoned.push(temporary) }), prune: Effect.succeed({ removed: [], quarantined: [] }), list: Effect.succeed([]),
    newest: unused, verify: unused, quarantine: unused, dropQuarantine: Effect.succeed(0)
  }
  return { store, committed, abandoned, states }
}

const withDirectory = <A, E>(use: (directory: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "rae-checkpointer-"))), use, (directory) => Effect.sync(() => rmSync(directory, { recursive: true })))

const setUp = (stores: ReadonlyArray<Store>, step: () => number) => {
  const events: Array<Event> = []
  const saved: Array<number> = []
  const checkpointer = Checkpointer.make({ run: "r", configHash: "c", stores, emit: (event) => events.push(event), step, cacheDir: "/nowhere", ballast: false })
  const writer = (write: Checkpointer.Writer["write"]): Checkpointer.Writer => ({ write, stateBytes: 10, frozen: {}, saved: (at) => Effect.sync(() => { saved.push(at) }) })
  return { checkpointer, events, saved, writer }
}
const written = (step: number): Written => ({ progress: progress(step), report: { files: [], tensors: [] }, seconds: 0 })
const full = (path: string) => new SnapshotNotWritten({ path, errno: "ENOSPC", reason: "no space left", needed: 10 })

describe("the checkpointer", () => {
  it.effect("keeps trying with backoff while the disk is full, and commits the newest snapshot when it is not", () => withDirectory((directory) => Effect.gen(function*() {
    const { committed, abandoned, states, store } = makeStore(directory)
    let now = 50
    const { checkpointer, events, saved, writer } = setUp([store], () => now)
    let tries = 0
    const saving = yield* checkpointer.save(writer((dir) => Effect.suspend(() => ++tries < 4 ? Effect.fail(full(dir)) : Effect.succeed(written(now)))), 50).pipe(Effect.forkChild({ startImmediately: true }))
    now = 90
    // Between two tries the file system is asked for real: virtual time goes on whenever it has had a turn.
    while (saved.length === 0) yield* Effect.andThen(TestClock.adjust("1 second"), Effect.promise(() => new Promise((resume) => setImmediate(resume))))
    yield* Fiber.join(saving)
    assert.deepStrictEqual(committed, [90])
    assert.deepStrictEqual(saved, [90])
    assert.strictEqual(abandoned.length, 3)
    assert.deepStrictEqual(events.filter(({ type }) => type === "checkpoint.failed").map((event) => event.type === "checkpoint.failed" && event.error), ["DiskFull", "DiskFull", "DiskFull"])
    assert.deepInclude(states[0] as object, { sums: { total: "NaN" } }, "a NaN survives in state.json")
  })))

  it.effect("uses the second directory while the first refuses", () => withDirectory((directory) => Effect.gen(function*() {
    const first = makeStore(directory)
    const second = makeStore(directory)
    const { checkpointer, writer } = setUp([{ ...first.store, begin: () => Effect.succeed({ step: 7, path: "/first/tmp" }) }, second.store], () => 7)
    yield* checkpointer.save(writer((dir) => dir.startsWith("/first") ? Effect.fail(full(dir)) : Effect.succeed(written(7))), 7)
    assert.deepStrictEqual([first.committed, second.committed], [[], [7]])
  })))

  it.effect("does not write what is committed already", () => withDirectory((directory) => Effect.gen(function*() {
    const { committed, store } = makeStore(directory)
    const { checkpointer, writer } = setUp([store], () => 0)
    checkpointer.resumed({ step: 40, hash: "0".repeat(32) })
    yield* checkpointer.save(writer(() => Effect.succeed(written(40))), 40)
    assert.deepStrictEqual(committed, [])
  })))

  it.effect("ends with the engine, and leaves no temporary directory", () => withDirectory((directory) => Effect.gen(function*() {
    const { abandoned, committed, store } = makeStore(directory)
    const { checkpointer, writer } = setUp([store], () => 5)
    const lost = new ChildExited({ name: "engine", pid: 1, code: null, signal: "SIGKILL", stderr: [] })
    const error = yield* Effect.flip(checkpointer.save(writer(() => Effect.fail(lost)), 5))
    assert.strictEqual(error._tag, "ChildExited")
    assert.strictEqual(abandoned.length, 1)
    assert.deepStrictEqual(committed, [])
  })))
})
