/** The bfloat16 linear layer (native/gemm_bf16.cc where the processor has the instructions) against its plain twin: the same product in float32. */
import { assert, describe, it } from "vitest"
import { enableGrad, grad, leaf } from "../src/tensor/grad.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"

const bf16 = (shape: readonly number[], key: number) => T.to(T.randomNormal([key, 0, 0, 0], shape), { dtype: "bfloat16" })
const wide = (t: Tensor) => T.to(t, { dtype: "float32" })
/** Rounding a result to bfloat16 costs 2⁻⁹ of it at most; sums in bfloat16 would cost ten times that. */
const tolerance = 3e-3
const assertNear = (got: Tensor, expected: Tensor) => {
  assert.deepStrictEqual(got.shape, expected.shape)
  assert.isBelow(T.item(T.norm(T.sub(wide(got), expected))) / T.item(T.norm(expected)), tolerance)
}

describe("linear in bfloat16", () => {
  // one row, tails of tiles (8 rows, 16 and 48 lanes), an odd number of rows
  it.each([[1, 2, 2], [5, 6, 4], [49, 16, 34], [51, 50, 70], [100, 130, 62]])("%i rows, %i outputs, %i inputs: the product and its gradients", (M, N, K) => scope(() => {
    const [x, w, b, g] = [bf16([1, M, K], 1), bf16([N, K], 2), bf16([N], 3), bf16([1, M, N], 4)]
    const leaves = [leaf(x), leaf(w), leaf(b)] as const
    const y = enableGrad(() => T.linear(...leaves))
    const [gx, gw, gb] = grad([y], leaves, [g]) as [Tensor, Tensor, Tensor]
    const g2 = T.reshape(wide(g), [M, N])
    assertNear(T.linear(x, w, b), T.add(T.matmul(wide(x), T.transpose(wide(w), 0, 1)), wide(b)))
    assertNear(y, wide(T.linear(x, w, b)))
    assertNear(gx, T.reshape(T.matmul(g2, wide(w)), [1, M, K]))
    assertNear(gw, T.matmul(T.transpose(g2, 0, 1), T.reshape(wide(x), [M, K])))
    assertNear(gb, T.sum(g2, [0]))
  }))
})

describe("linear in float32", () => {
  const float = (shape: readonly number[], key: number) => T.randomNormal([key, 0, 0, 0], shape)
  const double = (t: Tensor) => T.to(t, { dtype: "float64" })
  const assertClose = (got: Tensor, expected: Tensor) => {
    assert.deepStrictEqual([got.shape, got.dtype], [expected.shape, "float32"])
    assert.isBelow(T.item(T.norm(T.sub(double(got), expected))) / T.item(T.norm(expected)), 1e-6)
  }
  // around the size from which oneDNN multiplies (native/gemm_onednn.cc, 2²³ multiplications), tails of its blocks, and a view as input
  it.each([[60, 40, 50], [255, 128, 257], [514, 384, 130], [3, 3001, 1000]])("%i rows, %i outputs, %i inputs: the product and its gradients", (M, N, K) => scope(() => {
    const [x, w, b, g] = [T.transpose(float([1, K, M], 1), 1, 2), float([N, K], 2), float([N], 3), float([1, M, N], 4)]
    const leaves = [leaf(x), leaf(w), leaf(b)] as const
    const y = enableGrad(() => T.linear(...leaves))
    const [gx, gw, gb] = grad([y], leaves, [g]) as [Tensor, Tensor, Tensor]
    const g2 = T.reshape(double(g), [M, N])
    const exact = T.add(T.matmul(double(x), T.transpose(double(w), 0, 1)), double(b))
    assertClose(T.linear(x, w, b), exact)
    assertClose(y, exact)
    assertClose(gx, T.reshape(T.matmul(g2, double(w)), [1, M, K]))
    assertClose(gw, T.matmul(T.transpose(g2, 0, 1), T.reshape(double(x), [M, K])))
    assertClose(gb, T.sum(g2, [0]))
  }))
})
