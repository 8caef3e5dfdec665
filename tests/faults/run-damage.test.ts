/** What lies on the disk is not what it should be: a checkpoint that was altered, images that are none. */
import { assert, it } from "vitest"
import { closeSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import sharp from "sharp"
import { makeWorkplace } from "../rae-processes.ts"

const place = makeWorkplace()

it("a checkpoint whose file is no safetensors any more is put aside, and the one before is taken", async () => {
  // Training waits for the checkpoint of step 3, so that there is one.
  const words = ["--set", "checkpoint.max_unsaved_steps=3", "--stop-after"]
  await place.done(place.runWords("altered", ...words, "6"))
  const file = openSync(join(place.runDir("altered"), "checkpoints/step-000000006/decoder.safetensors"), "r+")
  writeSync(file, "#", 8) // the first byte of the header
  closeSync(file)
  const { stderr } = await place.done(place.runWords("altered", ...words, "7"))
  assert.match(stderr, /quarantined +step 6/)
  assert.match(stderr, /resumed from step 3/, stderr)
  const saves = (await place.events("altered")).filter((event) => event.type === "snapshot.taken").map(({ reason, step }) => `${step} ${reason}`)
  assert.include(saves, "4 asked for", "another good checkpoint is not waited for")
})

it("an unreadable held-out image is left out of the figures, and told of once", async () => {
  const picture = await sharp({ create: { width: 48, height: 40, channels: 3, background: "teal" } }).png().toBuffer()
  for (const name of ["a", "c"]) place.write(`held/${name}.png`, picture)
  place.write("held/b.png", picture.subarray(0, 60))
  const words = ["--set", `eval.data_path=${join(place.root, "held")}`, "--set", "eval.eval_interval=1", "--set", "eval.samples=1", "--stop-after", "2"]
  await place.done(place.runWords("held", ...words))
  const events = await place.events("held")
  assert.deepStrictEqual(events.filter((event) => event.type === "eval.finished").map(({ images, step }) => ({ images, step })), [{ images: 2, step: 1 }, { images: 2, step: 2 }])
  const { width } = await sharp(join(place.runDir("held"), "eval/step-000000002.png")).metadata()
  assert.strictEqual(width, 32, "one column: the original above its reconstruction")
  assert.deepStrictEqual(events.filter((event) => event.type === "eval.image_unreadable").map(({ path }) => path), [join(place.root, "held/b.png")])
})

it("too many unreadable images end the run with their list, after one start", async () => {
  for (let i = 0; i < 12; i++) place.write(`broken/class/${i}.jpg`, "no image")
  const { code, stderr } = await place.rae(place.runWords("unreadable", "--data", join(place.root, "broken"), "--set", "data.max_corrupt=0"))
  assert.strictEqual(code, 1, stderr)
  assert.match(stderr, /more than 0 unreadable images:\n.*broken\/class\/\d+\.jpg/)
  assert.lengthOf((await place.events("unreadable")).filter(({ type }) => type === "engine.started"), 1)
})
