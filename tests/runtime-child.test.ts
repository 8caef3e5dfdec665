/** A real child process: calls, streams, every kind of death, every kind of hang, an orderly stop. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type ChildOptions, startChild } from "../src/runtime/child.ts"
import type { HangPolicy } from "../src/runtime/heartbeat.ts"
import { TestEngine } from "./runtime/protocol.ts"

type Options = Partial<Omit<ChildOptions<never>, "group" | "stop">>
const start = (options: Options = {}) =>
  startChild({ name: "engine", entry: join(import.meta.dirname, "runtime/engine.ts"), group: TestEngine, env: process.env, onLine: () => undefined, ...options })
const patient: HangPolicy = { silence: "10 seconds", startup: "30 seconds", loopBlocked: () => "10 seconds", opDeadline: () => "10 seconds" }

/** Runs or is a zombie that its reaper has not collected yet: neither does anything any more. */
const isAlive = (pid: number) => {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}
const gone = (pid: number) => Effect.gen(function*() {
  while (isAlive(pid)) yield* Effect.sleep(10)
}).pipe(Effect.timeout("5 seconds"))

describe("child process", () => {
  it.live("answers calls side by side, streams, typed errors and NaN", () => Effect.gen(function*() {
    const lines: Array<string> = []
    const { client, pid } = yield* start({ onLine: (stream, line) => lines.push(`${stream}: ${line}`) })
    const slow = yield* Effect.forkChild(client.Wait({ millis: 200 }))
    assert.strictEqual(yield* client.Add({ a: 1, b: 2 }), 3)
    assert.isUndefined(slow.pollUnsafe())
    assert.isNaN(yield* client.Add({ a: Number.NaN, b: 2 }))
    const error = yield* Effect.flip(client.Add({ a: -1, b: 2 }))
    assert.strictEqual(error._tag, "Refused")
    assert.deepStrictEqual(yield* Stream.runCollect(client.Count({ to: 1000 })), Array.from({ length: 1000 }, (_, i) => i + 1))
    yield* Fiber.join(slow)
    assert.deepStrictEqual(lines, [`stdout: hello from ${pid}`])
  }))

  it.live.each(["SIGKILL", "SIGSEGV", "SIGABRT"] as const)("ends by %s: every call and stream in flight fails with it", (signal) => Effect.gen(function*() {
    const child = yield* start()
    yield* child.client.Add({ a: 1, b: 1 })
    const waiting = yield* Effect.forkChild(Effect.flip(child.client.Wait({ millis: 60_000 })), { startImmediately: true })
    const streaming = yield* Effect.forkChild(Effect.flip(Stream.runDrain(child.client.Count({ to: 1e9 }))), { startImmediately: true })
    yield* Effect.sleep(20)
    const error = yield* Effect.flip(child.client.Die({ signal }))
    assert.deepInclude(error, { _tag: "ChildExited", pid: child.pid, signal, code: null })
    assert.deepStrictEqual(yield* Fiber.join(waiting), error)
    assert.deepStrictEqual(yield* Fiber.join(streaming), error)
    assert.deepStrictEqual(yield* Effect.flip(child.client.Add({ a: 1, b: 1 })), error)
    assert.deepStrictEqual(yield* Effect.flip(child.lost), error)
  }))

  it.live("ends by itself: the exit code and its last words", () => Effect.gen(function*() {
    const { client } = yield* start()
    const error = yield* Effect.flip(client.Exit({ code: 7 }))
    assert.deepInclude(error, { _tag: "ChildExited", code: 7, signal: null, stderr: ["the reason why"] })
  }))

  it.live("takes what it started along", () => Effect.gen(function*() {
    const { client, kill, lost } = yield* start()
    const grandchild = yield* client.Grandchild()
    assert.isTrue(isAlive(grandchild))
    kill("SIGKILL")
    yield* Effect.flip(lost)
    yield* gone(grandchild)
  }))

  it.live("an entry that does not exist is an exit with the reason", () => Effect.gen(function*() {
    const { client } = yield* start({ entry: "/nowhere/engine.ts" })
    const error = yield* Effect.flip(client.Add({ a: 1, b: 1 }))
    assert.strictEqual(error._tag, "ChildExited")
    assert.include(error._tag === "ChildExited" ? error.stderr.join("\n") : "", "Cannot find module")
  }))

  it.live("a working directory that does not exist fails to start", () => Effect.gen(function*() {
    const error = yield* Effect.flip(start({ cwd: "/nowhere" }))
    assert.strictEqual(error._tag, "SpawnFailed")
  }))

  it.live("ends in order when the scope closes, whatever it computes", () => Effect.gen(function*() {
    const pid = yield* Effect.scoped(Effect.gen(function*() {
      const child = yield* start()
      yield* child.client.Add({ a: 1, b: 1 })
      assert.deepInclude(yield* child.stop, { code: 0, signal: null })
      return child.pid
    }))
    assert.isFalse(isAlive(pid))
  }))

  it.live("is ended by force when it does not comply", () => Effect.gen(function*() {
    const child = yield* start({ stopDeadline: "100 millis", termDeadline: "100 millis" })
    yield* child.client.Stubborn().pipe(Effect.ignoreCause, Effect.forkChild)
    yield* child.client.Wait({ millis: 1 })
    assert.deepInclude(yield* child.stop, { code: null, signal: "SIGKILL" })
  }))
})

describe("death of the supervisor", () => {
  it.live("by SIGKILL leaves no child behind, however busy that one is", () => Effect.gen(function*() {
    const supervisor = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [join(import.meta.dirname, "runtime/lonely-supervisor.ts")], { stdio: ["ignore", "pipe", "inherit"] })),
      (process) => Effect.sync(() => process.kill("SIGKILL"))
    )
    const pid = Number(yield* Effect.promise(async () => String((await once(supervisor.stdout, "data"))[0])))
    assert.isTrue(isAlive(pid))
    supervisor.kill("SIGKILL")
    yield* gone(pid)
  }))
})

describe("hangs of a real process", () => {
  it.live("stopped: silent", () => Effect.gen(function*() {
    let toldOf: string | undefined
    const child = yield* start({
      heartbeat: { ...patient, silence: "1 second" },
      onHang: ({ pid, process }) => Effect.sync(() => { toldOf = `${process}, alive: ${isAlive(pid)}` })
    })
    yield* child.client.Add({ a: 1, b: 1 })
    const waiting = yield* Effect.forkChild(Effect.flip(child.client.Wait({ millis: 60_000 })), { startImmediately: true })
    while (child.heartbeat() === null) yield* Effect.sleep(10)
    child.kill("SIGSTOP")
    const error = yield* Fiber.join(waiting)
    assert.deepInclude(error, { _tag: "ChildHung", pid: child.pid, kind: "silent", op: null })
    assert.match(error._tag === "ChildHung" ? error.process : "", /^stopped/)
    assert.match(toldOf ?? "", /^stopped.*, alive: true$/, "it is told of before it is killed")
    const [main = ""] = error._tag === "ChildHung" ? error.threads : []
    assert.match(main, new RegExp(` ${child.pid}: stopped`))
    assert.isFalse(isAlive(child.pid))
  }))

  it.live("its event loop blocked, and where", () => Effect.gen(function*() {
    const child = yield* start({ heartbeat: { ...patient, loopBlocked: () => "500 millis" } })
    const error = yield* Effect.flip(child.client.Block({ millis: 60_000, operation: 0 }))
    assert.deepInclude(error, { _tag: "ChildHung", kind: "loop blocked", op: null })
    // It may have been found in what Node does for a call of `block`.
    assert.match(error._tag === "ChildHung" ? error.stack.find((frame) => !frame.includes("(node:")) ?? "" : "", /^block \(.*\/tests\/runtime\/engine\.ts:\d+:\d+\)$/)
    assert.match(error.message, /hung, loop blocked in block \(/)
  }))

  it.live("an operation that never returns, by its name", () => Effect.gen(function*() {
    const child = yield* start({
      heartbeat: { ...patient, loopBlocked: () => "500 millis", opDeadline: (op) => op === 7 ? "400 millis" : "10 seconds" },
      opName: (op) => `matmul#${op}`
    })
    yield* child.client.Block({ millis: 600, operation: 3 }) // long, allowed
    const error = yield* Effect.flip(child.client.Block({ millis: 60_000, operation: 7 }))
    assert.deepInclude(error, { _tag: "ChildHung", kind: "op stuck", op: "matmul#7" })
    assert.isAtLeast(error._tag === "ChildHung" ? error.seconds : 0, 0.4)
    assert.strictEqual(error._tag === "ChildHung" ? error.ops_done : null, 1)
  }))

  it.live("is killed though whoever is told of it never returns", () => Effect.gen(function*() {
    const child = yield* start({ heartbeat: { ...patient, loopBlocked: () => "300 millis" }, onHang: () => Effect.never })
    const error = yield* Effect.flip(child.client.Block({ millis: 60_000, operation: 0 }))
    assert.strictEqual(error._tag, "ChildHung")
  }))
})
