/**
 * Compares this project's pixels with PIL's on a folder of images, and prints the table of docs/image-parity.md.
 *
 *     node scripts/image-parity.ts FOLDER [--size 256] [--python /usr/bin/python3]
 *
 * PIL runs in a Python process that answers one image a line; a mean above 1.5/255 in any image ends with exit code 1.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { parseArgs } from "node:util"
import { decode, readImageFile } from "../src/data/decode.ts"
import { listImageFolder } from "../src/data/image-folder.ts"
import type { Picture } from "../src/data/resample.ts"
import { cutCentre, cutRandomly } from "../src/data/cut.ts"

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

const { positionals, values } = parseArgs({ allowPositionals: true, options: { size: { type: "string", default: "256" }, python: { type: "string", default: "python3" } } })
const [root] = positionals
if (root === undefined || positionals.length > 1) {
  console.error("usage: node scripts/image-parity.ts FOLDER [--size 256] [--python /usr/bin/python3]")
  process.exit(2)
}
const size = Number(values.size)

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

interface Stage {
  readonly name: string
  readonly differences: Array<Difference>
  milliseconds: number
}
const stages: ReadonlyArray<Stage> = ["decoding", `training: shorter side to ${Math.round(1.5 * size)}, crop of ${size}`, `evaluation: centre crop of ${size}`]
  .map((name) => ({ name, differences: [], milliseconds: 0 }))

const timed = async (stage: Stage, work: () => Uint8Array | Promise<Uint8Array>): Promise<Uint8Array> => {
  const start = performance.now()
  const pixels = await work()
  stage.milliseconds += performance.now() - start
  return pixels
}

const version = await answer()
const { paths } = await listImageFolder(root)
for (const [index, path] of paths.entries()) {
  const file = join(root, path)
  const bytes = await readImageFile(index, file)
  let picture: Picture = { width: 0, height: 0, pixels: new Uint8Array() }
  const decoded = await timed(stages[0]!, async () => (picture = await decode(index, file, bytes)).pixels)
  const { crop } = cutRandomly(picture, { seed: 0, cropsPerImage: null }, 0, index, size)
  const trained = await timed(stages[1]!, () => cutRandomly(picture, { seed: 0, cropsPerImage: null }, 0, index, size).pixels)
  const centred = await timed(stages[2]!, () => cutCentre(picture, size).pixels)
  pil.stdin.write(`${JSON.stringify([file, size, [crop.window.left, crop.window.top, size]])}\n`)
  const theirs = (await answer()) as ReadonlyArray<string>
  for (const [at, ours] of [decoded, trained, centred].entries()) stages[at]!.differences.push(difference(ours, Buffer.from(theirs[at]!, "base64")))
}
pil.stdin.end()

console.log(`${paths.length} images, PIL ${String(version)}, differences of 255 levels\n`)
console.log("| stage | mean | worst image's mean | worst pixel | images equal in every byte | ms an image |")
console.log("|---|---|---|---|---|---|")
let worst = 0
for (const { name, differences, milliseconds } of stages) {
  const mean = differences.reduce((sum, one) => sum + one.mean, 0) / differences.length
  const worstMean = Math.max(...differences.map((one) => one.mean))
  worst = Math.max(worst, worstMean)
  const equal = differences.filter(({ most }) => most === 0).length
  const cells = [name, mean.toFixed(4), worstMean.toFixed(4), Math.max(...differences.map(({ most }) => most)), `${equal} of ${differences.length}`, (milliseconds / differences.length).toFixed(1)]
  console.log(`| ${cells.join(" | ")} |`)
}
if (worst > tolerance) {
  console.error(`error: mean difference of ${worst.toFixed(3)} of 255, at most ${tolerance} is allowed`)
  process.exitCode = 1
}
