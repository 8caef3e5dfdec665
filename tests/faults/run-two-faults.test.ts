/** A second fault while the first is being dealt with. */
import { assert, it } from "vitest"
import { closeSync, openSync, readdirSync, writeSync } from "node:fs"
import { join } from "node:path"
import type { RunJson } from "../../actors/run-json.ts"
import { eventually, makeWorkplace } from "../rae-processes.ts"

const place = makeWorkplace()
const stepsOf = async (name: string, run: string) => (await place.events(name)).filter((event) => event.type === "train.step" && event.run === run).map((event) => event.type === "train.step" ? event.step : 0)
const twelve = Array.from({ length: 12 }, (_, i) => i + 1)

it("the supervisor is killed between two variants of a study: none is trained twice, none is left out", async () => {
  const config = place.write("study.yaml", "extends: small.yaml\nstudy: { variants: { a: {}, b: { gan.loss.disc_weight: 0.5 } } }\n")
  await place.done(["run", config, "--name", "undisturbed"])
  for (const [name, type] of [["committed", "checkpoint.committed"], ["finished", "run.finished"]] as const) {
    const run = place.start(["run", config, "--name", name])
    await place.seen(name, type, (event) => event.step === 12)
    run.kill("SIGKILL")
    await run.ended
    await place.done(["run", config, "--name", name])
    for (const variant of ["a", "b"]) {
      const steps = await stepsOf(name, `${name}/${variant}`)
      // Steps of b that were taken before the kill and not saved are taken again; of a, all was saved.
      assert.deepStrictEqual(variant === "a" ? steps : [...new Set(steps)].toSorted((a, b) => a - b), twelve, `${name}/${variant}`)
      assert.strictEqual((place.readJson("runs", name, variant, "run.json") as RunJson).state, "done")
      await place.assertSameState(`${name}/${variant}`, `undisturbed/${variant}`)
    }
    await place.assertLeftInOrder(name)
  }
})

it("the engine is killed while the run falls back from a damaged checkpoint to the one before", async () => {
  await place.done(place.runWords("whole"))
  await place.done(place.runWords("fallback", "--set", "checkpoint.max_unsaved_steps=3", "--stop-after", "6"))
  const file = openSync(join(place.runDir("fallback"), "checkpoints/step-000000006/ema.safetensors"), "r+")
  writeSync(file, "#", 300)
  closeSync(file)
  const before = (await place.events("fallback")).at(-1)?.seq ?? 0
  const run = place.start(place.runWords("fallback", "--set", "checkpoint.max_unsaved_steps=3"))
  const engine = await place.enginePid(run.pid)
  await eventually("the damaged checkpoint put aside", () => readdirSync(join(place.runDir("fallback"), "checkpoints")).includes("step-000000006") ? undefined : true)
  process.kill(engine, "SIGKILL")
  const { code, stderr } = await run.ended
  assert.strictEqual(code, 0, stderr)
  const events = (await place.events("fallback")).filter(({ seq }) => seq > before)
  assert.deepStrictEqual(events.filter((event) => event.type === "checkpoint.quarantined").map(({ step }) => step), [6])
  assert.strictEqual(events.filter(({ type }) => type === "engine.started").length, 2)
  await place.assertSameState("fallback", "whole")
  await place.assertLeftInOrder("fallback")
})
