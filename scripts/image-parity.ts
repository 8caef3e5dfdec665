/**
 * Compares this project's pixels with PIL's on a folder of images, and prints the table of docs/image-parity.md.
 *
 *     node scripts/image-parity.ts FOLDER [--size 256] [--libvips] [--python /usr/bin/python3]
 *
 * --libvips adds the training crop as sharp's own `resize` would make it: the reason why src/data/resample.ts exists.
 * PIL runs in a Python process that answers one image a line; a mean above 1.5/255 in any image ends with exit code 1.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { parseArgs } from "node:util"
import sharp from "sharp"
import { type Crop, randomCrop, trainingSize } from "../src/data/crop.ts"
import { cutCentre, cutRandomly } from "../src/data/cut.ts"
import { decode, readImageFile } from "../src/data/decode.ts"
import { listImageFolder } from "../src/data/image-folder.ts"
import type { Picture } from "../src/data/resample.ts"

const tolerance = 1.5

/** The reference: torchvision's Resize and a given window of it, and ADM's centre crop, with PIL alone. */
const reference = `
import base64, json, sys
import PIL
from PIL import Image

def train(image, resized, window):
    left, top, size = window
    return image.resize(tuple(resized), Image.BICUBIC).crop((left, top, left + size, top + size))

def resized_to(image, shorter):
    w, h = image.size
    return (shorter, int(shorter * h / w)) if w <= h else (int(shorter * w / h), shorter)

def centre(image, size):
    while min(image.size) >= 2 * size:
        image = image.resize(tuple(x // 2 for x in image.size), Image.BOX)
    scale = size / min(image.size)
    image = image.resize(tuple(round(x * scale) for x in image.size), Image.BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))

print(json.dumps(PIL.__version__), flush=True)
for line in sys.stdin:
    path, size, window = json.loads(line)
    image = Image.open(path).convert("RGB")
    pictures = image, train(image, resized_to(image, round(1.5 * size)), window), centre(image, size)
    print(json.dumps([base64.b64encode(p.tobytes()).decode() for p in pictures]), flush=True)
`

const { positionals, values } = parseArgs({ allowPositionals: true, options: { size: { type: "string", default: "256" }, libvips: { type: "boolean", default: false }, python: { type: "string", default: "python3" } } })
const [root] = positionals
if (root === undefined || positionals.length > 1) {
  console.error("usage: node scripts/image-parity.ts FOLDER [--size 256] [--libvips] [--python /usr/bin/python3]")
  process.exit(2)
}
const size = Number(values.size)
const draws = { seed: 0, cropsPerImage: null }

const pil = spawn(values.python, ["-c", reference], { stdio: ["pipe", "pipe", "inherit"] })
const answers = createInterface({ input: pil.stdout })[Symbol.asyncIterator]()
const answer = async (): Promise<unknown> => {
  const { done, value } = await answers.next()
  if (done === true) throw new Error("the Python process ended: is PIL installed for it (python3-pil)?")
  return JSON.parse(value)
}

interface Difference {
  readonly mean: number
  readonly most: number
}
const difference = (ours: Uint8Array, theirs: Uint8Array): Difference => {
  if (ours.length !== theirs.length) throw new Error(`${ours.length} bytes, PIL has ${theirs.length}`)
  let sum = 0
  let most = 0
  for (let i = 0; i < ours.length; i++) {
    const apart = Math.abs(ours[i]! - theirs[i]!)
    sum += apart
    most = Math.max(most, apart)
  }
  return { mean: sum / ours.length, most }
}

const worstMean = (differences: ReadonlyArray<Difference>): number => Math.max(...differences.map(({ mean }) => mean))

interface Stage {
  readonly name: string
  readonly differences: Array<Difference>
  milliseconds: number
}
const stage = (name: string): Stage => ({ name, differences: [], milliseconds: 0 })
const decoding = stage("decoding")
const training = stage(`training: shorter side to ${Math.round(1.5 * size)}, crop of ${size}`)
const evaluation = stage(`evaluation: centre crop of ${size}`)
const enlarged = stage("training, if sharp resized: enlarged images")
const shrunk = stage("training, if sharp resized: shrunk images")

const bySharp = async ({ pixels, width, height }: Picture, crop: Crop): Promise<Uint8Array> => {
  const whole = sharp(pixels, { raw: { width, height, channels: 3 } })
    .resize(crop.resized.width, crop.resized.height, { fit: "fill", kernel: "cubic", fastShrinkOnLoad: false })
  const { data, info } = await whole.raw().toBuffer({ resolveWithObject: true })
  return sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } }).extract(crop.window).raw().toBuffer()
}

const version = await answer()
const { paths } = await listImageFolder(root)
for (const [index, path] of paths.entries()) {
  const file = join(root, path)
  const bytes = await readImageFile(index, file)
  const crop = await decode(index, file, bytes).then((picture) => randomCrop(draws, 0, index, trainingSize(picture, size), size))
  pil.stdin.write(`${JSON.stringify([file, size, [crop.window.left, crop.window.top, size]])}\n`)
  const [decoded, trained, centred] = ((await answer()) as ReadonlyArray<string>).map((text) => Buffer.from(text, "base64")) as [Buffer, Buffer, Buffer]

  const compare = async (of: Stage, theirs: Buffer, work: () => Uint8Array | Promise<Uint8Array>): Promise<void> => {
    const start = performance.now()
    const ours = await work()
    of.milliseconds += performance.now() - start
    of.differences.push(difference(ours, theirs))
  }
  let picture: Picture = { width: 0, height: 0, pixels: new Uint8Array() }
  await compare(decoding, decoded, async () => (picture = await decode(index, file, bytes)).pixels)
  await compare(training, trained, () => cutRandomly(picture, draws, 0, index, size).pixels)
  await compare(evaluation, centred, () => cutCentre(picture, size).pixels)
  if (values.libvips) await compare(crop.resized.width > picture.width ? enlarged : shrunk, trained, () => bySharp(picture, crop))
}
pil.stdin.end()

console.log(`${paths.length} images, PIL ${String(version)}, differences of 255 levels\n`)
console.log("| stage | mean | worst image's mean | worst pixel | images equal in every byte | ms an image |")
console.log("|---|---|---|---|---|---|")
for (const { name, differences, milliseconds } of [decoding, training, evaluation, enlarged, shrunk].filter(({ differences }) => differences.length > 0)) {
  const mean = differences.reduce((sum, one) => sum + one.mean, 0) / differences.length
  const most = Math.max(...differences.map((one) => one.most))
  const equal = differences.filter((one) => one.most === 0).length
  const cells = [name, mean.toFixed(4), worstMean(differences).toFixed(4), most, `${equal} of ${differences.length}`, (milliseconds / differences.length).toFixed(1)]
  console.log(`| ${cells.join(" | ")} |`)
}
const worst = worstMean([decoding, training, evaluation].flatMap(({ differences }) => differences))
if (worst > tolerance) {
  console.error(`error: mean difference of ${worst.toFixed(3)} of 255, at most ${tolerance} is allowed`)
  process.exitCode = 1
}
