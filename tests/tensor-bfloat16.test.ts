/** Operations that are our own in bfloat16 on the CPU, held to libtorch's in float32 on the same values, with gradients. */
import { assert, describe, it } from "vitest"
import { enableGrad, grad, leaf } from "../src/tensor/grad.ts"
import * as T from "../src/tensor/ops.ts"
import { live, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"

const half = (t: Tensor) => T.to(t, { dtype: "bfloat16" })
const float = (t: Tensor) => T.to(t, { dtype: "float32" })
let serial = 0
const normal = (shape: readonly number[], size = 1) => half(T.mul(T.randomNormal([3, 1, 4, serial++], shape), size))

/** Every element within a bfloat16's rounding (2⁻⁸ of it), and `slack` of the largest. */
const near = (name: string, got: Tensor, expected: Tensor, slack = 1e-6) => {
  assert.strictEqual(got.dtype, "bfloat16", name)
  assert.deepStrictEqual(got.shape, expected.shape)
  const a = T.toFloat32(got), b = T.toFloat32(expected)
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const wrong = a.findIndex((value, i) => !(Math.abs(value - (b[i] ?? NaN)) <= Math.abs(b[i] ?? NaN) * 2 ** -8 + largest * slack))
  if (wrong >= 0) assert.fail(`${name}[${wrong}]: ${a[wrong]}, expected ${b[wrong]}`)
}

/** Value and gradients of `f` in bfloat16 against float32. */
const compare = (f: (...xs: Tensor[]) => Tensor, inputs: readonly Tensor[], slack?: number) =>
  scope(() => {
    const run = (xs: readonly Tensor[], convert: (t: Tensor) => Tensor, up?: Tensor) => {
      const leaves = xs.map((x) => leaf(convert(x)))
      const y = enableGrad(() => f(...leaves))
      const upstream = up ?? half(T.randomNormal([2, 7, 1, 8], y.shape))
      return { y, upstream, gradients: grad([y], leaves, [convert(upstream)]) }
    }
    const fast = run(inputs, half)
    const slow = run(inputs, float, fast.upstream)
    near("value", fast.y, slow.y, slack)
    near("value without grad mode", f(...inputs), slow.y, slack)
    fast.gradients.forEach((g, i) => near(`gradient ${i}`, g, slow.gradients[i]!, slack))
  })

describe("in bfloat16", () => {
  for (const shape of [[1], [5, 7], [3, 2049], [2, 3, 4, 5]]) {
    it(`gelu, relu of [${shape}]`, () => {
      for (const size of [0.1, 1, 10]) {
        compare((x) => T.gelu(x!), [normal(shape, size)])
        compare((x) => T.gelu(x!, "tanh"), [normal(shape, size)])
        compare((x) => T.relu(x!), [normal(shape, size)])
      }
    })
  }

  it("other memory orders", () => {
    compare((x) => T.gelu(T.transpose(x!, 0, 1)), [normal([6, 11])])
    compare((x) => T.relu(T.channelsLast(x!)), [normal([2, 8, 5, 3])])
    compare((x) => T.relu(T.narrow(x!, 1, 1, 3)), [normal([4, 7])])
    compare((x) => T.layerNorm(T.transpose(x!, 0, 1), 9, null, null, 1e-6), [normal([9, 4])], 1e-4)
    // an upstream gradient that is expanded, not stored
    compare((x) => T.expand(T.sum(T.relu(x!), [0], true), [3, 5]), [normal([3, 5])], 1e-2)
  })

  it("activations at their limits", () => scope(() => {
    const x = half(T.fromFloat32(Float32Array.of(0, -0, 1e-30, -1e-30, 60, -60, 3e38, -3e38, Infinity, NaN), [10]))
    const values = (t: Tensor) => Array.from(T.toFloat32(t), (value) => Math.abs(value) < 1e-29 ? 0 : value)
    const large = T.toFloat32(x)[6] ?? 0
    assert.deepStrictEqual(values(T.relu(x)), [0, 0, 0, 0, 60, 0, large, 0, Infinity, NaN])
    assert.deepStrictEqual(values(T.gelu(x)).slice(0, 7).map((value) => value || 0), [0, 0, 0, 0, 60, 0, large])
    assert.deepStrictEqual(values(T.gelu(x, "tanh")).slice(0, 6).map((value) => value || 0), [0, 0, 0, 0, 60, 0])
    assert.isNaN(T.toFloat32(T.gelu(x))[9])
    assert.isNaN(T.toFloat32(T.gelu(x, "tanh"))[9])
  }))

  for (const width of [1, 48, 1152, 77]) {
    for (const rows of [1, 5, 300]) {
      it(`layerNorm of ${rows} × ${width}`, () => {
        // one element a row has no variance: eps alone decides, and a gradient of nearly nothing
        const slack = width === 1 ? 1 : 2e-3
        compare((x) => T.layerNorm(x!, width, null, null, 1e-2), [normal([rows, width], 3)], slack)
        compare((x, w, b) => T.layerNorm(x!, width, w!, b!, 1e-2), [normal([rows, width], 3), normal([width]), normal([width])], slack)
      })
    }
  }

  it("layerNorm far from zero does not cancel", () => scope(() => {
    const x = half(T.add(T.randomNormal([1, 1, 1, 1], [4, 256]), 1000))
    near("value", T.layerNorm(x, 256, null, null, 1e-6), T.layerNorm(float(x), 256, null, null, 1e-6), 1e-3)
  }))

  it("layerNorm with float32 weights, and not finite", () => scope(() => {
    const x = normal([4, 32]), w = T.randomNormal([1, 2, 3, 4], [32])
    const b = T.zeros([32])
    near("value", T.layerNorm(x, 32, w, b, 1e-6), T.layerNorm(float(x), 32, w, b, 1e-6))
    const bad = T.cat([x, T.full([1, 32], NaN, { dtype: "bfloat16" })], 0)
    assert.isNaN(T.toFloat32(T.layerNorm(bad, 32, null, null, 1e-6))[4 * 32])
  }))

  for (const [B, H, N, D] of [[2, 3, 5, 4], [1, 2, 257, 72], [2, 6, 33, 64], [1, 1, 1, 8], [1, 2, 100, 128], [1, 3, 24, 34], [1, 2, 31, 7], [1, 1, 26, 130]] as const) {
    it(`attention of ${B} × ${H} heads, ${N} tokens of ${D}`, () => {
      // the scores are rounded to 8 bits on their way: relative to them, not to the result
      compare((q, k, v) => T.attention(q!, k!, v!), [normal([B, H, N, D]), normal([B, H, N, D]), normal([B, H, N, D])], 3e-2)
    })
  }

  it("attention of strided heads, of other lengths, of large scores", () => {
    const heads = (x: Tensor) => T.transpose(T.view(x, [2, 7, 3, 8]), 1, 2)
    compare((q, k, v) => T.reshape(T.transpose(T.attention(heads(q!), heads(k!), heads(v!)), 1, 2), [2, 7, 24]), [normal([2, 7, 24]), normal([2, 7, 24]), normal([2, 7, 24])], 3e-2)
    compare((q, k, v) => T.attention(q!, k!, v!), [normal([1, 2, 3, 8]), normal([1, 2, 9, 8]), normal([1, 2, 9, 8])], 3e-2)
    scope(() => {
      const q = T.full([1, 1, 2, 4], 1e4, { dtype: "bfloat16" }), v = normal([1, 1, 2, 4])
      near("equal scores", T.attention(q, q, v), T.expand(T.mean(float(v), [2], true), [1, 1, 2, 4]), 1e-2)
    })
  })

  it("leaves no handles", () => {
    const before = live().count
    scope(() => {
      compare((x) => T.gelu(x!), [normal([5])])
    })
    assert.strictEqual(live().count, before)
  })
})
