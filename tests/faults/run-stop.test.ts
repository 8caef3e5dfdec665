/** What a stop waits for, and for how long. */
import { assert, it } from "vitest"
import { makeWorkplace } from "../rae-processes.ts"

const place = makeWorkplace()

it("a stop does not wait for an evaluation, and one that was broken off at the end of the run is made up for", async () => {
  const many = ["--set", "eval.images=400", "--set", "eval.batch_size=1", "--set", "training.epochs=1"]
  const run = place.start(place.runWords("evaluating", ...many))
  await place.seen("evaluating", "train.step", ({ step }) => step === 6)
  run.kill("SIGTERM")
  const { code, stderr } = await run.ended
  assert.strictEqual(code, 143, stderr)
  assert.match(stderr, /interrupted by SIGTERM at step 6, saved/)
  const cut = (await place.events("evaluating")).filter((event) => event.type === "eval.cut_off")
  assert.lengthOf(cut, 1)
  assert.isBelow(cut[0]!.images, 400)

  await place.done(place.runWords("evaluating", ...many))
  const events = await place.events("evaluating")
  assert.deepStrictEqual(events.filter((event) => event.type === "eval.finished").map(({ images, step }) => ({ images, step })), [{ images: 400, step: 6 }])
  assert.deepStrictEqual(events.filter((event) => event.type === "train.step").map(({ step }) => step), [1, 2, 3, 4, 5, 6], "no step twice")
})

it("a stop that cannot save ends by its deadline, says what is lost, and leaves the run to be gone on with", async () => {
  const words = place.runWords("late", "--set", "supervision.stop_seconds=1", "--set", "checkpoint.max_unsaved_steps=4")
  const run = place.start(words, { env: { RAE_FAILPOINT: "write.before:delay:600000" } })
  await place.seen("late", "train.paused")
  run.kill("SIGTERM")
  const { code, stderr } = await run.ended
  assert.strictEqual(code, 1, stderr)
  assert.match(stderr, /stopped at step 4, unsaved: finishing the step and saving took longer than 1 s; no checkpoint was saved yet/)
  await place.done(words)
  await place.assertLeftInOrder("late")
})

it("SIGHUP does not end a run", async () => {
  const run = place.start(place.runWords("hangup", "--set", "checkpoint.max_unsaved_steps=4"), { env: { RAE_FAILPOINT: "write.before@1:delay:1000" } })
  await place.seen("hangup", "train.step")
  run.kill("SIGHUP")
  const { code, stderr } = await run.ended
  assert.strictEqual(code, 0, stderr)
  assert.deepStrictEqual((await place.events("hangup")).filter((event) => event.type === "signal.received").map(({ action, signal }) => `${signal}: ${action}`), ["SIGHUP: going on"])
})
