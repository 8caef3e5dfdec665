/**
 * Every failpoint of the commit protocol × SIGKILL of the engine and of the supervisor, with real processes: the save is held at the point,
 * the victim is killed there, and the run ends equal to one that nobody disturbed, with nothing left over.
 *
 * A few of the table here; `RAE_COMMIT_KILLS=all npm test -- tests/faults/run-commit-kill.test.ts` takes all 32.
 */
import { assert, beforeAll, describe, it } from "vitest"
import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { names } from "../../src/checkpoint/failpoints.ts"
import { eventually, isAlive, makeWorkplace } from "../rae-processes.ts"

const place = makeWorkplace()
/** Training waits for each save, so that there are four, and the run is not over before the second is held. */
const words = ["--set", "checkpoint.max_unsaved_steps=3", "--set", "checkpoint.keep_last=2"]
const victims = ["engine", "supervisor"] as const
const all = names.flatMap((name) => victims.map((victim) => [name, victim] as const))
const few = new Set(["manifest.after engine", "fsync.before supervisor", "prune.between supervisor"])
const cases = process.env["RAE_COMMIT_KILLS"] === "all" ? all : all.filter(([name, victim]) => few.has(`${name} ${victim}`))

describe("SIGKILL while a save is held", () => {
  beforeAll(() => place.done(place.runWords("undisturbed", ...words)))

  it.each(cases)("at %s, to the %s", async (name, victim) => {
    const run = `${name}-${victim}`
    const held = join(place.root, run)
    const visit = name.startsWith("prune.") ? 1 : 2
    const first = place.start(place.runWords(run, ...words), { env: { RAE_FAILPOINT: `${name}@${visit}:hold:${held}` } })
    await eventually(`the save to be held at ${name}`, () => existsSync(held) ? true : undefined)
    const engine = await place.enginePid(first.pid)
    if (victim === "engine") {
      process.kill(engine, "SIGKILL")
      await eventually("the engine's end", () => isAlive(engine) ? undefined : true)
      rmSync(held)
    } else {
      first.kill("SIGKILL")
      await first.ended
      await eventually("the engine's end", () => isAlive(engine) ? undefined : true)
      await place.done(place.runWords(run, ...words))
    }
    if (victim === "engine") assert.strictEqual((await first.ended).code, 0, (await first.ended).stderr)
    await place.assertSameState(run, "undisturbed")
    await place.assertLeftInOrder(run)
  })
})
