/** Every operation against values worked out by hand (or against a sum written out), and the errors by code. */
import { assert, afterEach, beforeEach, describe, it } from "vitest"
import { TensorError } from "../src/tensor/errors.ts"
import { enableGrad, grad, leaf, requiresGrad } from "../src/tensor/grad.ts"
import * as T from "../src/tensor/ops.ts"
import { live, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"

let before = 0
beforeEach(() => {
  before = live().count
})
afterEach(() => assert.strictEqual(live().count, before, "handles left behind"))

const of = (values: readonly number[], shape: readonly number[] = [values.length]) => T.fromFloat32(Float32Array.from(values), shape)
const values = (t: Tensor) => Array.from(T.toFloat32(t))
/** One check: the values and, where given, the shape. */
const is = (t: Tensor, expected: readonly number[], shape?: readonly number[]) => {
  const got = values(t)
  assert.strictEqual(got.length, expected.length)
  got.forEach((value, i) => assert.closeTo(value, expected[i] ?? NaN, 1e-5 * Math.max(1, Math.abs(expected[i] ?? 0)), `element ${i} of ${got}`))
  if (shape !== undefined) assert.deepStrictEqual(t.shape, shape)
}
const test = (name: string, f: () => void) => it(name, () => scope(f))

const fails = (code: string, text: RegExp, f: () => unknown): void => {
  try {
    f()
  } catch (error) {
    assert.instanceOf(error, TensorError)
    assert.strictEqual(error.code, code, error.message)
    assert.match(error.message, text)
    return
  }
  assert.fail("no error")
}

describe("creation and conversion", () => {
  test("zeros, full, arange", () => {
    is(T.zeros([2, 2]), [0, 0, 0, 0], [2, 2])
    const half = T.full([3], 0.5, { dtype: "bfloat16" })
    is(half, [0.5, 0.5, 0.5])
    assert.strictEqual(half.dtype, "bfloat16")
    assert.strictEqual(half.device, "cpu")
    assert.strictEqual(half.size, 3)
    assert.deepStrictEqual(T.toInt64(T.arange(4)), [0, 1, 2, 3])
  })
  test("typed arrays go in and come out", () => {
    is(of([1, 2, 3, 4, 5, 6], [2, 3]), [1, 2, 3, 4, 5, 6], [2, 3])
    is(T.fromUint8(Uint8Array.of(0, 255), [2]), [0, 255])
    assert.deepStrictEqual(T.toInt64(T.fromInt64([-1, 2 ** 40], [2])), [-1, 2 ** 40])
    assert.deepStrictEqual(Array.from(T.toBytes(T.full([1], 1, { dtype: "bfloat16" }))), [0x80, 0x3f])
    // a view into a larger buffer: its own offset counts
    is(T.fromFloat32(new Float32Array(Float32Array.of(9, 1, 2).buffer, 4, 2), [2]), [1, 2])
    assert.strictEqual(T.item(of([3.5])), 3.5)
  })
  test("to rounds to nearest even", () => {
    const t = T.to(of([1 + 1 / 256, 1 + 3 / 256]), { dtype: "bfloat16" })
    is(t, [1, 1 + 4 / 256])
    assert.strictEqual(T.to(t, { dtype: "int64" }).dtype, "int64")
  })
  test("in place", () => {
    const t = of([1, 2])
    T.add_(t, of([10, 20]), 0.5)
    is(t, [6, 12])
    T.mul_(t, 2)
    is(t, [12, 24])
    const copy = T.clone(t)
    T.copy_(t, of([7]))
    is(t, [7, 7])
    T.zero_(t)
    is(t, [0, 0])
    is(copy, [12, 24])
  })
})

describe("pointwise", () => {
  test("arithmetic, with tensors and numbers", () => {
    const a = of([1, -2]), b = of([4, 8])
    is(T.add(a, b), [5, 6])
    is(T.add(a, 1), [2, -1])
    is(T.sub(a, b), [-3, -10])
    is(T.sub(a, 1), [0, -3])
    is(T.sub(1, a), [0, 3])
    is(T.mul(a, b), [4, -16])
    is(T.mul(a, 0.5), [0.5, -1])
    is(T.div(a, b), [0.25, -0.25])
    is(T.div(a, 2), [0.5, -1])
    is(T.pow(b, 0.5), [2, Math.sqrt(8)])
    is(T.add(of([1, 2], [2, 1]), of([10, 20])), [11, 21, 12, 22], [2, 2])
    assert.strictEqual(T.mul(T.arange(2), 2).dtype, "int64")
  })
  test("functions", () => {
    const t = of([0.25, 4])
    is(T.neg(t), [-0.25, -4])
    is(T.sqrt(t), [0.5, 2])
    is(T.exp(t), [Math.exp(0.25), Math.exp(4)])
    is(T.log(t), [Math.log(0.25), Math.log(4)])
    is(T.abs(of([-1, 2])), [1, 2])
    is(T.square(t), [0.0625, 16])
    is(T.clamp(of([-3, 0.5, 3]), -1, 1), [-1, 0.5, 1])
    is(T.clamp(of([-3, 3]), null, 1), [-3, 1])
    is(T.round(of([0.5, 1.5, -0.7])), [0, 2, -1])
    is(T.floor(of([-0.5, 1.5])), [-1, 1])
    is(T.maximum(of([1, 5]), of([3, 2])), [3, 5])
    is(T.maximum(of([1, 5]), 2), [2, 5])
    is(T.minimum(of([1, 5]), of([3, 2])), [1, 2])
    is(T.minimum(of([1, 5]), 2), [1, 2])
    is(T.where(T.lessThan(t, 1), of([1, 1]), of([2, 2])), [1, 2])
    is(T.greaterThan(t, of([1, 1])), [0, 1])
    assert.strictEqual(T.greaterThan(t, 1).dtype, "bool")
  })
  test("activations", () => {
    const x = 0.7, t = of([-x, x])
    const tanh = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
    is(T.relu(t), [0, x])
    is(T.leakyRelu(t, 0.2), [-0.2 * x, x])
    is(T.gelu(t, "tanh"), [tanh(-x), tanh(x)])
    is(T.gelu(t), [-x * 0.24196365, x * 0.75803635]) // Φ(0.7) = 0.758036
    is(T.sigmoid(t), [1 / (1 + Math.exp(x)), 1 / (1 + Math.exp(-x))])
    is(T.softplus(t), [Math.log1p(Math.exp(-x)), Math.log1p(Math.exp(x))])
    is(T.softmax(of([0, Math.log(3), 0, 0], [2, 2]), 1), [0.25, 0.75, 0.5, 0.5])
    is(T.logSoftmax(of([0, Math.log(3)]), 0), [Math.log(0.25), Math.log(0.75)])
  })
})

describe("reductions", () => {
  test("over dimensions and over all", () => {
    const t = of([1, 2, 3, 4, 5, 7], [2, 3])
    is(T.sum(t), [22], [])
    is(T.sum(t, [0]), [5, 7, 10], [3])
    is(T.sum(t, [1], true), [6, 16], [2, 1])
    is(T.mean(t), [22 / 6])
    is(T.mean(t, [0, 1], true), [22 / 6], [1, 1])
    is(T.variance(of([1, 2, 3, 6]), [0]), [14 / 3])
    is(T.variance(of([1, 2, 3, 6]), [0], { unbiased: false, keepdim: true }), [3.5], [1])
    is(T.norm(of([3, 4])), [5])
    assert.strictEqual(T.maxAbs(of([-7, 3])), 7)
  })
  test("norm of many bfloat16 values accumulates in float32", () => {
    const n = T.norm(T.full([10000], 1, { dtype: "bfloat16" }))
    assert.strictEqual(n.dtype, "float32")
    is(n, [100])
  })
})

describe("shape", () => {
  test("views and rearrangement", () => {
    const t = of([0, 1, 2, 3, 4, 5], [2, 3])
    is(T.reshape(t, [3, -1]), [0, 1, 2, 3, 4, 5], [3, 2])
    is(T.view(t, [6]), [0, 1, 2, 3, 4, 5])
    is(T.transpose(t, 0, 1), [0, 3, 1, 4, 2, 5], [3, 2])
    is(T.permute(T.reshape(t, [1, 2, 3]), [2, 0, 1]), [0, 3, 1, 4, 2, 5], [3, 1, 2])
    is(T.flatten(T.reshape(t, [1, 2, 3]), 1), [0, 1, 2, 3, 4, 5], [1, 6])
    is(T.flatten(T.reshape(t, [1, 2, 3]), 0, 1), [0, 1, 2, 3, 4, 5], [2, 3])
    is(T.expand(of([1, 2], [2, 1]), [2, 2]), [1, 1, 2, 2])
    is(T.cat([t, t], 0), [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5], [4, 3])
    is(T.stack([of([1, 2]), of([3, 4])], 1), [1, 3, 2, 4], [2, 2])
    assert.deepStrictEqual(T.chunk(t, 3, 1).map(values), [[0, 3], [1, 4], [2, 5]])
    is(T.narrow(t, 1, 1, 2), [1, 2, 4, 5])
    is(T.select(t, 0, 1), [3, 4, 5], [3])
    is(T.unsqueeze(t, 0), [0, 1, 2, 3, 4, 5], [1, 2, 3])
    is(T.squeeze(T.unsqueeze(t, 0), 0), [0, 1, 2, 3, 4, 5], [2, 3])
    is(T.indexSelect(t, 1, T.fromInt64([2, 0], [2])), [2, 0, 5, 3])
    is(T.contiguous(T.transpose(t, 0, 1)), [0, 3, 1, 4, 2, 5], [3, 2])
    is(T.channelsLast(T.reshape(t, [1, 2, 1, 3])), [0, 1, 2, 3, 4, 5], [1, 2, 1, 3])
  })
  test("padding", () => {
    const t = of([1, 2, 3], [1, 1, 3])
    is(T.pad(t, [1, 2]), [0, 1, 2, 3, 0, 0])
    is(T.pad(t, [1, 0], "constant", 9), [9, 1, 2, 3])
    is(T.pad(t, [1, 1], "circular"), [3, 1, 2, 3, 1])
    is(T.pad(t, [2, 0], "reflect"), [3, 2, 1, 2, 3])
  })
  test("interpolation keeps a constant and, bilinear, a ramp", () => {
    for (const mode of ["bilinear", "bicubic"] as const) {
      for (const antialias of [false, true]) is(T.interpolate(T.full([1, 1, 4, 4], 2), [3, 3], mode, { antialias }), Array.from({ length: 9 }, () => 2), [1, 1, 3, 3])
    }
    is(T.interpolate(of([0, 1, 2, 3], [1, 1, 1, 4]), [1, 2], "bilinear"), [0.5, 2.5])
  })
})

describe("linear", () => {
  test("products", () => {
    const a = of([1, 2, 3, 4], [2, 2])
    is(T.matmul(a, of([1, 1], [2, 1])), [3, 7], [2, 1])
    is(T.linear(a, of([1, 0, 0, 1, 1, 1], [3, 2]), of([0, 0, 10])), [1, 2, 13, 3, 4, 17], [2, 3])
    is(T.linear(a, of([1, 1], [1, 2])), [3, 7])
  })
  test("convolutions", () => {
    const x = of([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3])
    is(T.conv2d(x, T.full([1, 1, 2, 2], 1), of([0.5])), [12.5, 16.5, 24.5, 28.5], [1, 1, 2, 2])
    is(T.conv2d(x, T.full([1, 1, 3, 3], 1), null, { padding: 1, stride: 2 }), [12, 16, 24, 28])
    is(T.conv1d(of([1, 2, 3, 4], [1, 2, 2]), of([10, 100], [2, 1, 1]), null, { groups: 2 }), [10, 20, 300, 400])
    is(T.conv1d(of([1, 2, 3], [1, 1, 3]), of([1, 1], [1, 1, 2]), of([1]), { padding: 1 }), [2, 4, 6, 4])
    is(T.maxPool2d(x, 2, 1), [5, 6, 8, 9])
    is(T.avgPool2d(x, 2, 1, 0), [3, 4, 6, 7])
    // at the border fewer pixels are under the window, and fewer are counted
    is(T.avgPool2d(x, 3, 1, 1), [3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7])
  })
  test("attention is softmax(q kᵀ / √D) v", () => {
    const [q, k, v] = [0, 1, 2].map((i) => T.randomNormal([9, 9, 9, i], [2, 3, 5, 4])) as [Tensor, Tensor, Tensor]
    is(T.attention(q, k, v), values(T.matmul(T.softmax(T.div(T.matmul(q, T.transpose(k, 2, 3)), 2), -1), v)), [2, 3, 5, 4])
  })
  test("normalisation", () => {
    is(T.layerNorm(of([1, 3, 5, 5], [2, 2]), 2, of([1, 2]), of([0, 1]), 0.25), [-1 / Math.sqrt(1.25), 2 / Math.sqrt(1.25) + 1, 0, 1])
    is(T.layerNorm(of([1, 3]), 2, null, null, 0), [-1, 1])
    is(T.groupNorm(of([1, 3, 10, 14], [1, 4]), 2, T.full([4], 1), T.zeros([4]), 0), [-1, 1, -1, 1])
  })
})

describe("decompositions", () => {
  const of64 = (numbers: ReadonlyArray<number>, shape: readonly number[]) => T.fromFloat64(Float64Array.from(numbers), shape)
  const near = (got: Tensor, expected: ReadonlyArray<number>) => {
    const numbers = T.toFloat64(got)
    assert.strictEqual(numbers.length, expected.length)
    for (const [i, value] of expected.entries()) assert.closeTo(numbers[i]!, value, 1e-14)
  }
  test("singular values, of a tall and of a wide matrix", () => {
    near(T.singularValues(of64([3, 0, 0, 4, 0, 0], [3, 2])), [4, 3])
    near(T.singularValues(of64([1, 1, 1, 1, 1, 1], [2, 3])), [Math.sqrt(6), 0])
  })
  test("R of a QR decomposition keeps tᵀt", () => {
    const t = of64([1, 2, 3, 4, 5, 7], [3, 2])
    const r = T.triangularFactor(t)
    assert.deepStrictEqual(r.shape, [2, 2])
    near(T.matmul(T.transpose(r, 0, 1), r), [35, 49, 49, 69])
    assert.strictEqual(T.toFloat64(r)[2], 0)
    assert.deepStrictEqual(T.triangularFactor(of64([1, 2, 3], [1, 3])).shape, [1, 3])
  })
  test("eigenvalues of a symmetric matrix, and vectors that give it back", () => {
    const t = of64([2, 1, 1, 2], [2, 2])
    const [values, vectors] = T.eigenSymmetric(t)
    near(values, [1, 3])
    near(T.matmul(T.mul(vectors, T.view(values, [1, 2])), T.transpose(vectors, 0, 1)), [2, 1, 1, 2])
  })
})

describe("autograd", () => {
  test("gradients for several outputs and inputs at once", () => {
    const x = leaf(of([1, 2])), y = leaf(of([3, 4]))
    const outputs = enableGrad(() => [T.sum(T.mul(x, y)), T.sum(T.square(x))])
    const gradients = grad(outputs, [x, y], [T.full([], 1), T.full([], 10)])
    is(gradients[0]!, [3 + 20, 4 + 40])
    is(gradients[1]!, [1, 2])
  })
  test("nothing is recorded outside enableGrad, and a leaf shares its memory", () => {
    const t = of([1, 2]), x = leaf(t)
    assert.isTrue(requiresGrad(x))
    assert.isFalse(requiresGrad(T.mul(x, 2)))
    assert.isTrue(requiresGrad(enableGrad(() => T.mul(x, 2))))
    T.mul_(t, 5)
    is(x, [5, 10])
    enableGrad(() => assert.throws(() => enableGrad(() => T.reshape(t, [7]))))
    assert.isFalse(requiresGrad(T.mul(x, 2)), "the mode is restored after an error")
  })
  test("the graph is kept only where asked", () => {
    const x = leaf(of([3])), y = enableGrad(() => T.square(x)), one = T.full([1], 1)
    is(grad([y], [x], [one], { retainGraph: true })[0]!, [6])
    is(grad([y], [x], [one])[0]!, [6])
    fails("invalid", /grad/, () => grad([y], [x], [one]))
    fails("invalid", /grad/, () => grad([enableGrad(() => T.square(x))], [leaf(of([1]))], [one]))
  })
})

describe("errors", () => {
  test("carry code, operation and shapes", () => {
    fails("shape", /^matmul: .*\(Float\[2, 3\], Float\[4, 5\]\)$/, () => T.matmul(T.zeros([2, 3]), T.zeros([4, 5])))
    fails("shape", /add/, () => T.add(T.zeros([2]), T.zeros([3])))
    fails("shape", /reshape/, () => T.reshape(T.zeros([2]), [3]))
    fails("shape", /narrow/, () => T.narrow(T.zeros([2]), 0, 1, 5))
    fails("shape", /select/, () => T.select(T.zeros([2]), 3, 0))
    fails("shape", /cat/, () => T.cat([T.zeros([2, 3]), T.zeros([2, 4])], 0))
    fails("shape", /fromBytes: the array holds 8 bytes, the shape wants 12/, () => T.fromFloat32(new Float32Array(2), [3]))
    fails("shape", /item wants one element, got 2/, () => T.item(T.zeros([2])))
    fails("dtype", /matmul/, () => T.matmul(T.zeros([2, 2]), T.zeros([2, 2], { dtype: "bfloat16" })))
    fails("dtype", /toInt64/, () => T.toInt64(T.zeros([1])))
    fails("out_of_memory", /zeros/, () => T.zeros([1 << 20, 1 << 20, 64]))
    fails("invalid", /interpolate knows/, () => T.interpolate(T.zeros([1, 1, 2, 2]), [1, 1], "nearest" as "bilinear"))
    fails("no_device", /zeros/, () => T.zeros([1], { device: "cuda:63" }))
  })
})
