/** The encoders against values saved by the Hugging Face library, at the trained size and at an interpolated one. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { checkWeights, nameInModel } from "../src/models/check-weights.ts"
import { encode, type EncoderConfig, encoderSpec } from "../src/models/encoder.ts"
import { denormalise, normalise } from "../src/models/image-space.ts"
import { lpipsSpec, vgg16 } from "../src/models/lpips.ts"
import { maeSpec } from "../src/models/mae.ts"
import { siglipSpec } from "../src/models/siglip.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import type { Spec } from "../src/nn/parameters.ts"
import * as T from "../src/tensor/ops.ts"
import { live, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { openWeights } from "../src/tensor/weight-files.ts"

const folder = (name: string) => join(import.meta.dirname, "golden", name)
const configOf = (name: string): EncoderConfig => {
  const json = JSON.parse(readFileSync(join(folder(name), "config.json"), "utf8")) as EncoderConfig & { readonly vision_config?: EncoderConfig }
  return json.vision_config ?? json
}
const largest = (a: Tensor, b: Tensor) => scope(() => T.maxAbs(T.sub(a, b)))

describe("encoders equal the Hugging Face library", () => {
  it.for([
    { name: "dinov2", file: "model.safetensors" }, { name: "dinov2", file: "model.pth" }, { name: "dinov2", file: "legacy.pth" },
    { name: "mae", file: "model.safetensors" }, { name: "siglip", file: "model.safetensors" }
  ])("$name from $file", ({ file, name }) => {
    const before = live().count
    scope(() => {
      const config = configOf(name)
      const spec = encoderSpec(config)
      using source = openWeights(join(folder(name), file))
      using golden = openWeights(join(folder(name), "golden.safetensors"))
      checkWeights(spec, source.tensors, file)
      const weights = new Map(Array.from(spec.parameters.keys(), (key) => [key, source.read(key)]))
      const sizes = [...golden.tensors.keys()].filter((key) => key.startsWith("in.")).map((key) => key.slice(3))
      assert.lengthOf(sizes, 2)
      for (const size of sizes) assert.isBelow(largest(encode(weights, golden.read(`in.${size}`), config), golden.read(`out.${size}`)), 1e-5)
    })
    assert.strictEqual(live().count, before)
  })
})

describe("specifications", () => {
  const count = ({ parameters }: Spec) => [...parameters.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)

  it("have the published numbers of weights", () => {
    const base = { hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12, intermediate_size: 3072, patch_size: 16, image_size: 224, layer_norm_eps: 1e-12 }
    const layers = 12 * (4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768)
    const patches = 768 * 3 * 16 * 16 + 768
    assert.strictEqual(count(maeSpec(base)), layers + patches + 768 + 197 * 768)
    assert.strictEqual(count(siglipSpec({ ...base, image_size: 256, layer_norm_eps: 1e-6 })), layers + patches + 256 * 768)
  })

  it("know the other layouts that the same weights are published in", () => {
    const decoder = decoderSpec({ hidden_size: 8, decoder_hidden_size: 8, decoder_num_hidden_layers: 1, decoder_num_attention_heads: 2, decoder_intermediate_size: 8, patch_size: 4, image_size: 8, layer_norm_eps: 1e-6 })
    const mae = maeSpec({ hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8, patch_size: 4, image_size: 8, layer_norm_eps: 1e-6 })
    for (const [spec, name, expected] of [
      [lpipsSpec(vgg16), "net.slice3.14.weight", "features.14.weight"],
      [lpipsSpec(vgg16), "features.14.weight", "features.14.weight"],
      [decoder, "decoder.decoder_layers.0.output.dense.bias", "decoder_layers.0.output.dense.bias"],
      [decoder, "decoder_layers.0.output.dense.bias", "decoder_layers.0.output.dense.bias"],
      [mae, "encoder.layer.0.output.dense.bias", "vit.encoder.layer.0.output.dense.bias"],
      [mae, "vit.encoder.layer.0.output.dense.bias", "vit.encoder.layer.0.output.dense.bias"]
    ] as const) assert.strictEqual(nameInModel(spec, name), expected)
  })
})

describe("pixels", () => {
  it("are normalised as each encoder was trained: ImageNet's mean and deviation, or a half", () => scope(() => {
    const x = T.full([1, 3, 1, 1], 0.75)
    const rounded = (t: Tensor) => [...T.toFloat32(t)].map((value) => Math.round(value * 1e4) / 1e4)
    assert.deepStrictEqual(rounded(normalise(x, {})), [1.1572, 1.3125, 1.5289])
    const half = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }
    assert.deepStrictEqual(rounded(normalise(x, half)), [0.5, 0.5, 0.5])
    for (const space of [{}, half]) assert.isBelow(largest(denormalise(normalise(x, space), space), x), 1e-6)
  }))
})
