/** How a run begins: anew beside an old one of its name, not at all where it is interrupted on the way, or where the name is taken by something else. */
import { assert, it } from "vitest"
import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { makeWorkplace } from "./rae-processes.ts"

const place = makeWorkplace()

it("--fresh begins at step 0 beside the old run, which is moved aside whole", async () => {
  await place.done(place.runWords("again", "--stop-after", "4"))
  const { stderr } = await place.done(place.runWords("again", "--fresh", "--stop-after", "5"))
  assert.match(stderr, /run again {2}\(new\)/)
  assert.deepStrictEqual((await place.events("again")).filter((event) => event.type === "train.step").map(({ step }) => step), [1, 2, 3, 4, 5])
  const old = readdirSync(place.runsDir).find((name) => name.startsWith("again.")) ?? ""
  assert.include(readdirSync(join(place.runsDir, old, "checkpoints")), "step-000000004")
})

it("SIGINT before training begins ends it at once, and nothing was made", async () => {
  const run = place.start(place.runWords("early"))
  await place.enginePid(run.pid)
  run.kill("SIGINT")
  const { code, stderr } = await run.ended
  assert.strictEqual(code, 130, stderr)
  assert.match(stderr, /^error: early interrupted by SIGINT before training began; nothing was changed$/m)
  assert.isFalse(place.exists("runs", "early"))
})

it("a study does not take the name of a run, nor a run the checkpoints of another config", async () => {
  const study = place.write("study.yaml", "extends: small.yaml\nstudy: { variants: { a: {}, b: {} } }\n")
  const taken = await place.rae(["run", study, "--name", "again"])
  assert.strictEqual(taken.code, 2, taken.stderr)
  assert.match(taken.stderr, /kind: was "run", is "study"/)

  rmSync(join(place.runDir("again"), "run.json"))
  const foreign = await place.rae(place.runWords("again", "--set", "training.global_seed=1"))
  assert.strictEqual(foreign.code, 2, foreign.stderr)
  assert.match(foreign.stderr, /checkpoint .*step-000000005 belongs to a run of another config/)
})
