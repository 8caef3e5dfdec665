/** What rFID compares with: a folder, an npz of images and their moments are the same reference; wrong files are named with what was expected and found. */
import { afterAll, assert, describe, it } from "vitest"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import sharp from "sharp"
import { Refused } from "../actors/process-failure.ts"
import { momentsOfReference, openReference, writeMoments } from "../actors/reference-moments.ts"
import { makeSample } from "../src/data/sample-job.ts"
import type { Moments } from "../src/eval/feature-moments.ts"
import { frechetDistance } from "../src/eval/frechet-distance.ts"
import { NpzWriter } from "../src/formats/npz-writer.ts"
import { Inception, inceptionSpec } from "../src/models/inception.ts"
import { randomWeights } from "../src/models/random-weights.ts"
import * as T from "../src/tensor/ops.ts"

const dir = mkdtempSync(join(tmpdir(), "rae-reference-"))
afterAll(() => rmSync(dir, { recursive: true }))
const side = 16

const pixelsOf = (i: number) => Uint8Array.from({ length: side * side * 3 }, (_, at) => (i * 29 + (at % 3) * 60 + Math.floor(at / 3) * (1 + i % 4)) % 256)
const npz = async (name: string, arrays: ReadonlyArray<readonly [name: string, dtype: "uint8" | "float32", shape: ReadonlyArray<number>, items: Uint8Array | number]>) => {
  const path = join(dir, name)
  const writer = await NpzWriter.create(path)
  for (const [array, dtype, shape, items] of arrays) {
    await writer.begin(array, dtype, shape)
    await writer.append(typeof items === "number" ? new Uint8Array(items * shape.reduce((product, size) => product * size, dtype === "uint8" ? 1 : 4)) : items)
  }
  await writer.finish()
  return path
}
const open = (kind: "folder" | "npz", path: string) => openReference({ kind, path }, side, makeSample, "cpu")

describe("a reference", () => {
  it("is the same as a folder, as an npz of its images, and as their moments", async () => {
    const folder = join(dir, "images")
    mkdirSync(folder)
    for (let i = 0; i < 4; i++) writeFileSync(join(folder, `${i}.png`), await sharp(pixelsOf(i), { raw: { width: side, height: side, channels: 3 } }).png().toBuffer())
    const packed = await npz("packed.npz", [["arr_0", "uint8", [side, side, 3], Buffer.concat([0, 1, 2, 3].map(pixelsOf))]])
    const moments = join(dir, "moments.npz")
    const inception = new Inception(randomWeights(inceptionSpec(), 0))
    const said: Array<readonly [number, number]> = []
    const gather = async (kind: "folder" | "npz", path: string) => momentsOfReference(await open(kind, path), inception, { device: "cpu", batchSize: 3, say: (done, of) => said.push([done, of]) })
    const ofFolder = await gather("folder", folder)
    await writeMoments(moments, ofFolder.moments)
    const others = [await gather("npz", packed), await gather("npz", moments)]
    assert.deepStrictEqual([ofFolder, ...others].map(({ images }) => images), [4, 4, null])
    assert.deepStrictEqual(said, [[3, 4], [4, 4], [3, 4], [4, 4]])
    const size = T.item(T.sum(T.square(ofFolder.moments.factor)))
    assert.isAbove(size, 0)
    assert.strictEqual(frechetDistance(others[0]!.moments, ofFolder.moments) < 1e-12 * size, true)
    // a covariance written out keeps half of the digits of its smallest deviations
    assert.isBelow(frechetDistance(others[1]!.moments, ofFolder.moments), 1e-7 * size)
    const shifted: Moments = { ...ofFolder.moments, mean: T.add(ofFolder.moments.mean, 1) }
    assert.closeTo(frechetDistance(others[1]!.moments, shifted), 2048, 1e-3)
    inception.dispose()
  })

  it("that is none is refused, and nothing is written", async () => {
    const refusal = async (name: string) => {
      try {
        const reference = await open("npz", join(dir, name))
        if (reference.kind === "images") for await (const images of reference.batches(2)) images.dispose()
      } catch (error) {
        if (error instanceof Refused) return `${error.message}\n${error.help}`
        throw error
      }
      return "accepted"
    }
    await npz("other.npz", [["labels", "uint8", [], 3]])
    assert.match(await refusal("other.npz"), /other\.npz: it holds `labels`, expected `arr_0`, or `mu` and `sigma`\ngive an npz of images/)
    await npz("grey.npz", [["arr_0", "uint8", [8, 8, 1], 3]])
    assert.match(await refusal("grey.npz"), /`arr_0` is uint8 \[3, 8, 8, 1\], expected uint8 \[N, height, width, 3\]/)
    await npz("one.npz", [["arr_0", "uint8", [8, 8, 3], 1]])
    assert.match(await refusal("one.npz"), /1 images, expected at least 2/)
    await npz("small.npz", [["mu", "float32", [], 64], ["sigma", "float32", [64], 64]])
    assert.match(await refusal("small.npz"), /`mu` is float32 \[64\], expected float \[2048\]/)
    truncateSync(await npz("cut.npz", [["arr_0", "uint8", [8, 8, 3], 4]]), 500)
    assert.match(await refusal("cut.npz"), /cut\.npz: invalid zip at end/)
    writeFileSync(join(dir, "text.npz"), "no archive at all")
    assert.match(await refusal("text.npz"), /text\.npz: invalid zip at end/)
    assert.match(await refusal("nowhere.npz"), /nowhere\.npz: ENOENT/)
    const damaged = await npz("damaged.npz", [["arr_0", "uint8", [8, 8, 3], 4]])
    const bytes = readFileSync(damaged)
    bytes[400]! ^= 1
    writeFileSync(damaged, bytes)
    assert.match(await refusal("damaged.npz").catch((error: unknown) => String(error)), /its CRC-32 is [0-9a-f]{8}, expected [0-9a-f]{8}: the file is damaged/)
    assert.isFalse(readdirSync(dir).some((name) => name.endsWith(".partial")))
  })
})
