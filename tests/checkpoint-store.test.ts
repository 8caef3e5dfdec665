import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Failpoints, parse } from "../src/checkpoint/failpoints.ts"
import { newestOf, open, type Options } from "../src/checkpoint/store.ts"
import { verify } from "../src/checkpoint/verifier.ts"
import { contentsOf, save, temporaryDirectory, writeState } from "./checkpoint-fake-engine.ts"

const inDirectory = <A, E>(use: (directory: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(Effect.sync(temporaryDirectory), ({ path }) => use(join(path, "run", "checkpoints")), (dir) => Effect.sync(() => dir[Symbol.dispose]()))

const keepAll: Options["retention"] = { keep_last: 100, keep_every: null }
const flip = (path: string) => {
  const bytes = readFileSync(path)
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(path, bytes)
}

describe("store", () => {
  it.live("commits what the engine wrote, and finds it again", () => inDirectory(Effect.fnUntraced(function*(directory) {
    const store = yield* open({ directory, retention: keepAll })
    assert.deepStrictEqual(yield* store.newest(), { plan: null, quarantined: [], unread: [] })
    const committed = yield* save(store, 1200)
    assert.strictEqual(committed.path, join(directory, "step-000001200"))
    assert.deepStrictEqual(readdirSync(committed.path).sort(), ["decoder.safetensors", "ema.safetensors", "manifest.json", "optimizer.safetensors", "state.json"])
    const total = readdirSync(committed.path).reduce((sum, name) => sum + statSync(join(committed.path, name)).size, 0)
    assert.strictEqual(committed.bytes, total)
    const { plan } = yield* store.newest()
    assert.deepStrictEqual(plan, { step: 1200, path: committed.path, manifest: committed.manifest, state: { step: 1200, skipped: [] } })
  })))

  it.live("a process of its own finds the same as this one", () => inDirectory(Effect.fnUntraced(function*(directory) {
    const { path } = yield* save(yield* open({ directory, retention: keepAll }), 1)
    assert.deepStrictEqual(yield* verify(path, { inProcessBytes: 0 }), yield* verify(path))
    flip(join(path, "ema.safetensors"))
    const found = yield* verify(path, { inProcessBytes: 0 })
    assert.deepStrictEqual(found, yield* verify(path))
    assert.deepStrictEqual(found.problems.map(({ where, problem }) => `${where}: ${problem}`), [
      "ema.safetensors: hash differs", "ema.safetensors#ema.embed.weight: hash differs"
    ])
  })))

  it.live("takes nothing that differs from the report", () => inDirectory(Effect.fnUntraced(function*(directory) {
    const store = yield* open({ directory, retention: keepAll })
    const refused = Effect.fnUntraced(function*(spoil: (path: string) => void) {
      const temporary = yield* store.begin(7)
      const report = writeState(temporary.path, 7)
      spoil(temporary.path)
      const error = yield* Effect.flip(store.commit(temporary, contentsOf(7, report)))
      assert.deepStrictEqual(readdirSync(directory), [])
      return error._tag
    })
    assert.strictEqual(yield* refused((path) => flip(join(path, "decoder.safetensors"))), "CheckpointDamaged")
    assert.strictEqual(yield* refused((path) => truncateSync(join(path, "decoder.safetensors"), 100)), "CheckpointDamaged")
    assert.strictEqual(yield* refused((path) => writeFileSync(join(path, "core.1234"), "x")), "CheckpointDamaged")
    assert.strictEqual(yield* refused((path) => writeFileSync(join(path, "state.json"), "{}")), "WriteFailed")
  })))

  it.live("refuses a report that no manifest can hold", () => inDirectory(Effect.fnUntraced(function*(directory) {
    const store = yield* open({ directory, retention: keepAll })
    const temporary = yield* store.begin(7)
    const contents = contentsOf(7, { files: [{ name: "../escape", size: 1, hash: "0".repeat(32) }], tensors: [] })
    assert.strictEqual((yield* Effect.flip(store.commit(temporary, contents)))._tag, "CheckpointDamaged")
    assert.deepStrictEqual(readdirSync(directory), [])
  })))

  it.live("falls back to the one before, and keeps the damaged one with the reason", () => inDirectory(Effect.fnUntraced(function*(directory) {
    const store = yield* open({ directory, retention: keepAll })
    for (const step of [10, 20, 30, 40]) yield* save(store, step)
    flip(join(directory, "step-000000040", "decoder.safetensors"))
    truncateSync(join(directory, "step-000000030", "manifest.json"), 50)
    const { plan, quarantined } = yield* store.newest()
    assert.strictEqual(plan?.step, 20)
    assert.deepStrictEqual(quarantined.map(({ step }) => step), [40, 30])
    assert.match(quarantined[0]!.reason, /^decoder.safetensors: hash differs, expected [0-9a-f]{32}, got [0-9a-f]{32}\ndecoder.safetensors#decoder.norm.bias: hash differs/)
    assert.isTrue(existsSync(join(directory, "quarantine", "step-000000040", "decoder.safetensors")))
    assert.match(readFileSync(join(directory, "quarantine", "step-000000040.reason.txt"), "utf8"), /hash differs/)
    assert.deepStrictEqual((yield* store.list).map(({ step }) => step), [10, 20])

    yield* save(store, 40) // the run comes to that step again, and it goes bad again
    flip(join(directory, "step-000000040", "ema.safetensors"))
    assert.strictEqual((yield* store.newest()).plan?.step, 20)
    assert.isTrue(existsSync(join(directory, "quarantine", "step-000000040.2")))
    assert.isAbove(yield* store.dropQuarantine, 0)
    assert.isFalse(existsSync(join(directory, "quarantine")))
  })))

  it.live("a quick look sees sizes, strangers and the state, and leaves tensors to the reader", () => inDirectory(Effect.fnUntraced(function*(directory) {
    const store = yield* open({ directory, retention: keepAll })
    yield* save(store, 10)
    flip(join((yield* save(store, 20)).path, "decoder.safetensors"))
    assert.strictEqual((yield* store.newest({ depth: "quick" })).plan?.step, 20)
    yield* store.quarantine(20, "the engine refused decoder.norm.bias")
    assert.strictEqual((yield* store.newest({ depth: "quick" })).plan?.step, 10)
    flip(join((yield* save(store, 30)).path, "state.json"))
    truncateSync(join((yield* save(store, 40)).path, "ema.safetensors"), 64)
    const found = yield* store.newest({ depth: "quick" })
    assert.deepStrictEqual([found.plan?.step, found.quarantined.map(({ step }) => step)], [10, [40, 30]])
  })))

  it.live("follows no link out of the directory", () => inDirectory(Effect.fnUntraced(function*(directory) {
    const store = yield* open({ directory, retention: keepAll })
    const { path } = yield* save(store, 10)
    mkdirSync(join(directory, "step-000000020"))
    for (const name of readdirSync(path)) symlinkSync(join(path, name), join(directory, "step-000000020", name))
    symlinkSync(path, join(directory, "step-000000030"))
    const { plan, quarantined } = yield* store.newest()
    assert.deepStrictEqual([plan?.step, quarantined.map(({ step }) => step)], [10, [20]])
  })))

  it.live("a checkpoint under another step's name is none", () => inDirectory(Effect.fnUntraced(function*(directory) {
    const store = yield* open({ directory, retention: keepAll })
    const { path } = yield* save(store, 10)
    assert.isTrue((yield* verify(path)).ok)
    mkdirSync(join(directory, "step-000000099"))
    for (const name of readdirSync(path)) writeFileSync(join(directory, "step-000000099", name), readFileSync(join(path, name)))
    assert.deepStrictEqual((yield* store.verify(99)).problems.map(({ problem, expected, got }) => [problem, expected, got]),
      [["step differs from the directory's name", "99", "10"]])
  })))

  it.live("the same step again replaces the earlier one", () => inDirectory(Effect.fnUntraced(function*(directory) {
    const store = yield* open({ directory, retention: keepAll })
    const first = yield* save(store, 10)
    const second = yield* save(store, 10, 2)
    assert.notStrictEqual(first.manifest.hash, second.manifest.hash)
    assert.strictEqual((yield* store.newest()).plan?.manifest.hash, second.manifest.hash)
    assert.deepStrictEqual(readdirSync(directory), ["step-000000010"])
  })))

  it.live("a rename that fails puts the replaced one back", () => inDirectory(Effect.fnUntraced(function*(directory) {
    const store = yield* open({ directory, retention: keepAll }).pipe(Effect.provideService(Failpoints, parse("rename.between@2:error:EIO")))
    const first = yield* save(store, 10)
    const error = yield* Effect.flip(save(store, 10, 2))
    assert.deepStrictEqual([error._tag, "errno" in error && error.errno], ["WriteFailed", "EIO"])
    assert.strictEqual((yield* store.newest()).plan?.manifest.hash, first.manifest.hash)
  })))

  it.live("the newest of several directories, whichever it lies in", () => inDirectory(Effect.fnUntraced(function*(directory) {
    const near = yield* open({ directory, retention: keepAll })
    const far = yield* open({ directory: join(directory, "..", "fallback"), retention: keepAll })
    yield* save(near, 10)
    flip(join((yield* save(far, 20)).path, "state.json"))
    yield* save(near, 15)
    const { plan, quarantined } = yield* newestOf([near, far])
    assert.deepStrictEqual([plan?.path, quarantined.map(({ step }) => step)], [join(directory, "step-000000015"), [20]])
  })))
})
