/** The routes of a run's control socket, with no run behind them. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { serve } from "../actors/run-control.ts"
import { askControl, Refused } from "../src/runtime/control-client.ts"

const place = Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "rae-control-"))), (dir) => Effect.sync(() => rmSync(dir, { recursive: true })))

it.live("says whether a checkpoint is being taken, passes a stop on, refuses a number that is none", () => Effect.scoped(Effect.gen(function*() {
  const dir = yield* place
  let up = false, stops = 0
  yield* serve(dir, { status: () => assert.fail("not asked"), stop: () => { stops++ }, checkpoint: () => up })
  const post = (path: string) => Effect.promise(() => askControl({ dir, path, method: "POST" }))
  assert.deepStrictEqual(yield* post("/checkpoint"), { schema: 1, accepted: false })
  up = true
  assert.deepStrictEqual(yield* post("/checkpoint"), { schema: 1, accepted: true })
  assert.deepStrictEqual([yield* post("/stop"), stops], [{ schema: 1, accepted: true }, 1])
  const refused = yield* Effect.flip(Effect.tryPromise({ try: () => askControl({ dir, path: "/events?after=x" }), catch: (error) => error as Refused }))
  assert.deepInclude(refused, { status: 400, code: "bad_request", message: "after: expected a number of an event, got x" })
})))
