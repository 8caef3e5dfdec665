/** How patient the supervisor is: by measured steps, on a slow machine as on a fast one. In virtual time. */
import { assert, it } from "vitest"
import { hangPolicy, patience } from "../actors/hang-policy.ts"
import { makeHangJudge } from "../src/runtime/heartbeat.ts"

it("waits as the config says until a step was measured, then for twenty of them, but no less than half a minute", () => {
  assert.strictEqual(patience(600, null), 600)
  assert.strictEqual(patience(600, 0.04), 30)
  assert.strictEqual(patience(600, 6.5), 130)
  assert.strictEqual(patience(600, 100), 2000)
  assert.strictEqual(patience(4, 0.04), 4, "less, where the config says so")
  assert.strictEqual(patience(4, 1), 20, "but never less than steps take")
})

/** Beats ten times a second for `seconds`, in operations of `opSeconds`; the event loop turns between two of them. */
const hangsIn = (seconds: number, opSeconds: number, stepSeconds: number | null) => {
  const judge = makeHangJudge(hangPolicy(600, () => stepSeconds))
  for (let millis = 0; millis < seconds * 1000; millis += 100) {
    const opsDone = Math.floor(millis / (opSeconds * 1000))
    judge.beat({ op: 1, opsDone, loopTickMillis: opsDone * opSeconds * 1000, nowMillis: millis })
    if (judge.judge(100, 100) !== undefined) return millis / 1000
  }
  return null
}

it("a machine that others keep busy is no hang: operations a hundred times as long as measured, writes of seconds", () => {
  assert.isNull(hangsIn(3600, 4, 0.04))
  assert.isNull(hangsIn(3600, 25, 0.04))
  assert.isNull(hangsIn(3600, 100, 6.5))
  assert.isNull(hangsIn(3600, 500, null))
})

it("an operation that never ends is found by the measured deadline", () => {
  assert.closeTo(hangsIn(3600, 1e6, 0.04) ?? 0, 30, 0.5)
  assert.closeTo(hangsIn(3600, 1e6, 6.5) ?? 0, 130, 0.5)
  assert.closeTo(hangsIn(3600, 1e6, null) ?? 0, 600, 0.5)
})
