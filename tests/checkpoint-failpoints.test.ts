import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { Failpoints, type Name, names, parse } from "../src/checkpoint/failpoints.ts"
import { open, type Store } from "../src/checkpoint/store.ts"
import { save, temporaryDirectory } from "./checkpoint-fake-engine.ts"

const retention = { keep_last: 2, keep_every: null }
const withDirectory = <A, E>(use: (directory: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(Effect.sync(temporaryDirectory), ({ path }) => use(path), (dir) => Effect.sync(() => dir[Symbol.dispose]()))

/** Runs the saving process to its end; gives the signal that ended it. */
const runToDeath = (directory: string, failpoint: string) =>
  Effect.callback<string | null>((resume) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "checkpoint-commit-process.ts"), directory],
      { env: { ...process.env, RAE_FAILPOINT: failpoint }, stdio: ["ignore", "ignore", "inherit"] })
    child.on("exit", (code, signal) => resume(Effect.succeed(signal ?? (code === 0 ? null : `code ${code}`))))
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

/** Elements of the first tensor tell the two saves of step 3 apart. */
const fingerprint = (store: Store) =>
  Effect.map(store.newest(), ({ plan, quarantined }) => {
    assert.deepStrictEqual(quarantined, [])
    return plan === null ? "none" : `${plan.step} x${plan.manifest.tensors[0]!.shape[0]! / 16}`
  })

const hidden = (directory: string) => readdirSync(directory).filter((name) => !/^step-\d{9}$/.test(name))

/** Where the kill strikes, and what must be the newest then: in the fourth save (the replacement), or while step 1 is pruned. */
const cases: ReadonlyArray<readonly [Name, number, string]> = names.map((name) =>
  name.startsWith("prune.") ? [name, 1, "3 x1"] : [name, 4, ["rename.after", "dir-fsync.before", "dir-fsync.after"].includes(name) ? "3 x2" : "3 x1"])

describe("commit protocol", () => {
  it.live("a process killed at any failpoint leaves a newest checkpoint that verifies, and no leftovers after the restart", () =>
    Effect.forEach(cases, ([name, visit, expected]) => withDirectory(Effect.fnUntraced(function*(directory) {
      assert.strictEqual(yield* runToDeath(directory, `${name}@${visit}:kill`), "SIGKILL", name)
      const store = yield* open({ directory, retention })
      yield* store.removeLeftovers
      assert.deepStrictEqual(hidden(directory), [], name)
      assert.strictEqual(yield* fingerprint(store), expected, name)
      for (const { step } of yield* store.list) assert.isTrue((yield* store.verify(step)).ok, `${name}: step ${step}`)
      yield* save(store, 4)
      yield* store.prune
      assert.deepStrictEqual((yield* store.list).map(({ step }) => step), [3, 4], name)
    })), { concurrency: 2, discard: true }), 180_000)

  it.live("an undisturbed process ends well, so that the kills above are the failpoints' work", () => withDirectory(Effect.fnUntraced(function*(directory) {
    assert.isNull(yield* runToDeath(directory, ""))
    assert.deepStrictEqual(readdirSync(directory).sort(), ["step-000000003", "step-000000004"])
  })))

  const failing = names.filter((name) => !name.startsWith("prune."))
  it.live.each(["ENOSPC", "EDQUOT", "EIO", "EROFS"])("%s at any failpoint is a typed error, harms no older checkpoint, and the next save succeeds", (errno) =>
    Effect.forEach(failing, (name) => withDirectory(Effect.fnUntraced(function*(directory) {
      const store = yield* open({ directory, retention }).pipe(Effect.provideService(Failpoints, parse(`${name}@2:error:${errno}`)))
      yield* save(store, 1)
      const error = yield* Effect.flip(save(store, 2))
      assert.strictEqual(error._tag, errno === "ENOSPC" || errno === "EDQUOT" ? "DiskFull" : "WriteFailed", name)
      if (error._tag === "CheckpointDamaged") return
      assert.strictEqual(error.errno, errno)
      if (name !== "write.before") assert.isAbove(error.needed ?? 0, 1000)
      assert.isAbove(error.free ?? 0, 0)
      assert.deepStrictEqual(hidden(directory), [], name)
      const renamed = ["rename.after", "dir-fsync.before", "dir-fsync.after"].includes(name)
      assert.strictEqual(yield* fingerprint(store), renamed ? "2 x1" : "1 x1", name)
      yield* save(store, 2, 2)
      assert.strictEqual(yield* fingerprint(store), "2 x2", name)
    })), { discard: true }))

  it.live("pruning that fails is tried again, and harms nothing", () =>
    Effect.forEach(["prune.before", "prune.between", "prune.after"] as const, (name) => withDirectory(Effect.fnUntraced(function*(directory) {
      const store = yield* open({ directory, retention }).pipe(Effect.provideService(Failpoints, parse(`${name}@1:error:EIO`)))
      for (const step of [1, 2, 3]) yield* save(store, step)
      assert.strictEqual((yield* Effect.flip(store.prune)).errno, "EIO")
      assert.strictEqual(yield* fingerprint(store), "3 x1")
      yield* store.prune
      yield* store.removeLeftovers
      assert.deepStrictEqual(readdirSync(directory).sort(), ["step-000000002", "step-000000003"])
    })), { discard: true }))

  it.live("a step that was renamed twice before its name was durable leaves nothing behind", () => withDirectory(Effect.fnUntraced(function*(directory) {
    const store = yield* open({ directory, retention }).pipe(Effect.provideService(Failpoints, parse("dir-fsync.before@1:error:EIO,dir-fsync.before@2:error:EIO")))
    for (const _ of [1, 2]) yield* Effect.flip(save(store, 1))
    yield* save(store, 2)
    yield* store.prune
    assert.deepStrictEqual(readdirSync(directory).sort(), ["step-000000001", "step-000000002"])
  })))

  it.live("an interrupted save leaves nothing behind", () => withDirectory(Effect.fnUntraced(function*(directory) {
    const store = yield* open({ directory, retention, inProcessBytes: 0 }) // verification takes long enough to be interrupted
    const outcome = yield* save(store, 1).pipe(Effect.timeoutOption("60 millis"))
    assert.deepStrictEqual(hidden(directory), [])
    if (outcome._tag === "None") assert.strictEqual(yield* fingerprint(store), "none")
  })))
})

describe("failpoint grammar", () => {
  it.each([
    ["rename.befor:kill", /no failpoint in "rename.befor:kill"/], ["rename.before", /no failpoint/], ["rename.before:explode", /no action/],
    ["rename.before:error:", /no action/], ["rename.before:delay:soon", /no action/], ["rename.before@0:kill", /no failpoint/]
  ] as const)("refuses %s", (text, expected) => assert.throws(() => parse(text), expected))

  it.live("acts at the visit that it names, and waits", () => Effect.gen(function*() {
    const hit = parse("verify.before@2:error:EIO, verify.after:delay:20")
    yield* Effect.promise(() => hit("verify.before"))
    assert.strictEqual(yield* Effect.flip(Effect.tryPromise({ try: () => hit("verify.before"), catch: (error) => (error as NodeJS.ErrnoException).code })), "EIO")
    yield* Effect.promise(() => hit("verify.before"))
    const started = performance.now()
    yield* Effect.promise(() => hit("verify.after"))
    assert.isAbove(performance.now() - started, 15)
  }))
})
