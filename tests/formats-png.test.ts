/** PNG without native code: against libvips, both ways. */
import { assert, describe, it } from "vitest"
import sharp from "sharp"
import { decodePng, encodePng, PngInvalid, shrink } from "../src/formats/png.ts"

const [width, height] = [13, 7]
const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * i * 31) % 256)

describe("png", () => {
  it("reads what libvips writes, with every filter, grey and with alpha", async () => {
    const source = sharp(rgb, { raw: { width, height, channels: 3 } })
    for (const adaptiveFiltering of [true, false]) assert.deepStrictEqual(decodePng(await source.clone().png({ adaptiveFiltering }).toBuffer()), { width, height, rgb })
    assert.deepStrictEqual(decodePng(await source.clone().ensureAlpha(0.5).png().toBuffer()).rgb, rgb)
    const grey = decodePng(await source.clone().greyscale().png().toBuffer())
    assert.strictEqual(grey.rgb[0], grey.rgb[2])
  })

  it("writes what libvips reads", async () => {
    const { data } = await sharp(encodePng({ width, height, rgb })).raw().toBuffer({ resolveWithObject: true })
    assert.deepStrictEqual(new Uint8Array(data), rgb)
  })

  it("shrinks to means", () => {
    assert.deepStrictEqual(shrink({ width: 2, height: 2, rgb: Uint8Array.from([0, 0, 0, 10, 20, 30, 20, 40, 60, 30, 60, 90]) }, 2), { width: 1, height: 1, rgb: Uint8Array.from([15, 30, 45]) })
  })

  it("refuses what is none: other files, torn ones, absurd sizes, more bytes than pixels", () => {
    const good = encodePng({ width, height, rgb })
    const absurd = Buffer.from(good)
    absurd.writeUInt32BE(0xffffffff, 16)
    const small = Buffer.from(good)
    small.writeUInt32BE(1, 20)
    for (const bytes of [Buffer.from("GIF89a"), good.subarray(0, 60), absurd, small]) assert.throws(() => decodePng(bytes), PngInvalid)
  })
})
