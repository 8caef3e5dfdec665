/** Training on image files: photographs where there are some (RAE_PHOTOS, or ../shared/data/photos), else JPEGs made here. */
import { assert, it } from "vitest"
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import sharp from "sharp"
import { makeWorkplace } from "./rae-processes.ts"

const place = makeWorkplace()
const photos = [process.env["RAE_PHOTOS"], resolve(import.meta.dirname, "../../shared/data/photos")].find((dir) => dir !== undefined && existsSync(dir))

/** Some images in two classes. */
const fill = async (folder: string, count: number) => {
  const found = photos === undefined ? [] : readdirSync(photos, { recursive: true, encoding: "utf8" }).filter((path) => /\.jpe?g$/i.test(path)).toSorted().slice(0, count)
  for (let i = 0; i < count; i++) {
    const dir = join(place.root, folder, i % 2 === 0 ? "even" : "odd")
    mkdirSync(dir, { recursive: true })
    const photo = found[i]
    if (photo !== undefined) copyFileSync(join(photos!, photo), join(dir, `${i}-${basename(photo)}`))
    else await sharp({ create: { width: 90 + i, height: 70, channels: 3, background: "black", noise: { type: "gaussian", mean: 20 * (i % 10) + 30, sigma: 40 } } }).jpeg().toFile(join(dir, `${i}.jpg`))
  }
}

it("trains on image files; a corrupt one is replaced, always by the same, and reported", async () => {
  await fill("photos", 14)
  const whole = readFileSync(join(place.root, "photos/even", readdirSync(join(place.root, "photos/even"))[0]!))
  // Held out is every tenth by the hash of its name: these two are trained on.
  const truncated = place.write("photos/odd/truncated.jpg", whole.subarray(0, whole.length / 3))
  const text = place.write("photos/odd/text.jpg", "no image at all")

  const words = ["--data", join(place.root, "photos")]
  const started = await place.done(place.runWords("photos", ...words, "--stop-after", "4"))
  assert.match(started.stderr.split("\n")[0]!, /data .*photos \(\d+ images\)/)
  // The folder is taken from run.json.
  await place.done(place.runWords("photos"))
  await place.done(place.runWords("at-once", ...words))
  await place.assertSameState("photos", "at-once")

  const replaced = (await place.events("at-once")).filter((event) => event.type === "data.image_replaced")
  assert.sameMembers(replaced.map(({ path }) => path), [truncated, text])
  for (const { index, reason, replacement } of replaced) {
    assert.notStrictEqual(reason, "")
    assert.notStrictEqual(replacement, index)
  }
  const evaluated = (await place.events("at-once")).find((event) => event.type === "eval.finished")
  assert.isAtLeast(evaluated?.images ?? 0, 1)
  await place.assertLeftInOrder("at-once")
})
