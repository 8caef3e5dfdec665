/** The routes of a run's control socket, with no run behind them; who may open it, and what it refuses. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Controls, serve } from "../actors/run-control.ts"
import { askControl, type Question, Refused } from "../src/runtime/control-client.ts"
import { socketPath } from "../src/runtime/control-socket.ts"
import { limits } from "../src/runtime/control.ts"
import { raw } from "./raw-socket.ts"

const place = Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "rae-control-"))), (dir) => Effect.sync(() => rmSync(dir, { recursive: true })))

/** Controls that write down what was asked. */
const recording = (over: Partial<Controls> = {}) => {
  const asked: Array<string> = []
  const note = (what: string) => ({ accepted: true, seq: asked.push(what) })
  const controls: Controls = {
    status: () => assert.fail("not asked"), metrics: () => "rae_step{run=\"r\"} 7\n", stop: () => note("stop"), checkpoint: () => note("checkpoint"), pause: () => note("pause"), resume: () => note("resume"),
    restart: (target) => Effect.succeed(note(`restart ${target}`)), inject: (fault) => Effect.succeed(note(`inject ${fault}`)), ...over
  }
  return { asked, controls }
}
const refusal = (question: Question) => Effect.flip(Effect.tryPromise({ try: () => askControl(question), catch: (error) => error as Refused }))

it.live("passes each request on, and answers whether it was possible and which event tells of it", () => Effect.scoped(Effect.gen(function*() {
  const dir = yield* place
  const { asked, controls } = recording()
  yield* serve(dir, controls)
  const post = (path: string, body?: unknown) => Effect.promise(() => askControl({ dir, path, method: "POST", body }))
  for (const path of ["/checkpoint", "/pause", "/resume", "/stop"]) yield* post(path)
  assert.deepStrictEqual(yield* post("/restart", { actor: "generator" }), { schema: 1, accepted: true, seq: 5 })
  assert.deepStrictEqual(yield* post("/inject", { fault: "crash:ema" }), { schema: 1, accepted: true, seq: 6 })
  assert.deepStrictEqual(asked, ["checkpoint", "pause", "resume", "stop", "restart generator", "inject crash:ema"])
})))

it.live("refuses a number that is none, an unknown fault, a body that is none, and every fault where the config allows none", () => Effect.scoped(Effect.gen(function*() {
  const dir = yield* place
  const { asked, controls } = recording()
  yield* serve(dir, controls)
  assert.deepInclude(yield* refusal({ dir, path: "/events?after=x" }), { status: 400, code: "bad_request", message: "after: expected a number of an event, got x" })
  assert.match((yield* refusal({ dir, path: "/inject", method: "POST", body: { fault: "engine-kil" } })).message, /^no fault `engine-kil`, expected one of engine-kill, /)
  assert.deepInclude(yield* refusal({ dir, path: "/restart", method: "POST", body: ["generator"] }), { status: 400, message: 'expected a body {"actor": …}' })
  assert.deepStrictEqual(asked, [])
  const elsewhere = yield* place
  yield* serve(elsewhere, { ...controls, inject: null })
  assert.deepInclude(yield* refusal({ dir: elsewhere, path: "/inject", method: "POST", body: { fault: "engine-kill" } }), { status: 403, code: "not_allowed" })
})))

it.live("is its owner's alone; what is oversized or malformed reaches no handler, and the next request is answered", () => Effect.scoped(Effect.gen(function*() {
  const dir = yield* place
  const { asked, controls } = recording()
  yield* serve(dir, controls)
  const path = socketPath(dir)
  assert.strictEqual((statSync(path).mode & 0o777).toString(8), "600")
  assert.deepInclude(yield* refusal({ dir, method: "POST", path: "/stop", body: "x".repeat(limits.bodyBytes) }), { status: 413 })
  assert.match(yield* raw(path, "POST /stop HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nconnection: close\r\n\r\n{{{{"), /^HTTP\/1.1 400 /)
  assert.match(yield* raw(path, "STOP\r\n\r\n"), /^HTTP\/1.1 400/)
  assert.match(yield* raw(path, `POST /stop HTTP/1.1\r\nlong: ${"x".repeat(limits.headerBytes)}\r\n\r\n`), /^HTTP\/1.1 4/)
  assert.deepInclude(yield* refusal({ dir, path: "/stop" }), { status: 405 })
  assert.deepStrictEqual(asked, [])
  yield* Effect.promise(() => askControl({ dir, path: "/stop", method: "POST" }))
  assert.deepStrictEqual(asked, ["stop"])
})))

it.live("answers Prometheus with text", () => Effect.scoped(Effect.gen(function*() {
  const dir = yield* place
  yield* serve(dir, recording().controls)
  const answer = yield* raw(socketPath(dir), "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
  assert.match(answer, /^HTTP\/1\.1 200[\s\S]*content-type: text\/plain; version=0\.0\.4[\s\S]*\r\n\r\nrae_step\{run="r"\} 7\n$/)
})))
