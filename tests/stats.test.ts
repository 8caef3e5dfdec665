/** `rae stats`: the numbers against a direct computation, an interrupted pass that ends with the same bytes, and wrong input. */
import { assert, beforeAll, describe, it } from "vitest"
import { spawn } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import sharp from "sharp"
import { forEngine } from "../actors/engine-environment.ts"
import type { StatisticsLine, StatisticsRequest } from "../actors/latent-statistics-request.ts"
import { loadStudy } from "../src/config/load.ts"
import { folderSource } from "../src/data/folder-source.ts"
import { listImageFolder } from "../src/data/image-folder.ts"
import { encode, encoderSpec } from "../src/models/encoder.ts"
import { normalise } from "../src/models/image-space.ts"
import { LatentMoments } from "../src/models/latent-moments.ts"
import * as T from "../src/tensor/ops.ts"
import { live, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { openWeights } from "../src/tensor/weight-files.ts"
import { assertDocument } from "./cli-json-shapes.ts"
import { makeWorkplace } from "./rae-processes.ts"

const golden = join(import.meta.dirname, "golden/mae")
const place = makeWorkplace()
const images = join(place.root, "images")
const count = 70
let config = ""
let words: ReadonlyArray<string> = []

beforeAll(async () => {
  mkdirSync(join(place.root, "hub/someone/mae"), { recursive: true })
  for (const file of ["config.json", "model.safetensors"]) copyFileSync(join(golden, file), join(place.root, "hub/someone/mae", file))
  config = place.write("config.yaml", `stage_1:
  params:
    encoder_cls: MAEwNorm
    encoder_config_path: someone/mae
    encoder_input_size: 64
    decoder_config_path: configs/decoder/ViTB
    normalization_stat_path: models/stats/none.pt
`)
  for (let i = 0; i < count; i++) {
    const pixels = Uint8Array.from({ length: 3 * 80 * 72 }, (_, at) => (at * (i + 3) + 31 * i) % 251)
    place.write(`images/${i % 2 === 0 ? "a" : "b"}/${String(i).padStart(3, "0")}.png`, await sharp(pixels, { raw: { width: 80, height: 72, channels: 3 } }).png().toBuffer())
  }
  place.write("images/b/broken.png", "no picture")
  words = ["stats", config, "--data", images, "--models-dir", join(place.root, "hub")]
})

describe("moments", () => {
  it("equal those of all values at once, however they come, and far from zero", () => {
    const before = live().count
    scope(() => {
      const values = T.add(T.randomNormal([1, 2, 3, 4], [37, 4, 2]), 1e4)
      const moments = LatentMoments.empty(4, 2)
      for (const [from, length] of [[0, 1], [1, 16], [17, 20]] as const) moments.add(T.narrow(values, 0, from, length))
      const { mean, var: variance } = moments.statistics()
      assert.deepStrictEqual([mean.shape, variance.shape, moments.count], [[2, 2, 2], [2, 2, 2], 37])
      const all = T.toFloat32(values)
      for (let n = 0; n < 4; n++) {
        for (let c = 0; c < 2; c++) {
          const own = Array.from({ length: 37 }, (_, b) => all[(b * 4 + n) * 2 + c]!)
          const average = own.reduce((a, b) => a + b, 0) / 37
          assert.closeTo(T.toFloat32(mean)[c * 4 + n]!, average, 1e-3)
          assert.closeTo(T.toFloat32(variance)[c * 4 + n]!, own.reduce((sum, x) => sum + (x - average) ** 2, 0) / 37, 1e-6)
        }
      }
      for (const tensor of [mean, variance]) tensor.dispose()
      moments.dispose()
    })
    assert.strictEqual(live().count, before)
  })
})

describe("rae stats", () => {
  it("writes mean and variance of every readable image's latents, and says what cannot be read", async () => {
    const output = join(place.root, "stat.pt")
    const { stderr, stdout } = await place.done([...words, "-o", output, "--json"])
    assert.deepStrictEqual(assertDocument("stats", stdout), { schema: 1, path: output, images: count, shape: [48, 4, 4] })
    assert.match(stderr, /not read: .*b\/broken\.png/)
    assert.isFalse(existsSync(`${output}.partial`))

    const study = await Effect.runPromise(loadStudy(config, { sets: [`weights.models_dir=${join(place.root, "hub")}`] }))
    const { encoder } = study.variants[0].config.architecture
    const folder = await listImageFolder(images)
    const source = folderSource(folder, { seed: 0, cropsPerImage: null }, folder.paths.filter((path) => !path.endsWith("broken.png")))
    const samples = await Promise.all(Array.from({ length: count }, (_, i) => source.evaluation(i, 64)))
    scope(() => {
      using file = openWeights(join(golden, "model.safetensors"))
      const weights = new Map(Array.from(encoderSpec(encoder).parameters.keys(), (name) => [name, file.read(name)]))
      const pixels = T.fromUint8(new Uint8Array(Buffer.concat(samples.map((sample) => sample.pixels))), [count, 64, 64, 3])
      const z = encode(weights, normalise(T.div(T.to(T.permute(pixels, [0, 3, 1, 2]), { dtype: "float32" }), 255), encoder), encoder)
      const layout = (t: Tensor) => T.reshape(T.transpose(t, 0, 1), [48, 4, 4])
      using written = openWeights(output)
      assert.isBelow(T.maxAbs(T.sub(written.read("mean"), layout(T.mean(z, [0])))), 1e-5)
      assert.isBelow(T.maxAbs(T.sub(written.read("var"), layout(T.variance(z, [0], { unbiased: false })))), 1e-5)
    })
  })

  it("killed in the middle and started again, ends with the same bytes", async () => {
    const study = await Effect.runPromise(loadStudy(config, { sets: [`weights.models_dir=${join(place.root, "hub")}`, "stage_1.params.normalization_stat_path=null"] }))
    const output = join(place.root, "resumed.pt")
    const request: StatisticsRequest = { config: { ...study.variants[0].config }, data: images, output, device: "cpu", saveEvery: 1 }
    // one thread, as the command has it here: another number sums in another order
    const env = { ...process.env, ...forEngine("cpu"), OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" }
    const child = spawn(process.execPath, [join(import.meta.dirname, "../actors/latent-statistics.ts")], { env, stdio: ["pipe", "pipe", "inherit"] })
    const ended = new Promise((done) => { child.once("close", done) })
    child.stdin.end(JSON.stringify(request))
    for await (const line of createInterface({ input: child.stdout })) {
      const said = JSON.parse(line) as StatisticsLine
      if (said.kind === "progress" && said.done === 32) {
        child.kill("SIGKILL")
        break
      }
    }
    await ended
    assert.isTrue(existsSync(`${output}.partial`) && !existsSync(output))
    const { stderr } = await place.done([...words, "-o", output])
    assert.match(stderr, /goes on from image (32|48|64) of 71/)
    assert.deepStrictEqual(readFileSync(output), readFileSync(join(place.root, "stat.pt")))
    assert.deepStrictEqual(readdirSync(place.root).filter((name) => name.startsWith("resumed")), ["resumed.pt"])
  })

  it("without images, without the encoder's files, or with files of another, says so and writes nothing", async () => {
    const refuses = async (line: ReadonlyArray<string>, pattern: RegExp) => {
      const output = join(place.root, "none.pt")
      const { code, stderr } = await place.rae([...line, "-o", output])
      assert.strictEqual(code, 2, stderr)
      assert.match(stderr, pattern)
      assert.isFalse(existsSync(output))
    }
    await refuses(["stats", config, "--models-dir", join(place.root, "hub")], /no images to compute from/)
    await refuses(["stats", config, "--data", images], /no config\.json for `someone\/mae`/)
    await refuses([...words, "--set", "architecture.encoder={hidden_size: 60, num_hidden_layers: 2, num_attention_heads: 3, patch_size: 16, image_size: 64}"], /weights do not fit vit-mae/)
    await refuses(["stats", config, "--data", join(place.root, "hub"), "--models-dir", join(place.root, "hub")], /no images/)
  })
})
