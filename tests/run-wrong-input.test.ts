/** Wrong input through the real command: says what is wrong and where, exits with 2, and leaves nothing behind. */
import { assert, beforeAll, describe, it } from "vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import sharp from "sharp"
import { loadStudy } from "../src/config/load.ts"
import { type Dtype, encodeHeader } from "../src/formats/safetensors.ts"
import { dinoSpec } from "../src/models/dino.ts"
import { dinov2Spec } from "../src/models/dinov2.ts"
import { lpipsSpec } from "../src/models/lpips.ts"
import type { Parameter, Spec } from "../src/nn/parameters.ts"
import { smallDisk } from "./checkpoint-tmpfs.ts"
import { makeWorkplace } from "./rae-processes.ts"

const place = makeWorkplace()

/** Every path in the folder, with sizes; what caches compile is not the run's. */
const everything = () => readdirSync(place.root, { recursive: true, encoding: "utf8" }).toSorted().map((path) => {
  const { mtimeMs, size } = statSync(join(place.root, path))
  return existsSync(join(place.root, path, ".")) ? path : `${path} ${size} ${mtimeMs}`
})

const refuses = async (words: ReadonlyArray<string>, ...patterns: ReadonlyArray<RegExp>) => {
  const before = everything()
  const { code, stderr, stdout } = await place.rae(words)
  assert.strictEqual(code, 2, stderr)
  assert.strictEqual(stdout, "")
  assert.match(stderr, /^error: /m)
  assert.notMatch(stderr, /internal error|^\s+at /m)
  for (const pattern of patterns) assert.match(stderr, pattern)
  assert.deepStrictEqual(everything(), before)
}

describe("the config", () => {
  const config = (name: string, text: string) => place.write(name, text)

  const wrong = [
    { what: "an unknown key", text: "gan:\n  loss:\n    perceptual_wieght: 0.5\n", says: [/^error: unknown key `gan\.loss\.perceptual_wieght`$/m, / --> .*bad\.yaml:4:5$/m, /help: did you mean `perceptual_weight`\?/] },
    { what: "a mistyped value", text: "training: { batch_size: two }\n", says: [/ --> .*bad\.yaml:2:\d+$/m, /`training\.batch_size` must be a whole number/] },
    { what: "a value out of range", text: "training: { ema_decay: 1.5 }\n", says: [/ --> .*bad\.yaml:2:\d+$/m] },
    { what: "no YAML", text: "training: { batch_size: [2\n", says: [/ --> .*bad\.yaml:\d+:\d+$/m] },
    { what: "a variant with an unknown key", text: "study: { variants: { a: { gan.loss.disc_wieght: 1 } } }\n", says: [/disc_wieght/, /disc_weight/] }
  ]
  it.each(wrong)("$what", ({ says, text }) => refuses(["run", config("bad.yaml", `extends: small.yaml\n${text}`)], ...says))

  it("extends a file that is not there, or itself", async () => {
    await refuses(["run", config("bad.yaml", "extends: no-such.yaml\n")], /no-such\.yaml/, / --> .*bad\.yaml:1:\d+$/m)
    config("one.yaml", "extends: two.yaml\n")
    await refuses(["run", config("two.yaml", "extends: one.yaml\n")], /one\.yaml/, /two\.yaml/)
  })

  it("an unknown profile, flag or device; --set of an unknown key", async () => {
    await refuses(place.runWords("bad", "--profile", "large"), /large/, /tiny/)
    await refuses(place.runWords("bad", "--frsh"), /did you mean `--fresh`\?/)
    await refuses(place.runWords("bad", "--device", "gpu"), /unknown device `gpu`/)
    await refuses(place.runWords("bad", "--set", "training.epoch=3"), /unknown key `(training\.)?epoch`/, /epochs/)
  })

  it.skipIf(existsSync("/dev/nvidiactl"))("a GPU where there is none", async () => {
    await refuses(place.runWords("bad", "--device", "cuda:0"), /no device cuda:0/, /help: .*--device cpu/)
  })
})

describe("the data folder", () => {
  it("missing, empty, without images, too few of them", async () => {
    const data = (name: string) => place.runWords("bad", "--data", join(place.root, name))
    mkdirSync(join(place.root, "empty"))
    place.write("texts/class/readme.txt", "no image")
    place.write("single/class/one.jpg", await sharp({ create: { width: 64, height: 64, channels: 3, background: "red" } }).jpeg().toBuffer())
    await refuses(data("nowhere"), /nowhere: missing/)
    await refuses(data("empty"), /empty: empty/)
    await refuses(data("texts"), /texts: no images, found 1 \.txt/)
    await refuses(data("single"), /a batch of 2 needs as many images, found 1/)
  })

  it("images smaller than needed are enlarged, with one warning", async () => {
    for (let i = 0; i < 12; i++) place.write(`small/class/${i}.png`, await sharp({ create: { width: 20 + i, height: 24, channels: 3, background: { r: 20 * i, g: 99, b: 200 } } }).png().toBuffer())
    await place.done(place.runWords("enlarged", "--data", join(place.root, "small"), "--stop-after", "4"))
    assert.lengthOf((await place.events("enlarged")).filter(({ type }) => type === "data.upscaled"), 1)
  })
})

describe("weights", () => {
  /** One value for every element is enough here. */
  const safetensors = (parameters: Spec["parameters"], dtypeOf: (name: string) => Dtype = () => "F32") => {
    const header = encodeHeader([...parameters].map(([name, { shape }]) => ({ name, shape, dtype: dtypeOf(name) })))
    const file = Buffer.alloc(header.fileSize)
    file.set(header.bytes)
    for (const { begin, dtype, end } of header.tensors) if (dtype === "F32") for (let at = begin; at < end; at += 4) file.writeFloatLE(0.01, at)
    return file
  }
  const part = (spec: Spec, prefix: string): Spec["parameters"] => new Map([...spec.parameters].filter(([name]) => name.startsWith(prefix)))

  let config = ""
  let specs: { readonly encoder: Spec; readonly dino: Spec; readonly lpips: Spec }
  const writeAll = () => {
    place.write("weights/encoder/model.safetensors", safetensors(specs.encoder.parameters))
    place.write("weights/dino.safetensors", safetensors(specs.dino.parameters))
    place.write("weights/vgg.safetensors", safetensors(part(specs.lpips, "features.")))
    place.write("weights/lin.safetensors", safetensors(part(specs.lpips, "lin")))
  }
  const pretrained = (dino: string) => `extends: small.yaml
profiles:
  tiny:
    weights: { source: pretrained }
    stage_1: { params: { encoder_params: { dinov2_path: ${join(place.root, "weights/encoder")} } } }
    gan: { disc: { arch: { dino_ckpt_path: ${join(place.root, dino)} } } }
    lpips: { vgg_path: ${join(place.root, "weights/vgg.safetensors")}, lin_path: ${join(place.root, "weights/lin.safetensors")} }
`
  beforeAll(async () => {
    config = place.write("pretrained.yaml", pretrained("weights/dino.safetensors"))
    const study = await Effect.runPromise(loadStudy(config, { profile: "tiny" }))
    const { dino, encoder, vgg } = study.variants[0].config.architecture
    specs = { encoder: dinov2Spec(encoder), dino: dinoSpec(dino), lpips: lpipsSpec(vgg) }
  })

  it("missing: every file with where it is published and where to put it", async () => {
    await refuses(["run", config], /encoder weights: no file .*weights\/encoder\/model\.safetensors/, /DINO network of the discriminator/, /VGG16 of LPIPS/, /linear layers of LPIPS/,
      /published: https:\/\/huggingface\.co/, /--random-weights/)
  })

  it("whole: the run starts from them", async () => {
    writeAll()
    await place.done(["run", config, "--stop-after", "1"])
    assert.strictEqual((place.readJson("runs/pretrained/run.json") as { readonly random_weights: boolean }).random_weights, false)
  })

  const words = () => ["run", config, "--name", "bad"]
  it("truncated", async () => {
    writeAll()
    const whole = safetensors(specs.encoder.parameters)
    place.write("weights/encoder/model.safetensors", whole.subarray(0, whole.length - 100))
    await refuses(words(), /encoder\/model\.safetensors/, /ends at \d+/)
  })

  it("of the wrong shape", async () => {
    writeAll()
    const [[name, parameter], ...others] = [...specs.dino.parameters] as [[string, Parameter], ...Array<[string, Parameter]>]
    place.write("weights/dino.safetensors", safetensors(new Map([[name, { ...parameter, shape: [...parameter.shape, 2] }], ...others])))
    await refuses(words(), /dino\.safetensors/, /wrong shape: cls_token \(expected \[1,1,12\], got \[1,1,12,2\]\)/)
  })

  it("of the wrong dtype", async () => {
    writeAll()
    place.write("weights/vgg.safetensors", safetensors(part(specs.lpips, "features."), (name) => name === "features.0.weight" ? "I32" : "F32"))
    await refuses(words(), /vgg\.safetensors/, /wrong dtype: features\.0\.weight \(expected a floating-point dtype, got I32\)/)
  })

  it("with a tensor missing and another unexpected", async () => {
    writeAll()
    place.write("weights/lin.safetensors", safetensors(new Map([...part(specs.lpips, "lin")].map(([name, parameter]) => [name.replace("lin0", "lin9"), parameter]))))
    await refuses(words(), /missing: lin0\.model\.1\.weight/, /unexpected: lin9\.model\.1\.weight/)
  })

  it("PyTorch files that are none, or that name anything but tensors", async () => {
    writeAll()
    const pickled = place.write("pickled.yaml", pretrained("weights/dino.pth"))
    place.write("weights/dino.pth", "a pickle, or so they say")
    await refuses(["run", pickled], /dino\.pth: invalid safetensors at length/)
    place.write("weights/dino.pth", readFileSync(join(import.meta.dirname, "golden/torch/foreign.pth")))
    await refuses(["run", pickled], /dino\.pth: .*it wants `datetime\.date`/)
  })
})

describe("the run's directory", () => {
  it("a config changed under an existing name: the difference is shown", async () => {
    await place.done(place.runWords("kept", "--stop-after", "1"))
    await refuses(place.runWords("kept", "--set", "training.optimizer.lr=0.001"), /differs from the one that .*kept was started with/, /training\.optimizer\.lr: was 0\.0002, is 0\.001/, /--fresh/)
  })

  it("a disk too small for one checkpoint", async ({ skip }) => {
    const disk = smallDisk(256 * 1024)
    if (typeof disk === "string") return skip(`no file system of a few KiB here: ${disk}`)
    try {
      await refuses(place.runWords("bad", "--runs-dir", join(disk.path, "runs")), /no room for one checkpoint in .*: needs [\d.]+ MB, free [\d.]+ MB/)
      assert.deepStrictEqual(readdirSync(disk.path), [])
    } finally {
      disk[Symbol.dispose]()
    }
  })
})
