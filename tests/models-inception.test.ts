/** Inception v3 of the FID papers against an independent PyTorch reference (tests/golden/inception/make.py). */
import { assert, describe, it } from "vitest"
import { join } from "node:path"
import { checkWeights, type FoundTensor, InvalidWeights } from "../src/models/check-weights.ts"
import { Inception, inceptionSpec, resizeLikeTensorFlow } from "../src/models/inception.ts"
import * as T from "../src/tensor/ops.ts"
import { live, scope } from "../src/tensor/scope.ts"
import { openSafetensors } from "../src/tensor/weights.ts"
import { formulaWeights } from "./inception-formula.ts"

const golden = openSafetensors(join(import.meta.dirname, "golden/inception/golden.safetensors"))
const bytes = () => T.to(golden.read("images"), { dtype: "float32" })

describe("Inception", () => {
  it("resizes as TensorFlow 1, bit for bit", () => scope(() => {
    for (const side of [31, 9]) assert.deepStrictEqual(T.toFloat32(resizeLikeTensorFlow(bytes(), side)), T.toFloat32(golden.read(`resized.${side}`)))
  }))

  it("gives the reference's features, of a batch and of one image", () => {
    const before = live().count
    const inception = new Inception(formulaWeights())
    scope(() => {
      const expected = T.toFloat32(golden.read("features"))
      const images = T.div(bytes(), 255)
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      const all = T.toFloat32(inception.features(images))
      const last = T.toFloat32(inception.features(T.narrow(images, 0, 2, 1)))
      const distance = (got: Float32Array, want: Float32Array) => got.reduce((most, value, i) => Math.max(most, Math.abs(value - want[i]!)), 0)
      assert.strictEqual(all.length, 3 * 2048)
      assert.isBelow(distance(all, expected), 1e-4 * largest)
      assert.isBelow(distance(last, expected.subarray(2 * 2048)), 1e-4 * largest)
      assert.isAbove(distance(expected.subarray(0, 2048), expected.subarray(2048, 2 * 2048)), 0.05 * largest, "the images differ to it")
    })
    inception.dispose()
    assert.strictEqual(live().count, before)
  })

  it("has the published names, and is not torchvision's", () => {
    const spec = inceptionSpec()
    assert.strictEqual(spec.parameters.size, 94 * 5 + 2)
    const published = new Map<string, FoundTensor>([...spec.parameters].map(([name, { shape }]) => [name, { shape, dtype: "F32" }]))
    for (const name of spec.parameters.keys()) if (name.endsWith("running_var")) published.set(name.replace("running_var", "num_batches_tracked"), { shape: [], dtype: "I64" })
    checkWeights(spec, published, "file")
    assert.deepStrictEqual(published.get("Mixed_7c.branch3x3dbl_3b.conv.weight")?.shape, [384, 384, 3, 1])
    const torchvision = new Map([...published, ["fc.weight", { shape: [1000, 2048], dtype: "F32" }], ["fc.bias", { shape: [1000], dtype: "F32" }], ["AuxLogits.fc.weight", { shape: [1000, 768], dtype: "F32" }]])
    assert.throws(() => checkWeights(spec, torchvision, "inception_v3_google-0cc3c7bd.pth"), InvalidWeights, /unexpected: AuxLogits\.fc\.weight[\s\S]*fc\.weight \(expected \[1008,2048\], got \[1000,2048\]\)/)
  })
})
