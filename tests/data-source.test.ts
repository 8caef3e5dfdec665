/** Samples and batches: pure functions of (source, epoch, index), with corrupt images replaced. */
import { afterAll, assert, describe, it } from "vitest"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { loadBatch } from "../src/data/batch.ts"
import { CorruptSample } from "../src/data/corrupt-sample.ts"
import { cropName } from "../src/data/crop.ts"
import { drawnSource } from "../src/data/drawn-source.ts"
import { folderSource } from "../src/data/folder-source.ts"
import { listImageFolder } from "../src/data/image-folder.ts"
import { makeSample, type SampleJob } from "../src/data/sample-job.ts"
import { samplePool } from "../src/data/sample-pool.ts"
import type { ImageSource } from "../src/data/source.ts"
import { goldenImage } from "./golden-images/picture.ts"

const root = mkdtempSync(join(tmpdir(), "rae-source-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const names = ["colour.jpg", "grey.jpg", "cmyk.jpg", "palette.png", "alpha.png", "lossless.webp"]
for (const [at, name] of names.entries()) {
  mkdirSync(join(root, `class${at % 2}`), { recursive: true })
  copyFileSync(goldenImage(name), join(root, `class${at % 2}`, name))
}
const draws = { seed: 11, cropsPerImage: null }
const folder = await listImageFolder(root)
const sources: ReadonlyArray<readonly [string, ImageSource, ImageSource]> = [
  ["folder", folderSource(folder, draws), folderSource(folder, { ...draws, cropsPerImage: 2 })],
  ["drawn", drawnSource(6, "training", draws), drawnSource(6, "training", { ...draws, cropsPerImage: 2 })]
]

describe.each(sources)("a %s source", (_, source, repeating) => {
  it("gives the same sample for the same question", async () => {
    for (let index = 0; index < source.count; index++) {
      assert.deepStrictEqual(await source.train(3, index, 8), await source.train(3, index, 8))
      assert.deepStrictEqual(await source.evaluation(index, 8), await source.evaluation(index, 8))
    }
  })

  it("gives whole samples of the wanted size, and others for other images", async () => {
    const samples = await Promise.all(Array.from({ length: source.count }, (_, index) => source.train(0, index, 8)))
    for (const { pixels } of samples) assert.strictEqual(pixels.length, 8 * 8 * 3)
    assert.strictEqual(new Set(samples.map(({ pixels }) => Buffer.from(pixels).toString("hex"))).size, 6)
    assert.strictEqual(new Set(samples.map(({ hash }) => hash)).size, 6)
    assert.strictEqual(new Set(samples.map(({ path }) => path)).size, 6)
  })

  it("crops anew every epoch", async () => {
    const crops = await Promise.all(Array.from({ length: 12 }, (_, epoch) => source.train(epoch, 1, 8)))
    assert.isAbove(new Set(crops.map(({ crop }) => cropName(crop))).size, 4)
    assert.strictEqual(new Set(crops.map(({ hash }) => hash)).size, 1)
  })

  it("repeats its crops every K epochs where asked to", async () => {
    assert.deepStrictEqual(await repeating.train(5, 1, 8), await repeating.train(1, 1, 8))
    assert.notDeepEqual((await repeating.train(4, 1, 8)).crop, (await repeating.train(1, 1, 8)).crop)
  })

  it("refuses an index that it does not have", async () => {
    for (const index of [6, -1]) {
      await source.train(0, index, 8).then(() => assert.fail("should reject"), (cause: unknown) => assert.instanceOf(cause, RangeError))
    }
  })
})

describe("sources", () => {
  it("flag what is smaller than the crop", async () => {
    assert.deepStrictEqual((await folderSource(folder, draws).train(0, 0, 64)).upscaled, { width: 24, height: 18 })
    assert.isNull((await folderSource(folder, draws).train(0, 0, 16)).upscaled)
    assert.isNull((await drawnSource(1, "training", draws).train(0, 0, 64)).upscaled)
  })

  it("draw other pictures to hold out than to train on, and the same picture at any size", async () => {
    const held = drawnSource(6, "held-out", draws)
    assert.notStrictEqual((await held.evaluation(0, 32)).hash, (await drawnSource(6, "training", draws).evaluation(0, 32)).hash)
    const [small, large] = [await held.evaluation(0, 32), await held.evaluation(0, 64)]
    const mean = (pixels: Uint8Array) => pixels.reduce((sum, byte) => sum + byte, 0) / pixels.length
    assert.strictEqual(small.hash, large.hash)
    assert.approximately(mean(small.pixels), mean(large.pixels), 2)
  })

  it("draw pictures with something to see in each", async () => {
    const source = drawnSource(40, "training", draws)
    for (let index = 0; index < source.count; index++) {
      const { pixels } = await source.train(0, index, 32)
      assert.isAbove(new Set(pixels).size, 40)
    }
  })
})

describe("a process of its own", () => {
  const inProcess = samplePool(1)
  const jobs = (["file", "drawing"] as const).flatMap((kind) => [null, 3].map((epoch): SampleJob =>
    ({ kind, index: 0, path: kind === "file" ? goldenImage("colour.jpg") : "drawn/x/0", size: 8, epoch, draws })))

  it("makes the samples that this one makes", async () => {
    const made = await Promise.all(jobs.map(inProcess))
    assert.deepStrictEqual(made, await Promise.all(jobs.map(makeSample)))
  })

  it("says what went wrong, and goes on", async () => {
    const [job] = jobs as [SampleJob]
    const rejection = (promise: Promise<unknown>) => promise.then(() => assert.fail("should reject"), (cause: unknown) => cause)
    const corrupt = await rejection(inProcess({ ...job, index: 4, path: "/nowhere.png" }))
    assert.instanceOf(corrupt, CorruptSample)
    assert.deepStrictEqual([corrupt.index, corrupt.path, corrupt.problem, corrupt.reason], [4, "/nowhere.png", "vanished", "vanished: ENOENT"])
    assert.match(String(await rejection(inProcess({ ...job, path: "a\0b" }))), /without null bytes/)
    assert.strictEqual((await inProcess(job)).pixels.length, 192)
  })

  it("dies of an image alone: the image is the corrupt one, whatever else was in hand", async () => {
    const crashing = samplePool(1, join(import.meta.dirname, "crashing-decoder.ts"))
    const drawing = jobs[2]!
    const wanted = Array.from({ length: 12 }, (_, index): SampleJob => ({ ...drawing, index, path: index % 5 === 2 ? `crash/${index}` : `drawn/x/${index}` }))
    const made = await Promise.allSettled(wanted.map(crashing))
    const failed = made.flatMap((result, index) => result.status === "rejected" ? [{ index, cause: result.reason as CorruptSample }] : [])
    assert.deepStrictEqual(failed.map(({ index }) => index), [2, 7])
    for (const { cause, index } of failed) assert.deepInclude(cause, { _tag: "CorruptSample", index, path: `crash/${index}`, reason: "corrupt: it crashes the decoder (SIGSEGV)" })
    const sound = await Promise.all(wanted.filter(({ path }) => !path.startsWith("crash")).map(makeSample))
    assert.deepStrictEqual(made.flatMap((result) => result.status === "fulfilled" ? [result.value] : []), sound)
    assert.strictEqual((await crashing(drawing)).index, 0, "and goes on")
  })

  it("that does not start is no fault of an image", async () => {
    const cause: unknown = await samplePool(1, "/nowhere/decoder.ts")(jobs[0]!).then(() => assert.fail("should reject"), (error: unknown) => error)
    assert.notInstanceOf(cause, CorruptSample)
    assert.match(String(cause), /ended with code 1 before it could serve/)
  })

  it("is none where none is wanted", () => assert.strictEqual(samplePool(0), makeSample))
})

describe("a batch", () => {
  const request = { seed: 11, epoch: 2, indices: [4, 0, 3, 5, 1, 2], size: 8 }

  it("holds the samples in the order asked for, pixels one after the other", async () => {
    const source = folderSource(folder, draws)
    const { samples, pixels, replaced } = await loadBatch(source, request)
    assert.deepStrictEqual(samples.map(({ index }) => index), request.indices)
    assert.deepStrictEqual(replaced, [])
    for (const [at, index] of request.indices.entries()) {
      assert.deepStrictEqual(pixels.slice(at * 192, (at + 1) * 192), (await source.train(2, index, 8)).pixels)
    }
  })

  it("replaces corrupt images, the same way each time, and says so", async () => {
    const bad = folder.paths.filter((path) => /grey|palette/.test(path)).map((path) => folder.paths.indexOf(path))
    for (const index of bad) writeFileSync(join(root, folder.paths[index]!), "no image")
    const source = folderSource(folder, draws)
    const [first, second] = [await loadBatch(source, request), await loadBatch(source, request)]
    assert.deepStrictEqual(first.pixels, second.pixels)
    assert.deepStrictEqual(first.replaced.map(({ index }) => index).sort(), bad.sort())
    for (const { index, replacement, corrupt } of first.replaced) {
      assert.isFalse(bad.includes(replacement))
      assert.strictEqual(corrupt[0]!.index, index)
      assert.strictEqual(corrupt[0]!.problem, "not an image")
      assert.strictEqual(first.samples[request.indices.indexOf(index)]!.index, replacement)
    }
  })

  it("gives up where everything is corrupt", async () => {
    const nothing: ImageSource = { ...drawnSource(50, "training", draws), train: (_, index) => Promise.reject(new CorruptSample({ index, path: "p", problem: "vanished", reason: "vanished" })) }
    await loadBatch(nothing, request).then(() => assert.fail("should reject"), (cause: unknown) => assert.instanceOf(cause, CorruptSample))
  })

  it("does not hide what is no fault of the image", async () => {
    const broken: ImageSource = { ...drawnSource(50, "training", draws), train: () => Promise.reject(new Error("EMFILE")) }
    await loadBatch(broken, request).then(() => assert.fail("should reject"), (cause: Error) => assert.strictEqual(cause.message, "EMFILE"))
  })

  it("stops when it is no longer wanted", async () => {
    await loadBatch(drawnSource(50, "training", draws), request, AbortSignal.abort("gone")).then(() => assert.fail("should reject"), (cause: unknown) => assert.strictEqual(cause, "gone"))
  })
})
