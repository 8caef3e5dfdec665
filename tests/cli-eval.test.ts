/** `rae eval`: the evaluator's figures again, rFID against the images and their moments, and wrong input that leaves nothing. */
import { assert, beforeAll, describe, it } from "vitest"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import sharp from "sharp"
import { assertDocument } from "./cli-json-shapes.ts"
import { makeWorkplace } from "./rae-processes.ts"

const place = makeWorkplace()
const images = join(place.root, "images")
const val = join(place.root, "val")
const side = 32

interface Document {
  readonly from: { readonly name: string; readonly step: number | null; readonly weights: string }
  readonly images: number
  readonly unreadable: ReadonlyArray<{ readonly path: string; readonly reason: string }>
  readonly metrics: { readonly psnr: number | null; readonly ssim: number | null; readonly lpips: number | null; readonly rfid: number | null }
  readonly reference: { readonly path: string | null; readonly images: number | null } | null
  readonly random_weights: ReadonlyArray<string>
}

/** Smooth, each of its own. */
const pixelsOf = (i: number) => Uint8Array.from({ length: side * side * 3 }, (_, at) => {
  const x = Math.floor(at / 3) % side, y = Math.floor(at / 3 / side)
  return (i * 29 + (at % 3) * 60 + x * (1 + i % 4) + y * (7 - i % 5)) % 256
})
const png = (i: number) => sharp(pixelsOf(i), { raw: { width: side, height: side, channels: 3 } }).png().toBuffer()

const evaluate = async (...words: ReadonlyArray<string>) => {
  const { stderr, stdout } = await place.done(["eval", ...words, "--json"])
  return { document: assertDocument("eval", stdout) as Document, stderr }
}

beforeAll(async () => {
  for (let i = 0; i < 8; i++) place.write(`images/${String(i).padStart(2, "0")}.png`, await png(i))
  for (let i = 0; i < 5; i++) place.write(`val/${i}.png`, await png(20 + i))
  await place.done(["run", place.small, "--name", "photos", "--data", images, "--set", `eval.data_path=${val}`, "--set", "eval.metrics=[psnr,ssim,lpips,rfid]", "--set", "eval.images=8"])
}, 120_000)

describe("rae eval", () => {
  it("measures what the evaluator measured at the run's last step", async () => {
    const { lpips, psnr, rfid, ssim, step } = await place.seen("photos", "eval.finished")
    const { document } = await evaluate("photos", "--batch", "2")
    assert.deepStrictEqual([document.from, document.images, document.unreadable], [{ name: "photos", step, weights: "ema" }, 5, []])
    assert.deepStrictEqual<unknown>(document.metrics, { psnr, ssim, lpips, rfid })
    assert.deepStrictEqual(document.reference, { path: null, images: 5 })
    assert.deepStrictEqual(document.random_weights, ["encoder", "lpips", "inception"])
    const live = await evaluate("photos", "--metrics", "psnr", "--weights", "model")
    assert.deepStrictEqual([live.document.from.weights, live.document.metrics.rfid, live.document.reference], ["model", null, null])
    assert.notStrictEqual(live.document.metrics.psnr, document.metrics.psnr)
  })

  it("compares with the images themselves, or with their moments: the same", async () => {
    const moments = join(place.root, "moments.npz")
    const own = await evaluate("photos", "--data", val, "--metrics", "rfid", "--save-moments", moments)
    const rfid = own.document.metrics.rfid!
    assert.isAbove(rfid, 0)
    assert.deepStrictEqual(own.document.reference, { path: null, images: 5 })
    assert.deepStrictEqual(own.document.random_weights, ["encoder", "inception"])
    assert.match(own.stderr, /random weights in encoder, inception: a trial/)
    assert.match(own.stderr, /rfid of few images is larger/)
    const { document } = await evaluate("photos", "--data", val, "--metrics", "rfid", "--reference", moments)
    assert.deepStrictEqual(document.reference, { path: moments, images: null })
    assert.closeTo(document.metrics.rfid!, rfid, 1e-5 * rfid)
  })

  it("leaves out what cannot be read, and prints a table", async () => {
    place.write("some/a.png", await png(1))
    place.write("some/b.png", "no picture")
    const { stderr, stdout } = await place.done(["eval", place.small, "--profile", "tiny", "--data", join(place.root, "some"), "--metrics", "ssim,psnr"])
    assert.match(stdout, /^metric +value\npsnr +-?[\d.]+ dB\nssim +-?[\d.]+\n$/)
    assert.match(stderr, /not read: .*b\.png[\s\S]*1 images of 32 pixels[^\n]*1 left out, which cannot be read/)
    assert.match(stderr, /random weights in encoder, decoder/)
  })
})

describe("wrong input to rae eval", () => {
  const refuses = async (words: ReadonlyArray<string>, ...patterns: ReadonlyArray<RegExp>) => {
    const before = readdirSync(place.root).toSorted()
    const { code, stderr, stdout } = await place.rae(["eval", ...words])
    assert.strictEqual(code, 2, stderr)
    assert.strictEqual(stdout, "")
    for (const pattern of patterns) assert.match(stderr, pattern)
    assert.deepStrictEqual(readdirSync(place.root).toSorted(), before)
  }
  const rfid = ["photos", "--data", val, "--metrics", "rfid"]

  it("of the command line is refused before anything is loaded", async () => {
    await refuses(["photos", "--data", val, "--metrics", "psnr,sssim"], /unknown metric `sssim`/, /did you mean `ssim`/)
    await refuses([place.small, "--profile", "tiny", "--metrics", "psnr"], /no images to evaluate on/, /--data DIR/)
    await refuses([...rfid, "--reference", join(place.root, "nowhere.npz")], /no reference .*nowhere\.npz: neither a file nor a folder/)
    await refuses(["photos", "--data", val, "--metrics", "psnr", "--reference", val], /--reference goes with the metric rfid/)
    await refuses([...rfid, "--save-moments", join(place.root, "no/where.npz")], /no folder .*no to write/)
    await refuses([...rfid, "--inception", join(place.root, "none.pth")], /Inception network of rFID: no file .*none\.pth/)
    await refuses([place.small, "--profile", "tiny", "--data", val, "--metrics", "rfid", "--set", "weights.source=pretrained", "--set", "stage_1.ckpt=x.pt"], /no file/)
  })

  it("names the file, its publisher and its place where Inception's weights are missing", async () => {
    const { code, stderr } = await place.rae(["run", place.small, "--name", "none", "--data", images, "--set", "weights.source=pretrained", "--set", "eval.metrics=[rfid]", "--models-dir", val])
    assert.strictEqual(code, 2)
    assert.match(stderr, /Inception network of rFID: no file .*inception\/pt_inception-2015-12-05-6726825d\.pth/)
    assert.match(stderr, /https:\/\/github\.com\/mseitzer\/pytorch-fid\/releases/)
    assert.isFalse(existsSync(place.runDir("none")))
  })

  it("of weights is found by the hash in the published name", async () => {
    const path = place.write("pt_inception-2015-12-05-6726825d.pth", readFileSync(join(import.meta.dirname, "golden/torch/zip.pth")))
    const digits = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 8)
    await refuses([...rfid, "--inception", path], new RegExp(`its sha256 begins with ${digits}, expected 6726825d`))
    const renamed = place.write("inception.pth", readFileSync(path))
    await refuses([...rfid, "--inception", renamed], /weights do not fit inception-v3-fid/, /missing: Conv2d_1a_3x3\.conv\.weight/)
  })
})
