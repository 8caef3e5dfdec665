/** A disk that does not give a file now (EIO) says nothing about the checkpoint: it is neither counted on nor moved. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { truncateSync } from "node:fs"
import { join } from "node:path"
import { beforeEach, vi } from "vitest"
import type * as Layout from "../src/checkpoint/layout.ts"
import { newestOf, open } from "../src/checkpoint/store.ts"
import { temporaryDirectory } from "./checkpoint-fake-engine.ts"
import { makeSaving } from "./checkpoint-saving.ts"

const disk = vi.hoisted(() => ({ refuses: new Set<string>(), refused: 0 }))
vi.mock("../src/checkpoint/layout.ts", async (original) => {
  const real = await original<typeof Layout>()
  return {
    ...real,
    openRegular: (path: string) => {
      if (!disk.refuses.has(path)) return real.openRegular(path)
      disk.refused++
      return Promise.reject(Object.assign(new Error("i/o error, read"), { code: "EIO" }))
    }
  }
})
beforeEach(() => {
  disk.refuses.clear()
  disk.refused = 0
})

const retention = { keep_last: 2, keep_every: null }
/** Steps 10 and 20 are saved, and a file of the newer one cannot be read. */
const refusing = <A, E>(use: (path: string, saving: Effect.Success<ReturnType<typeof makeSaving>>) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(Effect.sync(temporaryDirectory), Effect.fnUntraced(function*({ path }) {
    const saving = yield* makeSaving([path])
    for (const step of [10, 20]) yield* saving.saved(step)
    disk.refuses.add(join(path, "step-000000020", "ema.safetensors"))
    return yield* use(path, saving)
  }), (directory) => Effect.sync(() => directory[Symbol.dispose]()))

/** Lets virtual time pass, and real reading go on, until something holds. */
const passing = Effect.fnUntraced(function*(holds: () => boolean) {
  while (!holds()) {
    yield* TestClock.adjust("50 millis")
    yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
  }
})

describe("a checkpoint that the disk does not give now", () => {
  it.effect("is left by scrubbing, and is good again when the disk is", () => refusing(Effect.fnUntraced(function*(_, { checkpointer, events, newest }) {
    for (let turn = 0; turn < 2; turn++) yield* checkpointer.scrub
    assert.deepStrictEqual(events("checkpoint.scrubbed").map(({ ok, step }) => [step, ok]), [[10, true], [20, false]])
    assert.deepStrictEqual(events("checkpoint.quarantined"), [])
    assert.deepStrictEqual(events("checkpoint.unread").map(({ step }) => step), [20])
    disk.refuses.clear()
    assert.strictEqual(yield* newest(), 20)
  })))

  it.effect("does not count when others are pruned, and stays", () => refusing(Effect.fnUntraced(function*(path, { stores: [store] }) {
    const afresh = yield* open({ directory: path, retention }) // has verified nothing yet
    assert.deepStrictEqual(yield* afresh.prune, { removed: [], quarantined: [] })
    assert.deepStrictEqual((yield* store!.list).map(({ step }) => step), [10, 20])
  })))

  it.effect("is asked for again, then passed over for the one before, told of and left where it is", () => refusing(Effect.fnUntraced(function*(path, { stores }) {
    const looking = yield* Effect.forkChild(newestOf(stores), { startImmediately: true })
    yield* passing(() => looking.pollUnsafe() !== undefined)
    const { plan, quarantined, unread } = yield* Fiber.join(looking)
    assert.deepStrictEqual([plan?.step, quarantined], [10, []])
    assert.deepStrictEqual(unread, [{ step: 20, path: join(path, "step-000000020"), reason: "ema.safetensors: cannot be read: i/o error, read" }])
    assert.strictEqual(disk.refused, 3)
    disk.refuses.clear()
    assert.strictEqual((yield* newestOf(stores)).plan?.step, 20)
  })))

  it.effect("is taken where it comes at the second try", () => refusing(Effect.fnUntraced(function*(_, { stores }) {
    const looking = yield* Effect.forkChild(newestOf(stores), { startImmediately: true })
    yield* passing(() => {
      if (disk.refused === 1) disk.refuses.clear()
      return looking.pollUnsafe() !== undefined
    })
    const { plan, unread } = yield* Fiber.join(looking)
    assert.deepStrictEqual([plan?.step, unread], [20, []])
  })))

  it.effect("is quarantined where another of its files is damaged", () => refusing(Effect.fnUntraced(function*(path, { checkpointer, events }) {
    truncateSync(join(path, "step-000000020", "decoder.safetensors"), 100)
    for (let turn = 0; turn < 2; turn++) yield* checkpointer.scrub
    assert.deepStrictEqual(events("checkpoint.quarantined").map(({ step }) => step), [20])
  })))
})
