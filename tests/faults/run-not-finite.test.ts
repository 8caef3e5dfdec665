/** Values that are not finite: the state goes back to the last good one, that step is passed over, and the run goes on; or ends, where none is left. */
import { assert, it } from "vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { makeWorkplace } from "../rae-processes.ts"

const place = makeWorkplace()
const passedOver = async (name: string) => (await place.events(name)).filter((event) => event.type === "train.not_finite").map(({ rolled_back_to, step, what }) => ({ step, what, rolled_back_to }))
/** The decoder's weights after an update are 1e30: what it draws then is not finite, and neither is what the discriminator learns from it. */
const overflow = ["--set", "training.optimizer.lr=1e30", "--set", "checkpoint.every_steps=0"]

it("goes back and passes over the steps that are not finite, in the same actors; too many in a row are a divergence, exit code 6", async () => {
  const { code, stderr } = await place.rae(place.runWords("overflow", ...overflow, "--set", "divergence.max_skipped=2"))
  assert.strictEqual(code, 6, stderr)
  assert.match(stderr, /overflow failed: .*not finite in 3 steps in a row \(divergence\.max_skipped: 2\)/)
  assert.deepStrictEqual(await passedOver("overflow"), [0, 1, 2].map((step) => ({ step, what: "discriminator", rolled_back_to: 0 })))
  const events = await place.events("overflow")
  const down = events.filter((event) => event.type === "supervisor.child_down").map(({ offender }) => offender)
  assert.deepStrictEqual(down, ["trainer", "training", "engine"], "no actor was restarted: the end went up the tree")
  assert.lengthOf(events.filter(({ type }) => type === "engine.started"), 1)
  await place.assertLeftInOrder("overflow")
})

it("a batch that is not a number costs that step alone; a resume passes it over too", async () => {
  await place.done(place.runWords("transient", "--stop-after", "8"), { env: { RAE_FAULT: "trainer.batch@5:nan" } })
  assert.deepStrictEqual(await passedOver("transient"), [{ step: 4, what: "loss", rolled_back_to: null }])
  await place.done(place.runWords("transient"))
  const steps = (await place.events("transient")).filter((event) => event.type === "train.step").map(({ step }) => step)
  assert.deepStrictEqual(steps, [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12])
  const { skipped } = JSON.parse(readFileSync(join(place.runDir("transient"), "checkpoints/step-000000012/state.json"), "utf8")) as { readonly skipped: ReadonlyArray<number> }
  assert.deepStrictEqual(skipped, [4])

  // The same with the engine killed after it: the replay knows the step.
  await place.done(place.runWords("replayed", "--set", "checkpoint.max_unsaved_steps=3"), { env: { RAE_FAULT: "trainer.batch@5:nan,generator.backward@10:kill" } })
  await place.assertSameState("replayed", "transient")
})
