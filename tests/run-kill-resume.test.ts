/** The engine gets SIGKILL in mid-run: the run goes on by itself, and ends with the bits of one that nobody disturbed. Other moments: tests/faults/run-kill.test.ts. */
import { assert, it } from "vitest"
import { makeWorkplace } from "./rae-processes.ts"

const place = makeWorkplace()

it("goes on from its checkpoint, and ends equal", async () => {
  await place.done(place.runWords("undisturbed"))
  // The second save is held and training waits for it, so that the kill does not come too late.
  const run = place.start(place.runWords("killed", "--set", "checkpoint.max_unsaved_steps=4"), { env: { RAE_FAILPOINT: "write.before@2:delay:3000" } })
  const { seq, step } = await place.seen("killed", "checkpoint.committed")
  process.kill(await place.enginePid(run.pid), "SIGKILL")
  const loaded = await place.seen("killed", "checkpoint.loaded", () => true, seq)
  assert.strictEqual(loaded.step, step)
  const { code, stderr } = await run.ended
  assert.strictEqual(code, 0, stderr)
  await place.assertSameState("killed", "undisturbed")
  await place.assertLeftInOrder("killed")
})
