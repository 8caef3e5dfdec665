import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Failpoints, type Hit } from "../src/checkpoint/failpoints.ts"
import { none, writeMarks } from "../src/checkpoint/marks.ts"
import { expired, kept } from "../src/checkpoint/retention.ts"
import { open, type Options, type Store } from "../src/checkpoint/store.ts"
import { save, temporaryDirectory } from "./checkpoint-fake-engine.ts"

const inStore = <A, E>(retention: Options["retention"], use: (store: Store) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(Effect.sync(temporaryDirectory),
    ({ path }) => Effect.flatMap(open({ directory: path, retention }), use), (dir) => Effect.sync(() => dir[Symbol.dispose]()))
const steps = (store: Store) => Effect.map(store.list, (entries) => entries.map(({ step }) => step))
const spoil = (path: string) => {
  const bytes = readFileSync(path)
  bytes[0]! ^= 0x10
  writeFileSync(path, bytes)
}

describe("retention", () => {
  it("holds for every choice: the newest good, the marked, the round ones stay, the rest goes", () => {
    let seed = 7
    const random = (n: number) => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) % n
    for (let trial = 0; trial < 2000; trial++) {
      const retention = { keep_last: random(5), keep_every: random(2) === 0 ? null : 1 + random(4) }
      const all = Array.from({ length: random(12) }, (_, i) => i * 3 + random(3)).reverse()
      const marks = { pinned: all.filter(() => random(6) === 0) }
      const good = all.slice(0, kept(retention))
      const gone = expired(good, all.slice(good.length), retention, marks)
      const left = all.filter((step) => !gone.includes(step))
      assert.isAtLeast(left.length, Math.min(all.length, Math.max(2, retention.keep_last)))
      assert.deepStrictEqual(left.slice(0, good.length), good)
      for (const step of gone) {
        assert.isFalse(marks.pinned.includes(step) || (retention.keep_every !== null && step % retention.keep_every === 0))
      }
      const unneeded = left.slice(good.length).filter((step) => !marks.pinned.includes(step) && !(retention.keep_every !== null && step % retention.keep_every === 0))
      assert.deepStrictEqual(unneeded, [])
    }
  })

  it("removes nothing while there are fewer good ones than must stay", () =>
    assert.deepStrictEqual(expired([50], [40, 30, 20], { keep_last: 1, keep_every: null }, none), []))

  it.live("keeps the last ones, round steps and the pinned", () => inStore({ keep_last: 2, keep_every: 40 }, Effect.fnUntraced(function*(store) {
    for (const step of [10, 20, 30, 40, 50, 60, 70]) yield* save(store, step)
    yield* writeMarks(store.directory, { pinned: [20, 30] })
    assert.deepStrictEqual(yield* store.prune, { removed: [50, 10], quarantined: [] })
    assert.deepStrictEqual(yield* steps(store), [20, 30, 40, 60, 70])
    yield* writeMarks(store.directory, { pinned: [70] })
    assert.deepStrictEqual((yield* store.prune).removed, [30, 20])
    assert.deepStrictEqual(yield* steps(store), [40, 60, 70])
  })))

  it.live("never leaves fewer than two, whatever it is told", () => inStore({ keep_last: 0, keep_every: null }, Effect.fnUntraced(function*(store) {
    for (const step of [1, 2, 3]) {
      yield* save(store, step)
      yield* store.prune
    }
    assert.deepStrictEqual(yield* steps(store), [2, 3])
  })))

  it.live("counts no damaged one: those before it stay", () => inStore({ keep_last: 2, keep_every: null }, Effect.fnUntraced(function*(store) {
    for (const step of [10, 20, 30, 40]) yield* save(store, step)
    spoil(join(store.directory, "step-000000030", "ema.safetensors"))
    const afresh = yield* open({ directory: store.directory, retention: { keep_last: 2, keep_every: null } }) // has verified nothing yet
    const { removed, quarantined } = yield* afresh.prune
    assert.deepStrictEqual([removed, quarantined.map(({ step }) => step)], [[10], [30]])
    assert.deepStrictEqual(yield* steps(afresh), [20, 40])
  })))

  it.live("spares what is pinned while it removes another", () => inStore({ keep_last: 2, keep_every: null }, Effect.fnUntraced(function*({ directory }) {
    const pinning: Hit = async (name) => {
      if (name === "prune.before") writeFileSync(join(directory, "marks.json"), JSON.stringify({ pinned: [10] }))
    }
    const store = yield* open({ directory, retention: { keep_last: 2, keep_every: null } }).pipe(Effect.provideService(Failpoints, pinning))
    for (const step of [10, 20, 30, 40]) yield* save(store, step)
    assert.deepStrictEqual((yield* store.prune).removed, [20])
    assert.deepStrictEqual(yield* steps(store), [10, 30, 40])
  })))

  it.live("takes up again what it was refused in the middle of", () => inStore({ keep_last: 2, keep_every: null }, Effect.fnUntraced(function*({ directory }) {
    let refusals = 1
    const refusing: Hit = async (name) => {
      if (name === "prune.between" && refusals-- > 0) throw Object.assign(new Error("refused"), { code: "EROFS" })
    }
    const store = yield* open({ directory, retention: { keep_last: 2, keep_every: null } }).pipe(Effect.provideService(Failpoints, refusing))
    for (const step of [10, 20, 30]) yield* save(store, step)
    assert.strictEqual((yield* Effect.flip(store.prune)).errno, "EROFS")
    assert.deepStrictEqual(readdirSync(directory).filter((name) => name.startsWith(".")), [".pruned-step-000000010"])
    assert.deepStrictEqual((yield* store.prune).removed, [])
    assert.deepStrictEqual(readdirSync(directory).filter((name) => name.startsWith(".")), [])
  })))

  it.live("removes nothing by marks that it cannot read", () => inStore({ keep_last: 2, keep_every: null }, Effect.fnUntraced(function*(store) {
    for (const step of [1, 2, 3]) yield* save(store, step)
    writeFileSync(join(store.directory, "marks.json"), "{\"pinned\":[1")
    const error = yield* Effect.flip(store.prune)
    assert.strictEqual(error.errno, "EBADMSG")
    assert.deepStrictEqual(yield* steps(store), [1, 2, 3])
    assert.isTrue(readdirSync(store.directory).includes("marks.json"))
  })))
})
