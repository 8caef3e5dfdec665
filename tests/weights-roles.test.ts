/** A run's networks from the files of their publishers: names, layouts, hashes, and what is said of files that do not fit. */
import { afterAll, assert, describe, it } from "vitest"
import { createHash } from "node:crypto"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { checkPublishedHash } from "../actors/published-hashes.ts"
import { filesOf, initialWeights, readStatistics } from "../actors/role-weights.ts"
import { loadStudy } from "../src/config/load.ts"
import { dinoSpec } from "../src/models/dino.ts"
import { encoderSpec } from "../src/models/encoder.ts"
import { lpipsSpec } from "../src/models/lpips.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import type { Spec } from "../src/nn/parameters.ts"
import * as T from "../src/tensor/ops.ts"
import { live } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { torchFile } from "./torch-fixture.ts"

const golden = join(import.meta.dirname, "golden")
const root = mkdtempSync(join(tmpdir(), "rae-roles-"))
afterAll(() => rmSync(root, { recursive: true }))
const write = (name: string, bytes: Uint8Array | string) => {
  mkdirSync(dirname(join(root, name)), { recursive: true })
  writeFileSync(join(root, name), bytes)
  return join(root, name)
}
const shapes = ({ parameters }: Spec, rename = (name: string) => name) => new Map(Array.from(parameters, ([name, { shape }]) => [rename(name), shape]))
const dispose = (tensors: Iterable<Tensor>) => { for (const tensor of tensors) tensor.dispose() }

/** The published keys with the golden MAE as encoder and everything else small. */
const config = async () => (await Effect.runPromise(loadStudy(write("config.yaml", `stage_1:
  params:
    encoder_cls: MAEwNorm
    encoder_config_path: someone/mae
    encoder_input_size: 64
    encoder_params: { model_name: someone/mae }
    decoder_config_path: decoder
    normalization_stat_path: models/stats/stat.pt
  ckpt: models/ckpts/ep-last.pt
training: { epochs: 1 }
gan: { disc: { arch: { key_depths: [0] } } }
weights: { models_dir: ${root} }
architecture:
  decoder: { decoder_hidden_size: 16, decoder_num_hidden_layers: 1, decoder_num_attention_heads: 2, decoder_intermediate_size: 16 }
  dino: { embed_dim: 12, depth: 1, num_heads: 2, patch_size: 56 }
  vgg: { widths: [2, 2, 2, 2, 2] }
`)))).variants[0].config

mkdirSync(join(root, "someone/mae"), { recursive: true })
for (const file of ["config.json", "model.safetensors"]) copyFileSync(join(golden, "mae", file), join(root, "someone/mae", file))

describe("networks from published files", () => {
  it("are read under their own names, whichever layout the file is in", async () => {
    const read = await config()
    const { decoder, dino, encoder, vgg } = read.architecture
    const lpips = shapes(lpipsSpec(vgg))
    const features = new Map([...lpips].filter(([name]) => name.startsWith("features.")))
    write("lpips/vgg16.safetensors", "") // a published name that comes first is taken: this one is not opened
    const vggFile = torchFile(new Map([...features, ["classifier.0.weight", [3, 3]]]))
    write(`lpips/vgg16-397923af.pth`, vggFile)
    write("lpips/vgg_lin.safetensors", torchFile(new Map([...lpips].filter(([name]) => name.startsWith("lin")))))
    write("discs/dino_vit_small_patch8_224.pth", torchFile(shapes(dinoSpec(dino), (name) => `module.backbone.${name}`)))
    write("ckpts/ep-last.pt", torchFile(new Map([...shapes(decoderSpec(decoder), (name) => `decoder.${name}`), ["encoder.model.embeddings.cls_token", [1, 1, 48]]])))
    write("stats/stat.pt", torchFile(new Map([["mean", [48, 4, 4]], ["var", [48, 4, 4]]])))

    const before = live().count
    const weights = {
      encoder: initialWeights(encoderSpec(encoder), filesOf(read, "stage_1.params.encoder"), 0, "cpu"),
      dino: initialWeights(dinoSpec(dino), filesOf(read, "gan.disc.arch.dino_ckpt_path"), 0, "cpu"),
      decoder: initialWeights(decoderSpec(decoder), filesOf(read, "stage_1.ckpt"), 0, "cpu"),
      lin: initialWeights({ ...lpipsSpec(vgg), parameters: new Map([...lpipsSpec(vgg).parameters].filter(([name]) => name.startsWith("lin"))) }, filesOf(read, "lpips.lin_path"), 0, "cpu")
    }
    for (const [name, spec] of [["encoder", encoderSpec(encoder)], ["dino", dinoSpec(dino)], ["decoder", decoderSpec(decoder)]] as const) {
      assert.deepStrictEqual([...weights[name].keys()], [...spec.parameters.keys()])
    }
    // the n-th tensor of a file is full of n
    assert.deepStrictEqual([...weights.lin.values()].map((t) => T.toFloat32(t)[0]), [0, 1, 2, 3, 4])
    assert.deepStrictEqual([...weights.decoder.values()].map((t) => T.toFloat32(t)[0]), [...weights.decoder.keys()].map((_, i) => i))
    const statistics = readStatistics(read, "cpu")!
    assert.deepStrictEqual([statistics.mean.shape, T.toFloat32(statistics.mean)[0], Math.round(T.toFloat32(statistics.deviation)[0]! ** 2 * 1e4)], [[1, 16, 48], 0, 10000])
    for (const set of Object.values(weights)) dispose(set.values())
    dispose([statistics.mean, statistics.deviation])
    assert.strictEqual(live().count, before)

    // torchvision's name says how its sha256 begins: the same bytes under another name are refused
    assert.throws(() => initialWeights(lpipsSpec(vgg), filesOf(read, "lpips."), 0, "cpu"), /vgg16-397923af\.pth: its sha256 begins with [0-9a-f]{8}, expected 397923af \(stated by its name\)/)
  })

  it("that do not fit are listed: statistics of another size", async () => {
    write("stats/stat.pt", torchFile(new Map([["mean", [48, 2, 2]], ["variance", [48, 4, 4]]])))
    const read = await config()
    assert.throws(() => readStatistics(read, "cpu"), /stat\.pt[^]*missing: var[^]*unexpected: variance[^]*mean \(expected \[48,4,4\], got \[48,2,2\]\)/)
  })
})

describe("hashes that publishers state", () => {
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

  it("are those of torchvision's names, of LPIPS's file and of blobs in the Hub's cache", () => {
    checkPublishedHash(write(`own-${sha256("right").slice(0, 8)}.pth`, "right"))
    assert.throws(() => checkPublishedHash(write(`own-${sha256("right").slice(0, 8)}.pth`, "wrong")), /its sha256 begins with/)
    assert.throws(() => checkPublishedHash(write("vgg.pth", "wrong")), /its md5 begins with .*expected d507d7349b931f0638a25a48a722f98a/)
    const linked = (content: string) => {
      const blob = write(`hub/blobs/${sha256("right")}`, content)
      const link = join(root, `hub/snapshots-${content}.safetensors`)
      symlinkSync(blob, link)
      return link
    }
    checkPublishedHash(linked("right"))
    assert.throws(() => checkPublishedHash(linked("wrong")), /expected .*stated by the Hub's cache/)
    checkPublishedHash(write("model.safetensors", "no one states anything"))
  })
})
