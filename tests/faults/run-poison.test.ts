/** The same fault at the same step, again and again: no endless loop, an exit code of its own, and a diagnosis. */
import { assert, it } from "vitest"
import { makeWorkplace } from "../rae-processes.ts"

const place = makeWorkplace()
const words = ["--set", "supervision.max_without_progress=1"]

it("an actor that always throws there: a few restarts of the actors, a few of the engine, then the end", async () => {
  const { code, stderr } = await place.rae(place.runWords("actor", ...words), { env: { RAE_FAULT: "generator.backward@1+" } })
  assert.strictEqual(code, 5, stderr)
  assert.match(stderr, /actor failed: 1 restarts brought no checkpoint newer than none; the last failure, at step 0: .*training gave up on generator: 3 restarts and still at 0; last: fault point generator\.backward@4/)
  const down = (await place.events("actor")).filter((event) => event.type === "supervisor.child_down").map(({ offender }) => offender)
  assert.deepStrictEqual([down.filter((who) => who === "generator").length, down.filter((who) => who === "engine").length], [8, 2], down.join())
  await place.assertLeftInOrder("actor")
})

it("an engine that always dies there", async () => {
  const { code, stderr } = await place.rae(place.runWords("engine", ...words, "--set", "checkpoint.every_steps=0"), { env: { RAE_FAULT: "discriminator.learn@2+:kill" } })
  assert.strictEqual(code, 5, stderr)
  assert.match(stderr, /engine failed: 1 restarts brought no checkpoint newer than none; the last failure, at step 1: engine \(pid \d+\) ended with SIGKILL/)
  assert.lengthOf((await place.events("engine")).filter(({ type }) => type === "engine.started"), 2)
})
