/** Decoding and resizing give PIL's bytes (tests/golden-images holds them). */
import { assert, describe, it } from "vitest"
import { readdirSync } from "node:fs"
import sharp from "sharp"
import { randomCrop, trainingSize } from "../src/data/crop.ts"
import { decode, readImageFile } from "../src/data/decode.ts"
import { bicubic, box, resample } from "../src/data/resample.ts"
import { cutCentre, cutRandomly } from "../src/data/cut.ts"
import { cut, golden, goldenImage, picture } from "./golden-images/picture.ts"

const equal = (actual: Uint8Array, expected: Uint8Array) => {
  assert.strictEqual(actual.length, expected.length)
  assert.strictEqual(actual.findIndex((byte, at) => byte !== expected[at]), -1, "first differing byte")
}
const base = picture(45, 31)

describe("resample", () => {
  it.each([["larger", 70, 48, bicubic], ["smaller", 17, 12, bicubic], ["halved", 22, 15, box], ["same-width", 45, 40, bicubic]] as const)(
    "%s as PIL", (name, width, height, filter) => equal(resample(base, { width, height }, filter).pixels, golden(`${name}.rgb`)))

  it("a window equals the same part of the whole", () => {
    const whole = resample(base, { width: 70, height: 48 }, bicubic)
    for (const window of [{ left: 0, top: 0, width: 9, height: 5 }, { left: 61, top: 43, width: 9, height: 5 }, { left: 20, top: 11, width: 1, height: 37 }]) {
      equal(resample(base, { width: 70, height: 48 }, bicubic, window).pixels, cut(whole.pixels, 70, window))
    }
  })

  it("keeps a flat picture flat", () => {
    const flat = { width: 13, height: 7, pixels: new Uint8Array(13 * 7 * 3).fill(201) }
    for (const width of [5, 13, 40]) assert.isTrue(resample(flat, { width, height: 19 }, bicubic).pixels.every((byte) => byte === 201))
  })
})

describe("crops", () => {
  it("training: torchvision's Resize to 1.5 times, then a window of it", () => {
    const { pixels, crop } = cutRandomly(base, { seed: 5, cropsPerImage: null }, 3, 2, 24)
    assert.deepStrictEqual(crop.resized, { width: 52, height: 36 })
    equal(pixels, cut(golden("train-24.rgb"), 52, crop.window))
  })

  it.each([[base, 24], [picture(90, 37), 8]] as const)("evaluation: ADM's centre crop", (image, size) =>
    equal(cutCentre(image, size).pixels, golden(`centre-${size}.rgb`)))

  it("cuts the longer side off, as torchvision", () => {
    assert.deepStrictEqual(trainingSize({ width: 500, height: 333 }, 256), { width: 576, height: 384 })
    assert.deepStrictEqual(trainingSize({ width: 335, height: 500 }, 256), { width: 384, height: 573 })
    assert.deepStrictEqual(trainingSize({ width: 7, height: 7 }, 64), { width: 96, height: 96 })
  })

  it("reach every offset and no other", () => {
    const offsets = new Set<string>()
    for (let epoch = 0; epoch < 400; epoch++) {
      const { window } = randomCrop({ seed: 1, cropsPerImage: null }, epoch, 0, { width: 10, height: 9 }, 8)
      offsets.add(`${window.left},${window.top}`)
    }
    assert.deepStrictEqual([...offsets].sort(), ["0,0", "0,1", "1,0", "1,1", "2,0", "2,1"])
  })

  it("say where a picture is smaller than the crop", () => {
    assert.deepStrictEqual(cutRandomly(base, { seed: 5, cropsPerImage: null }, 0, 0, 32).upscaled, { width: 45, height: 31 })
    assert.isNull(cutRandomly(base, { seed: 5, cropsPerImage: null }, 0, 0, 31).upscaled)
    assert.isNotNull(cutCentre(base, 32).upscaled)
  })
})

describe("decode", () => {
  const images = readdirSync(goldenImage(".")).filter((name) => /\.(jpg|png|tif|gif|webp)$/.test(name))

  it("has images to try", () => assert.isAbove(images.length, 10))

  it.each(images)("%s as PIL's convert('RGB')", async (name) => {
    const { width, height, pixels } = await decode(0, name, await readImageFile(0, goldenImage(name)))
    assert.deepStrictEqual([width, height], [24, 18])
    equal(pixels, golden(`${name}.rgb`))
  })

  it("16 bits a channel keep their upper byte", async () => {
    const { width, height, pixels } = picture(24, 18)
    const wide = await sharp(pixels, { raw: { width, height, channels: 3 } }).toColourspace("rgb16").png().toBuffer()
    assert.strictEqual((await sharp(wide).metadata()).depth, "ushort")
    equal((await decode(0, "wide.png", wide)).pixels, pixels)
    const grey = await sharp(pixels, { raw: { width, height, channels: 3 } }).toColourspace("grey16").png().toBuffer()
    const decoded = (await decode(0, "grey.png", grey)).pixels
    assert.isTrue(decoded.every((byte, at) => byte === decoded[at - (at % 3)]))
    assert.isAbove(new Set(decoded).size, 50)
  })

  it("avif", async () => {
    const { width, height, pixels } = picture(24, 18)
    const file = await sharp(pixels, { raw: { width, height, channels: 3 } }).avif({ lossless: true, chromaSubsampling: "4:4:4" }).toBuffer()
    assert.strictEqual((await decode(0, "a.avif", file)).pixels.length, pixels.length)
  })
})
