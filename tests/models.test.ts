/** Models against values saved by other libraries, and weights against their specifications. */
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { assert, describe, it } from "vitest"
import { checkWeights, InvalidWeights } from "../src/models/check-weights.ts"
import { dinoRecipes, dinoSpec } from "../src/models/dino.ts"
import { type Dinov2Config, dinov2, dinov2Spec } from "../src/models/dinov2.ts"
import { discriminatorHeads, headsSpec, publishedHeads } from "../src/models/dino-discriminator.ts"
import { latentStatistics, standardise, unstandardise } from "../src/models/latent-statistics.ts"
import { lpipsSpec, vgg16 } from "../src/models/lpips.ts"
import { randomWeights } from "../src/models/random-weights.ts"
import { powerIteration, spectralSigma } from "../src/models/spectral-norm.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import type { Spec } from "../src/nn/parameters.ts"
import * as T from "../src/tensor/ops.ts"
import { live, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { openSafetensors } from "../src/tensor/weights.ts"

const folder = resolve(import.meta.dirname, "golden/dinov2")
const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Dinov2Config

const count = ({ parameters }: Spec, constants = false): number =>
  [...parameters.values()].filter(({ constant }) => constants || !constant).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)

const largest = (a: Tensor, b: Tensor) => scope(() => T.maxAbs(T.sub(a, b)))

describe("dinov2 with registers", () => {
  it.for(["70", "112"])("equals the Hugging Face library at %s pixels", (size) => {
    const before = live().count
    scope(() => {
      using file = openSafetensors(join(folder, "model.safetensors"))
      using golden = openSafetensors(join(folder, "golden.safetensors"))
      const weights = new Map(Array.from(dinov2Spec(config).parameters.keys(), (name) => [name, file.read(name)]))
      assert.isBelow(largest(dinov2(weights, golden.read(`in.${size}`), config), golden.read(`out.${size}`)), 1e-5)
    })
    assert.strictEqual(live().count, before)
  })

  it("takes the published file as it is, and says all that is wrong with another", () => {
    using file = openSafetensors(join(folder, "model.safetensors"))
    checkWeights(dinov2Spec(config), file.tensors, "model.safetensors")
    const found = new Map(Array.from(file.tensors, ([name, { shape, dtype }]) => [name, { shape, dtype: dtype as string }]))
    found.delete("embeddings.cls_token")
    found.set("encoder.layer.0.norm1.weight", { shape: [49], dtype: "F32" })
    found.set("encoder.layer.0.norm1.bias", { shape: [48], dtype: "I64" })
    found.set("head.weight", { shape: [1], dtype: "F32" })
    try {
      checkWeights(dinov2Spec(config), found, "other.safetensors")
      assert.fail("accepted")
    } catch (error) {
      assert.instanceOf(error, InvalidWeights)
      assert.deepStrictEqual(error.missing, ["embeddings.cls_token"])
      assert.deepStrictEqual(error.unexpected, ["head.weight"])
      assert.deepStrictEqual(error.shapes, [{ name: "encoder.layer.0.norm1.weight", expected: [48], got: [49] }])
      assert.deepStrictEqual(error.dtypes, [{ name: "encoder.layer.0.norm1.bias", got: "I64" }])
      assert.match(error.message, /other\.safetensors/)
    }
  })
})

describe("specifications", () => {
  it("have the published numbers of weights", () => {
    const base = { hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12, patch_size: 14, image_size: 518, num_register_tokens: 4, mlp_ratio: 4, layer_norm_eps: 1e-6 }
    const xl = {
      hidden_size: 768, decoder_hidden_size: 1152, decoder_num_hidden_layers: 28, decoder_num_attention_heads: 16, decoder_intermediate_size: 4096,
      patch_size: 16, image_size: 256, layer_norm_eps: 1e-12
    }
    assert.strictEqual(Math.round(count(dinov2Spec(base)) / 1e5) / 10, 86.6)
    assert.strictEqual(Math.round(count(decoderSpec(xl)) / 1e6), 415)
    assert.strictEqual(count(lpipsSpec(vgg16)), 14_714_688 + 1472) // torchvision's features, the linear heads
    assert.strictEqual(Math.round(count(dinoSpec(dinoRecipes.S_8)) / 1e5) / 10, 21.7)
  })

  it("draw weights that are functions of seed and name", () => scope(() => {
    const spec = headsSpec({ dino: { ...dinoRecipes.S_8, embed_dim: 8 }, heads: { ...publishedHeads, key_depths: [1] } })
    const [a, b, c] = [randomWeights(spec, 1), randomWeights(spec, 1), randomWeights(spec, 2)] as const
    for (const [name, { shape }] of spec.parameters) {
      assert.deepStrictEqual(a.get(name)!.shape, shape)
      assert.strictEqual(largest(a.get(name)!, b.get(name)!), 0)
    }
    assert.isAbove(largest(a.get("heads.0.0.0.weight_orig")!, c.get("heads.0.0.0.weight_orig")!), 0.01)
  }))
})

describe("discriminator heads", () => {
  it.for([{ norm_type: "gn", using_spec_norm: false }, { norm_type: "bn", using_spec_norm: false }, { norm_type: "gn", using_spec_norm: true }] as const)(
    "take $norm_type with spectral norm $using_spec_norm", (chosen) => scope(() => {
      const config = { dino: { ...dinoRecipes.S_8, embed_dim: 32 }, heads: { ...publishedHeads, ...chosen, key_depths: [0] } }
      const weights = randomWeights(headsSpec(config), 0)
      const vectors = new Map([...weights.keys()].filter((name) => name.endsWith("weight_u")).map((name) => {
        const path = name.slice(0, -".weight_u".length)
        return [path, { u: weights.get(name)!, v: weights.get(`${path}.weight_v`)! }]
      }))
      const taps = [T.randomNormal([1, 2, 3, 4], [2, 12, 32]), T.randomNormal([1, 2, 3, 5], [2, 12, 32])]
      const logits = discriminatorHeads(weights, taps, { config: config.heads, product: "float32", vectors })
      assert.deepStrictEqual(logits.shape, [2, 24])
      assert.isAbove(T.item(T.variance(logits, [0, 1])), 1e-6)
      // circular padding: rotating the tokens of a picture rotates its logits
      const rotated = taps.map((tap) => T.cat([T.narrow(tap, 1, 11, 1), T.narrow(tap, 1, 0, 11)], 1))
      const again = discriminatorHeads(weights, rotated, { config: config.heads, product: "float32", vectors })
      const expected = T.cat([T.narrow(logits, 1, 11, 1), T.narrow(logits, 1, 0, 11), T.narrow(logits, 1, 23, 1), T.narrow(logits, 1, 12, 11)], 1)
      assert.isBelow(largest(again, expected), 1e-5)
    }))
})

describe("spectral norm", () => {
  it("converges to the largest singular value", () => scope(() => {
    // a matrix with singular values 3, 2 and 1
    const basis = [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1]].map((row) => row.map((x) => x / 2))
    const weight = T.fromFloat32(Float32Array.from(basis.flatMap((row, i) => row.map((x) => x * (3 - i)))), [3, 4, 1])
    let pair = powerIteration(weight, T.fromFloat32(Float32Array.of(0.5, 0.6, 0.62), [3]))
    for (let i = 0; i < 30; i++) pair = powerIteration(weight, pair.u)
    assert.closeTo(T.item(spectralSigma(weight, pair)), 3, 1e-5)
  }))
})

describe("latent statistics", () => {
  it("standardise by position and channel, and back", () => scope(() => {
    const mean = T.fromFloat32(Float32Array.of(1, 2, 3, 4), [2, 1, 2])
    const variance = T.fromFloat32(Float32Array.of(4, 9, 16, 25), [2, 1, 2])
    const statistics = latentStatistics(mean, variance, 0)
    const z = T.fromFloat32(Float32Array.of(3, 7, 5, 14), [1, 2, 2]) // tokens: (channel 0: 3, channel 1: 7), (5, 14)
    const normal = standardise(z, statistics)
    assert.deepStrictEqual([...T.toFloat32(normal)].map((x) => Math.round(x * 1e6) / 1e6), [1, 1, 1, 2])
    assert.isBelow(largest(unstandardise(normal, statistics), z), 1e-6)
    statistics.mean.dispose()
    statistics.deviation.dispose()
  }))
})
