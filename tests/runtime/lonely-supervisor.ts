/** Starts the test's child process, says its pid and that of its child, and waits to be killed. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { startChild } from "../../src/runtime/child.ts"
import { TestEngine } from "./protocol.ts"

NodeRuntime.runMain(Effect.scoped(Effect.gen(function*() {
  const child = yield* startChild({
    name: "engine", entry: join(import.meta.dirname, "engine.ts"), group: TestEngine, env: process.env, onLine: () => undefined
  })
  yield* child.client.Add({ a: 1, b: 1 })
  yield* child.client.Wait({ millis: 60_000 }).pipe(Effect.forkChild)
  process.stdout.write(`${child.pid}\n`)
  yield* Effect.flip(child.lost)
})))
