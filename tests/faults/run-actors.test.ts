/** An actor throws in the real tree: what restarts with it, what does not, and that the run ends with the bits of one in which none did. */
import { assert, beforeAll, it } from "vitest"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Status } from "../../actors/status.ts"
import { askControl } from "../../src/runtime/control-client.ts"
import { isAlive, makeWorkplace } from "../rae-processes.ts"

const place = makeWorkplace()
const words = ["--set", "eval.eval_interval=6", "--set", "feature_cache.mode=on"]

beforeAll(() => place.done(place.runWords("undisturbed", ...words)))

const deaths = async (name: string) =>
  (await place.events(name)).filter((event) => event.type === "supervisor.child_down").map(({ offender, strategy, supervisor }) => ({ supervisor, strategy, offender }))
const steps = async (name: string) => (await place.events(name)).filter((event) => event.type === "train.step").map(({ step }) => step)
const enginesOf = async (name: string) => (await place.events(name)).filter(({ type }) => type === "engine.started").length

it("generator, discriminator, EMA throw: all three begin again from the last good state, in the same process", async () => {
  const faults = ["generator.backward@5", "discriminator.learn@8", "ema.follow@11"]
  const { stderr } = await place.done(place.runWords("state", ...words), { env: { RAE_FAULT: faults.join(",") } })
  assert.deepStrictEqual(await deaths("state"), ["generator", "discriminator", "ema"].map((offender) => ({ supervisor: "training", strategy: "one-for-all", offender })), stderr)
  assert.strictEqual(await enginesOf("state"), 1)
  const seen = await steps("state")
  assert.isAbove(seen.length, 12, "steps are done again")
  assert.deepStrictEqual([...new Set(seen)], Array.from({ length: 12 }, (_, i) => i + 1))
  await place.assertSameState("state", "undisturbed")
  await place.assertLeftInOrder("state")
})

it("loader, feature cache, evaluator throw: each begins again alone, and no step is done twice", async () => {
  const faults = ["data_loader.batch@4", "feature_cache.features@6", "evaluator.evaluate@1"]
  const { stderr } = await place.done(place.runWords("stateless", ...words), { env: { RAE_FAULT: faults.join(",") } })
  assert.deepStrictEqual(await deaths("stateless"), ["data_loader", "feature_cache", "evaluator"].map((offender) => ({ supervisor: "engine", strategy: "one-for-one", offender })), stderr)
  assert.deepStrictEqual(await steps("stateless"), Array.from({ length: 12 }, (_, i) => i + 1))
  const evaluations = (await place.events("stateless")).filter((event) => event.type === "eval.failed" || event.type === "eval.finished").map(({ step, type }) => `${type} ${step}`)
  assert.deepStrictEqual(evaluations, ["eval.finished 6", "eval.finished 12"])
  await place.assertSameState("stateless", "undisturbed")
  await place.assertLeftInOrder("stateless")
})

it("an evaluation whose picture cannot be written gives its figures", async () => {
  await place.done(place.runWords("unpainted", "--stop-after", "4"))
  mkdirSync(join(place.runDir("unpainted"), "eval", "step-000000012.png"), { recursive: true })
  await place.done(place.runWords("unpainted"))
  const events = await place.events("unpainted")
  assert.deepStrictEqual(events.filter((event) => event.type === "eval.picture_failed").map(({ step }) => step), [12])
  const finished = events.findLast((event) => event.type === "eval.finished")
  assert.deepInclude(finished, { step: 12, picture: null })
  assert.isFalse(place.exists("runs", "unpainted", "eval", "step-000000012.png.new"), "nothing half-written stays")
})

it("the number of live tensors does not grow with the steps", async () => {
  const run = place.start(place.runWords("flat", "--set", "training.epochs=10", "--set", "eval.eval_interval=0"))
  const started = await place.seen("flat", "train.step")
  assert.strictEqual(started.step, 1)
  const samples: Array<{ readonly step: number; readonly handles: number }> = []
  while (isAlive(run.pid)) {
    const status = await askControl({ dir: place.runDir("flat"), path: "/status" }).catch(() => null) as Status | null
    // the last step is followed by an evaluation, with tensors of its own
    if (status?.engine.handles == null || status.step === 0 || status.step >= status.steps) continue
    if (status.step !== samples.at(-1)?.step) samples.push({ step: status.step, handles: status.engine.handles })
  }
  const { code, stderr } = await run.ended
  assert.strictEqual(code, 0, stderr)
  const early = samples.filter(({ step }) => step <= 30), late = samples.filter(({ step }) => step > 30)
  assert.isAbove(early.length, 1, JSON.stringify(samples))
  assert.isAbove(late.length, 1, JSON.stringify(samples))
  // A sample may fall into the middle of a step; a tensor left behind by every step would still be 30 more.
  const lowest = (some: typeof samples) => Math.min(...some.map(({ handles }) => handles))
  assert.isAtMost(lowest(late), lowest(early) + 20, JSON.stringify(samples))
})
