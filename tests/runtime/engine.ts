/** A small child process for the tests: operations on fd 3, a heartbeat thread on fd 4, a reporter of its stack on fd 5, and every way to misbehave. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { Worker } from "node:worker_threads"
import { servePort } from "../../src/runtime/engine-port.ts"
import { startStackReporter } from "../../src/runtime/stack-reporter.ts"
import { Refused, TestEngine } from "./protocol.ts"

const loopTick = 0
const op = 1
const opsDone = 2
/** Shared with the heartbeat thread: what the addon keeps in native memory. */
const shared = new Float64Array(new SharedArrayBuffer(3 * 8))
shared[loopTick] = performance.now()
setInterval(() => { shared[loopTick] = performance.now() }, 10).unref()

const beat = `
  const { workerData } = require("node:worker_threads")
  const { writeSync } = require("node:fs")
  const shared = new Float64Array(workerData.buffer)
  const frame = Buffer.alloc(32)
  setInterval(() => {
    frame.writeUInt32LE(shared[${op}], 0)
    frame.writeBigUInt64LE(BigInt(shared[${opsDone}]), 8)
    frame.writeBigUInt64LE(BigInt(Math.trunc(shared[${loopTick}] + workerData.origin)), 16)
    frame.writeBigUInt64LE(BigInt(Math.trunc(performance.timeOrigin + performance.now())), 24)
    try { writeSync(4, frame) } catch { process.exit(1) }
  }, 20)
`
new Worker(beat, { eval: true, workerData: { buffer: shared.buffer, origin: performance.timeOrigin } }).unref()

/** Holds the thread, as a native call would. */
const block = (millis: number) => {
  const until = performance.now() + millis
  while (performance.now() < until) { /* busy */ }
}

const handlers = TestEngine.toLayer({
  Add: ({ a, b }) => a < 0 ? Effect.fail(new Refused({ reason: "negative" })) : Effect.succeed(a + b),
  Wait: ({ millis }) => Effect.sleep(millis),
  Count: ({ to }) => Stream.range(1, to),
  Die: ({ signal }) => Effect.sync(() => { process.kill(process.pid, signal as NodeJS.Signals) }).pipe(Effect.andThen(Effect.never)),
  Exit: ({ code }) => Effect.sync(() => {
    process.stderr.write("the reason why\n")
    process.exitCode = code
    setTimeout(() => process.exit(), 10)
  }).pipe(Effect.andThen(Effect.never)),
  Block: ({ millis, operation }) => Effect.sync(() => {
    shared[op] = operation
    block(millis)
    shared[op] = 0
    shared[opsDone] = (shared[opsDone] ?? 0) + 1
  }),
  Grandchild: () => Effect.sync(() => spawn("sleep", ["60"], { stdio: "ignore" }).pid ?? 0),
  Stubborn: () => Effect.sync(() => { process.on("SIGTERM", () => undefined) }).pipe(Effect.andThen(Effect.uninterruptible(Effect.sleep("1 minute"))))
})

startStackReporter()
process.stdout.write(`hello from ${process.pid}\n`)
NodeRuntime.runMain(servePort({ group: TestEngine, handlers }))
