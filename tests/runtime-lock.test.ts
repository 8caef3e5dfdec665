/** The claim on a run directory, among real processes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { claimRunDir } from "../src/runtime/lock.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rae-lock-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true }))
)
const holder = (dir: string) => Effect.acquireRelease(
  Effect.sync(() => spawn(process.execPath, [join(import.meta.dirname, "runtime/hold-lock.ts"), dir], { stdio: ["ignore", "pipe", "inherit"] })),
  (child) => Effect.sync(() => child.kill("SIGKILL"))
)
const outcome = (child: ChildProcess) => Effect.promise(async () => String((await once(child.stdout!, "data"))[0]).trim())
const claim = (dir: string) => Effect.scoped(claimRunDir(dir)).pipe(Effect.match({ onFailure: (error) => error._tag, onSuccess: () => "claimed" }))

describe("run directory", () => {
  it.live("is claimed by one of several starters, and free again when that one is killed", () => Effect.gen(function*() {
    const dir = yield* folder
    const starters = yield* Effect.forEach([1, 2, 3, 4], () => holder(dir))
    const outcomes = yield* Effect.forEach(starters, outcome, { concurrency: "unbounded" })
    assert.deepStrictEqual(outcomes.toSorted(), ["RunInUse", "RunInUse", "RunInUse", "claimed"])
    assert.strictEqual(yield* claim(dir), "RunInUse")
    const winner = starters[outcomes.indexOf("claimed")] as ChildProcess
    const over = once(winner, "exit")
    winner.kill("SIGKILL")
    yield* Effect.promise(() => over)
    assert.strictEqual(yield* claim(dir), "claimed")
  }))

  it.live("is claimed once within a process too, until the scope closes", () => Effect.gen(function*() {
    const dir = yield* folder
    yield* Effect.scoped(Effect.gen(function*() {
      yield* claimRunDir(dir)
      const error = yield* Effect.flip(Effect.scoped(claimRunDir(dir)))
      assert.strictEqual(error.message, `run directory in use by a live run: ${dir}`)
    }))
    assert.strictEqual(yield* claim(dir), "claimed")
  }))

  it.live("says what is wrong where it cannot be locked", () => Effect.gen(function*() {
    const dir = yield* folder
    assert.strictEqual(yield* claim(join(dir, "missing")), "LockFailed")
    writeFileSync(join(dir, "run.lock"), "something else that somebody put there".repeat(100))
    assert.strictEqual(yield* claim(dir), "LockFailed")
    mkdirSync(join(dir, "other"))
    chmodSync(join(dir, "other"), 0o755)
    mkdirSync(join(dir, "other", "run.lock"))
    assert.strictEqual(yield* claim(join(dir, "other")), "LockFailed")
  }))
})
