/** Every kernel on every device against its plain twin on the CPU: odd sizes, both precisions, tensors that start off alignment. */
import { assert, beforeEach, afterEach, describe, it } from "vitest"
import { enableGrad, grad, leaf } from "../src/tensor/grad.ts"
import * as kernels from "../src/tensor/kernels.ts"
import * as T from "../src/tensor/ops.ts"
import * as plain from "../src/tensor/plain.ts"
import { live, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import type { Device, Dtype } from "../src/tensor/dtype.ts"
import { devices } from "./tensor-devices.ts"

let before = 0
beforeEach(() => {
  before = live().count
})
afterEach(() => assert.strictEqual(live().count, before, "handles left behind"))

/** The same values three elements into another allocation. */
const misaligned = (t: Tensor): Tensor => {
  const flat = T.reshape(t, [-1])
  return T.view(T.narrow(T.cat([T.zeros([3], { dtype: t.dtype, device: t.device }), flat], 0), 0, 3, flat.size), t.shape)
}

/** Largest difference over the largest value. */
const distance = (a: Tensor, b: Tensor): number => {
  const x = T.toFloat32(a), y = T.toFloat32(b)
  assert.strictEqual(x.length, y.length)
  let difference = 0, size = 1e-30
  x.forEach((value, i) => {
    difference = Math.max(difference, Math.abs(value - (y[i] ?? NaN)))
    size = Math.max(size, Math.abs(value))
  })
  assert.isFalse(Number.isNaN(difference))
  return difference / size
}
const shapes = [[1], [31], [64, 33], [3, 5, 7], [70001]]
const onCpu = (ts: readonly Tensor[]) => ts.map((t) => T.clone(T.to(t, { device: "cpu" })))

/** Value and gradient by the first argument, from a random upstream gradient. */
const withGradient = (f: (x: Tensor) => Tensor, x: Tensor, upstream: (y: Tensor) => Tensor) => {
  const variable = leaf(x)
  const y = enableGrad(() => f(variable))
  const [g] = grad([y], [variable], [upstream(y)])
  return { y, g: g! }
}

let serial = 0
describe.each(devices)("%s", (device) => {
  const normal = (shape: readonly number[], dtype: Dtype = "float32"): Tensor => T.to(T.randomNormal([7, 1, 2, serial++], shape), { dtype, device })

  describe("adamw", () => {
    for (const dtype of ["float32", "bfloat16"] as const) {
      for (const place of [(t: Tensor) => t, misaligned]) {
        it(`${dtype} gradients, ${place === misaligned ? "misaligned" : "aligned"}`, () => scope(() => {
          const p = shapes.map((shape) => place(normal(shape))), m = p.map((t) => T.mul(normal(t.shape), 0.1)), v = p.map((t) => T.square(normal(t.shape)))
          const g = p.map((t) => place(normal(t.shape, dtype))), w = p.map((t) => T.zeros(t.shape, { dtype: "bfloat16", device }))
          const [q, n, u, x, h] = [p, m, v, w, g].map(onCpu) as [Tensor[], Tensor[], Tensor[], Tensor[], Tensor[]]
          const options = { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, step: 3, gradScale: 0.5 }
          kernels.adamw(p, g, m, v, w, options)
          plain.adamw(q, h, n, u, x, options)
          p.forEach((_, i) => {
            assert.isBelow(distance(p[i]!, q[i]!), 1e-6)
            assert.isBelow(distance(m[i]!, n[i]!), 1e-6)
            assert.isBelow(distance(v[i]!, u[i]!), 1e-6)
            // the working copy is the weight rounded to nearest even, exactly
            assert.deepStrictEqual(T.toBytes(w[i]!), T.toBytes(T.to(p[i]!, { dtype: "bfloat16" })))
          })
        }))
      }
    }

    it("takes gradients of another memory order", () => scope(() => {
      const state = (device: Device) => [T.zeros([3, 5], { device }), T.zeros([3, 5], { device }), T.zeros([3, 5], { device })] as const
      const [p, m, v] = state(device), [q, n, u] = state("cpu"), g = normal([5, 3])
      const options = { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, step: 1, gradScale: 1 }
      kernels.adamw([p], [T.transpose(g, 0, 1)], [m], [v], null, options)
      plain.adamw([q], [onCpu([T.contiguous(T.transpose(g, 0, 1))])[0]!], [n], [u], null, options)
      assert.isBelow(distance(p, q), 1e-6)
    }))

    it("refuses what does not fit, and says where", () => scope(() => {
      const options = { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, step: 1, gradScale: 1 }
      const ok = () => [T.zeros([4], { device }), T.zeros([5], { device })], p = ok()
      const refused = (code: string, text: RegExp, f: () => void) => {
        try {
          f()
        } catch (error) {
          assert.propertyVal(error, "code", code)
          assert.match(String(error), text)
          return
        }
        assert.fail("no error")
      }
      refused("shape", /m\[1\]/, () => kernels.adamw(p, ok(), [T.zeros([4], { device }), T.zeros([6], { device })], ok(), null, options))
      refused("shape", /grads: expected 2 tensors, got 1/, () => kernels.adamw(p, [T.zeros([4])], ok(), ok(), null, options))
      refused("dtype", /v\[0\]/, () => kernels.adamw(p, ok(), ok(), [T.zeros([4], { dtype: "bfloat16", device }), T.zeros([5], { device })], null, options))
      refused("dtype", /bfloat16/, () => kernels.adamw(p, ok(), ok(), ok(), ok(), options))
      refused("invalid", /from 1/, () => kernels.adamw(p, ok(), ok(), ok(), null, { ...options, step: 0 }))
    }))
  })

  describe("ema, accumulate, gradStats", () => {
    for (const dtype of ["float32", "bfloat16"] as const) {
      it(dtype, () => scope(() => {
        const values = shapes.map((shape) => misaligned(normal(shape, dtype))), a = shapes.map((shape) => normal(shape)), b = onCpu(a), given = onCpu(values)
        kernels.ema(a, values, 0.9978)
        plain.ema(b, given, 0.9978)
        a.forEach((t, i) => assert.isBelow(distance(t, b[i]!), 1e-6))
        kernels.accumulate(a, values)
        plain.accumulate(b, given)
        a.forEach((t, i) => assert.isBelow(distance(t, b[i]!), 1e-6))
        const fast = kernels.gradStats(values), slow = plain.gradStats(given)
        assert.isBelow(Math.abs(fast.sumSquares / slow.sumSquares - 1), 1e-12)
        assert.isTrue(fast.finite)
      }))
    }

    it("finds one value that is not finite", () => scope(() => {
      for (const bad of [NaN, Infinity, -Infinity]) {
        const data = new Float32Array(70003)
        data[70002] = bad
        const t = T.to(T.fromFloat32(data, [70003]), { device })
        assert.isFalse(kernels.allFinite([T.zeros([5], { device }), t]))
        assert.isFalse(kernels.allFinite([T.to(t, { dtype: "bfloat16" })]))
      }
      // large, but finite: its square is not
      assert.deepStrictEqual(kernels.gradStats([T.full([2], 1e30, { device })]).finite, true)
    }))
  })

  describe("diffaug", () => {
    for (const [dtype, bound] of [["float32", 1e-5], ["bfloat16", 2e-2]] as const) {
      it(`${dtype}: value and gradient`, () => scope(() => {
        const x = normal([3, 3, 17, 24], dtype), draws = T.randomUniform([1, 2, 3, 4], [7, 3, 1, 1])
        const up = normal([3, 3, 17, 24])
        const fast = withGradient((x) => kernels.diffaug(x, draws), x, () => T.to(up, { dtype }))
        const slow = withGradient((x) => plain.diffaug(x, draws), T.to(x, { dtype: "float32", device: "cpu" }), () => T.to(up, { device: "cpu" }))
        assert.isBelow(distance(slow.y, fast.y), bound)
        assert.isBelow(distance(slow.g, fast.g), bound)
        assert.strictEqual(fast.y.dtype, dtype)
        assert.isBelow(distance(kernels.diffaug(x, draws), fast.y), 1e-12, "with grad mode off, the same bits")
      }))
    }
  })

  describe("lpipsDistance", () => {
    for (const [dtype, bound] of [["float32", 1e-5], ["bfloat16", 1e-2]] as const) {
      for (const layout of [T.channelsLast, T.contiguous]) {
        it(`${dtype}, ${layout === T.contiguous ? "channels first" : "channels last"}: value and gradient`, () => scope(() => {
          const a = layout(T.relu(normal([2, 19, 5, 7], dtype))), b = layout(T.relu(normal([2, 19, 5, 7], dtype)))
          const weight = T.randomUniform([5, 5, 5, 5], [1, 19, 1, 1]), up = T.fromFloat32(Float32Array.of(0.7, -1.3), [2])
          const fast = withGradient((a) => kernels.lpipsDistance(a, b, T.to(weight, { device })), a, () => T.to(up, { device }))
          const slow = withGradient((a) => plain.lpipsDistance(a, T.to(b, { device: "cpu" }), weight), T.to(a, { dtype: "float32", device: "cpu" }), () => up)
          assert.isBelow(distance(slow.y, fast.y), 1e-5)
          assert.isBelow(distance(slow.g, fast.g), bound)
          assert.strictEqual(fast.g.dtype, dtype)
        }))
      }
    }

    it("has gradient 0 where all channels are 0", () => scope(() => {
      const { g } = withGradient((a) => kernels.lpipsDistance(a, T.full([1, 4, 2, 2], 1, { device }), T.full([4], 1, { device })), T.zeros([1, 4, 2, 2], { device }), () => T.full([1], 1, { device }))
      assert.isTrue(kernels.allFinite([g]))
    }))

    it("refuses a gradient by its second argument", () => scope(() => {
      const b = leaf(normal([1, 4, 2, 2]))
      assert.throws(() => enableGrad(() => kernels.lpipsDistance(normal([1, 4, 2, 2]), b, T.full([4], 1, { device }))), /first argument only/)
    }))
  })

  describe("quantize8", () => {
    it("is the plain twin, and its values are 8 bit", () => scope(() => {
      const x = normal([2, 3, 11, 13]), y = kernels.quantize8(x)
      assert.deepStrictEqual(T.toFloat32(y), T.toFloat32(plain.quantize8(T.to(x, { device: "cpu" }))))
      for (const value of T.toFloat32(y)) assert.isBelow(Math.abs((value + 1) * 127.5 - Math.round((value + 1) * 127.5)), 1e-4)
    }))
  })
})
