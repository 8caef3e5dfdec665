/** The supervision tree under random fault schedules on virtual time (chaos/simulation), a few of the thousands that `npm run simulate` plays. */
import { assert, it } from "vitest"
import { simulate } from "../chaos/simulation/simulate.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

it("every invariant holds: weights of one step, owners, limits, order, no endless loop, emptied mailboxes", async () => {
  const { failures, summary } = await simulate(1, numbers(60))
  assert.deepStrictEqual(failures, [])
  // Schedules that do nothing prove nothing.
  assert.isAbove(summary.restarts, 100)
  assert.isAbove(summary.done, 30)
  assert.isAbove(summary.gaveUp, 3)
})

it("would find a training state that is restarted one by one", async () => {
  const { failures } = await simulate(1, numbers(30), "one-for-one")
  assert.isTrue(failures.some(({ violations }) => violations.some((violation) => / is of step \d+ in step \d+$|weights of different steps/.test(violation))))
})
