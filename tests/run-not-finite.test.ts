/** A step whose gradient is not finite: the state goes back to the last good one, that step is passed over, and the run goes on. */
import { assert, it } from "vitest"
import { makeWorkplace } from "./rae-processes.ts"

const place = makeWorkplace()

it("passes over the steps that are not finite, and ends where it should", async () => {
  // Weights of 1e30 after the decoder's update: what it draws then is not finite, and neither is the discriminator's gradient.
  const { stderr } = await place.done(place.runWords("overflow", "--set", "training.optimizer.lr=1e30", "--set", "checkpoint.every_steps=0", "--stop-after", "2"))
  assert.match(stderr, /stopped at 2, not done/)
  const down = (await place.events("overflow")).filter((event) => event.type === "supervisor.child_down")
  assert.deepStrictEqual(down.map(({ offender, reason }) => `${offender}: ${/not finite at step \d/.exec(reason)?.[0]}`), ["trainer: not finite at step 0", "trainer: not finite at step 1"])
})
