/** The control socket: what it answers, what it refuses, whom it lets in, and where it lives. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { askControl, NoAnswer, NotRunning, type Question, Refused, streamControl } from "../src/runtime/control-client.ts"
import { socketPath } from "../src/runtime/control-socket.ts"
import { ControlRefused, json, limits, ndjson, route, serveControl } from "../src/runtime/control.ts"
import { raw } from "./raw-socket.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rae-control-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true }))
)
const ask = (question: Question) => Effect.promise(() => askControl(question))
const refusal = (question: Question) => Effect.promise(() => askControl(question).then((answer) => assert.fail(`answered ${JSON.stringify(answer)}`), (error: unknown) => error))

const streams = { ended: 0 }
const count = async function*(to: number, signal: AbortSignal) {
  try {
    for (let n = 1; n <= to && !signal.aborted; n++) {
      yield { n }
      if (n % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  } finally {
    streams.ended++
  }
}
const routes = [
  route("GET", "/status", () => Effect.succeed(json({ schema: 1, step: 7 }))),
  route("POST", "/echo", ({ body, query }) => Effect.succeed(json({ body, to: query.get("to") }))),
  route("POST", "/stop", () => Effect.fail(new ControlRefused({ status: 409, code: "stopping", reason: "already stopping", hint: "wait" }))),
  route("GET", "/crash", () => Effect.die(new Error("bug"))),
  route("GET", "/slow", () => Effect.never),
  route("GET", "/count", ({ query, signal }) => Effect.succeed(ndjson(count(Number(query.get("to")), signal))))
]
const serving = Effect.gen(function*() {
  const dir = yield* folder
  yield* serveControl({ dir, routes })
  return dir
})
describe("control socket", () => {
  it.live("answers with documents, and echoes what it was sent", () => Effect.gen(function*() {
    const dir = yield* serving
    assert.deepStrictEqual(yield* ask({ dir, path: "/status" }), { schema: 1, step: 7 })
    assert.deepStrictEqual(yield* ask({ dir, method: "POST", path: "/echo?to=me", body: { a: [1] } }), { body: { a: [1] }, to: "me" })
    assert.deepStrictEqual(yield* ask({ dir, method: "POST", path: "/echo" }), { body: null, to: null })
  }))

  it.live("streams lines, and stops making them when nobody reads", () => Effect.gen(function*() {
    const dir = yield* serving
    const records = yield* Effect.promise(() => Array.fromAsync(streamControl({ dir, path: "/count?to=3" })))
    assert.deepStrictEqual(records, [{ n: 1 }, { n: 2 }, { n: 3 }])
    const { ended } = streams
    yield* Effect.promise(async () => {
      for await (const record of streamControl({ dir, path: "/count?to=1000000000" })) if ((record as { n: number }).n === 5) break
    })
    yield* Effect.sleep(5).pipe(Effect.repeat({ until: () => streams.ended > ended }))
  }))

  it.live("refuses with a type: no route, wrong method, a handler's no, a handler's bug", () => Effect.gen(function*() {
    const dir = yield* serving
    const told = Effect.map(Effect.forEach([
      { dir, path: "/nothing" }, { dir, method: "POST", path: "/status" }, { dir, method: "POST", path: "/stop" }, { dir, path: "/crash" }
    ] as const, refusal), (errors) => errors.map((error) => error instanceof Refused ? [error.status, error.code, error.message, error.hint] : error))
    assert.deepStrictEqual(yield* told, [
      [404, "not_found", "no such route: /nothing", "routes: GET /status, POST /echo, POST /stop, GET /crash, GET /slow, GET /count"],
      [405, "method_not_allowed", "/status takes GET, got POST", null],
      [409, "stopping", "already stopping", "wait"],
      [500, "internal", "bug", null]
    ])
  }))

  it.live("does not wait for ever", () => Effect.gen(function*() {
    const dir = yield* serving
    const error = yield* refusal({ dir, path: "/slow", timeoutMillis: 50 })
    assert.instanceOf(error, NoAnswer)
    assert.deepStrictEqual(yield* ask({ dir, path: "/status" }), { schema: 1, step: 7 })
  }))

  it.live("lets in neither the oversized nor the malformed, and goes on", () => Effect.gen(function*() {
    const dir = yield* serving
    const path = socketPath(dir)
    const tooLarge = yield* refusal({ dir, method: "POST", path: "/echo", body: "x".repeat(limits.bodyBytes) })
    assert.deepInclude(tooLarge, { status: 413, code: "too_large" })
    assert.match(yield* raw(path, "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nconnection: close\r\n\r\n{{{{"), /^HTTP\/1.1 400 [\s\S]*body is not JSON/)
    assert.match(yield* raw(path, "nonsense\r\n\r\n"), /^HTTP\/1.1 400/)
    assert.match(yield* raw(path, `GET /status HTTP/1.1\r\nhost: x\r\nlong: ${"x".repeat(limits.headerBytes)}\r\n\r\n`), /^HTTP\/1.1 400/)
    assert.deepStrictEqual(yield* ask({ dir, path: "/status" }), { schema: 1, step: 7 })
  }))

  it.live("belongs to its owner, replaces a stale one, and goes with the server", () => Effect.gen(function*() {
    const dir = yield* folder
    const path = socketPath(dir)
    assert.instanceOf(yield* refusal({ dir, path: "/status" }), NotRunning)
    writeFileSync(path, "left behind by a killed run")
    yield* Effect.scoped(Effect.gen(function*() {
      yield* serveControl({ dir, routes })
      assert.strictEqual((statSync(path).mode & 0o777).toString(8), "600")
      assert.deepStrictEqual(yield* ask({ dir, path: "/status" }), { schema: 1, step: 7 })
    }))
    assert.isFalse(existsSync(path))
    assert.instanceOf(yield* refusal({ dir, path: "/status" }), NotRunning)
  }))

  it.live("is found below a path too long for a socket, whatever the environment", () => Effect.gen(function*() {
    const dir = join(yield* folder, "a-rather-long-name-".repeat(6))
    mkdirSync(dir)
    yield* Effect.scoped(Effect.gen(function*() {
      yield* serveControl({ dir, routes })
      const path = socketPath(dir)
      assert.isBelow(path.length, 100)
      assert.strictEqual(readlinkSync(join(dir, "control.sock")), path)
      assert.strictEqual((lstatSync(join(path, "..")).mode & 0o777).toString(8), "700")
      const before = process.env["XDG_RUNTIME_DIR"]
      process.env["XDG_RUNTIME_DIR"] = join(dir, "..")
      assert.strictEqual(socketPath(dir), path)
      if (before === undefined) delete process.env["XDG_RUNTIME_DIR"]
      else process.env["XDG_RUNTIME_DIR"] = before
      assert.deepStrictEqual(yield* ask({ dir, path: "/status" }), { schema: 1, step: 7 })
    }))
    assert.isFalse(existsSync(socketPath(dir)))
  }))

  it.live("says why where it cannot be opened", () => Effect.gen(function*() {
    const error = yield* Effect.flip(Effect.scoped(serveControl({ dir: "/proc/nowhere", routes })))
    assert.strictEqual(error._tag, "ControlFailed")
  }))
})
