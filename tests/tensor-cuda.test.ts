/**
 * What is the GPU's own: random bits, operations that libtorch does in another way there, repeatability, copies from and to the host, error
 * codes. The kernels are in tensor-kernels.test.ts, the golden step in parity.test.ts, both on every device there is. All of it at once:
 *
 *     npm test -- tests/tensor-cuda.test.ts tests/tensor-kernels.test.ts tests/parity.test.ts
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { gpuMemory, resetGpuPeak, synchronize } from "../src/tensor/device.ts"
import type { Device } from "../src/tensor/dtype.ts"
import { TensorError } from "../src/tensor/errors.ts"
import { enableGrad, grad, leaf } from "../src/tensor/grad.ts"
import * as kernels from "../src/tensor/kernels.ts"
import * as T from "../src/tensor/ops.ts"
import { keep, live, scope } from "../src/tensor/scope.ts"
import { Snapshot } from "../src/tensor/snapshot.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { hashTensor, hashTensors, openSafetensors } from "../src/tensor/weights.ts"
import { withoutGpu } from "./tensor-devices.ts"

const gpu = "cuda:0"
let before = 0
beforeEach(() => {
  before = live().count
})
afterEach(() => assert.strictEqual(live().count, before, "handles left behind"))

let serial = 0
const normal = (shape: readonly number[]): Tensor => T.randomNormal([11, 4, 2, serial++], shape)
const on = (device: Device, ts: readonly Tensor[], dtype: "float32" | "bfloat16" = "float32"): Tensor[] => ts.map((t) => T.to(t, { device, dtype }))

/** Value and gradients by every argument. */
const run = (f: (...xs: Tensor[]) => Tensor, inputs: readonly Tensor[], upstream: Tensor): Tensor[] => {
  const leaves = inputs.map(leaf)
  const y = enableGrad(() => f(...leaves))
  return [y, ...grad([y], leaves, [T.to(upstream, { device: y.device, dtype: y.dtype })])]
}

/** Largest difference over the largest value. */
const distance = (got: Tensor, expected: Tensor): number => {
  assert.deepStrictEqual(got.shape, expected.shape)
  const a = T.toFloat32(got), b = T.toFloat32(expected)
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0) / b.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30)
}

type Case = readonly [name: string, f: (...xs: Tensor[]) => Tensor, shapes: ReadonlyArray<readonly number[]>]
const operations: ReadonlyArray<Case> = [
  ["linear", (x, w, b) => T.linear(x!, w!, b!), [[2, 37, 48], [64, 48], [64]]],
  ["attention", (q, k, v) => T.attention(q!, k!, v!), [[2, 3, 45, 64], [2, 3, 45, 64], [2, 3, 45, 64]]],
  ["attention 72 wide", (q, k, v) => T.attention(q!, k!, v!), [[1, 2, 17, 72], [1, 2, 17, 72], [1, 2, 17, 72]]],
  ["layer norm", (x, w, b) => T.layerNorm(x!, 96, w!, b!, 1e-6), [[5, 7, 96], [96], [96]]],
  ["gelu", (x) => T.gelu(x!, "tanh"), [[3, 77]]],
  ["relu", (x) => T.relu(x!), [[3, 77]]],
  ["convolution", (x, w, b) => T.conv2d(T.channelsLast(x!), w!, b!, { padding: 1 }), [[2, 8, 9, 11], [16, 8, 3, 3], [16]]],
  ["max pool", (x) => T.maxPool2d(T.channelsLast(x!), 2, 2), [[2, 8, 8, 12]]],
  ["average pool", (x) => T.avgPool2d(T.channelsLast(x!), 3, 1, 1), [[2, 8, 8, 12]]],
  ["circular padding", (x) => T.pad(x!, [4, 4], "circular"), [[2, 3, 21]]],
  ["bilinear, smaller", (x) => T.interpolate(x!, [14, 10], "bilinear"), [[2, 3, 16, 19]]],
  ["bilinear, larger", (x) => T.interpolate(x!, [24, 31], "bilinear"), [[2, 3, 16, 19]]]
]

describe.skipIf(withoutGpu !== "")(gpu, () => {
  it("draws the CPU's random numbers", () => scope(() => {
    for (const shape of [[1], [2, 3], [4099]]) {
      assert.deepStrictEqual(T.toBytes(T.randomUniform([1, 2, 3, 4], shape, { device: gpu })), T.toBytes(T.randomUniform([1, 2, 3, 4], shape)))
      assert.isBelow(distance(T.randomNormal([1, 2, 3, 4], shape, { device: gpu }), T.randomNormal([1, 2, 3, 4], shape)), 1e-6)
    }
  }))

  // float32 in float32: a product rounded to the GPU's 10-bit format would be off by 1e-3
  for (const [dtype, bound] of [["float32", 1e-5], ["bfloat16", 3e-2]] as const) {
    it.each(operations)(`%s in ${dtype}: value and gradients are the CPU's in float32, and the same bits twice`, (_, f, shapes) => scope(() => {
      const inputs = on("cpu", shapes.map(normal), dtype)
      const reference = on("cpu", inputs), upstream = T.randomNormal([3, 3, 3, 3], f(...reference).shape)
      const expected = run(f, reference, upstream)
      const once = run(f, on(gpu, inputs, dtype), upstream), again = run(f, on(gpu, inputs, dtype), upstream)
      for (const [i, t] of once.entries()) {
        assert.isBelow(distance(t, expected[i]!), bound, i === 0 ? "value" : `gradient ${i - 1}`)
        assert.strictEqual(hashTensor(t), hashTensor(again[i]!))
      }
    }))
  }

  it("gives the same bits twice from the kernels that sum", () => scope(() => {
    const [x, y] = on(gpu, [normal([2, 19, 32, 32]), normal([2, 19, 32, 32])]) as [Tensor, Tensor]
    const weight = T.full([19], 1, { device: gpu }), draws = T.randomUniform([5, 5, 5, 5], [7, 2, 1, 1])
    const results = () => [
      ...run((a) => kernels.lpipsDistance(a!, y, weight), [x], T.full([2], 1)),
      ...run((a) => kernels.diffaug(a!, draws), [x], T.full(x.shape, 1))
    ].map(hashTensor)
    assert.deepStrictEqual(results(), results())
    assert.deepStrictEqual(kernels.gradStats([x, y]), kernels.gradStats([x, y]))
  }))

  it("is copied to a snapshot and back, and has the hashes that it has on the CPU", () => {
    const host = new Map([["a", keep(normal([333, 77]))], ["b", keep(T.transpose(normal([5, 9]), 0, 1))], ["c", keep(T.to(normal([4097]), { dtype: "bfloat16" }))]])
    const named = new Map(Array.from(host, ([name, t]) => [name, keep(T.to(t, { device: gpu }))]))
    try {
      assert.deepStrictEqual(hashTensors(named), hashTensors(host))
      const snapshot = new Snapshot()
      snapshot.capture(named)
      for (const t of named.values()) T.zero_(t)
      snapshot.restore(named)
      assert.deepStrictEqual(hashTensors(named), hashTensors(host))
    } finally {
      for (const t of [...host.values(), ...named.values()]) t.dispose()
    }
  })

  it("takes tensors from a file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rae-cuda-"))
    const named = new Map([["w", keep(T.to(normal([63, 5]), { device: gpu }))]])
    try {
      const snapshot = new Snapshot()
      snapshot.capture(named)
      await snapshot.write(folder, () => "weights.safetensors")
      scope(() => {
        using file = openSafetensors(join(folder, "weights.safetensors"))
        const read = file.read("w", { device: gpu })
        assert.strictEqual(read.device, gpu)
        assert.strictEqual(hashTensor(read), hashTensor(named.get("w")!))
      })
    } finally {
      for (const t of named.values()) t.dispose()
      rmSync(folder, { recursive: true })
    }
  })

  it("counts its memory, and says when there is not enough", () => scope(() => {
    resetGpuPeak(gpu)
    const { live } = gpuMemory(gpu)
    const t = T.zeros([1 << 20], { device: gpu })
    synchronize(gpu)
    assert.isAtLeast(gpuMemory(gpu).live, live + 4 * t.size)
    assert.isAtLeast(gpuMemory(gpu).peak, gpuMemory(gpu).live)
    try {
      T.zeros([1 << 20, 1 << 20], { device: gpu })
      assert.fail("4 TB on a GPU")
    } catch (error) {
      assert.instanceOf(error, TensorError)
      assert.strictEqual(error.code, "out_of_memory")
    }
  }))

  it("does not mix with the CPU's tensors", () => scope(() => {
    const there = T.zeros([4], { device: gpu }), here = T.zeros([4])
    assert.throws(() => kernels.accumulate([there], [here]), /values\[0\] is on cpu, the first weight on cuda:0/)
    assert.throws(() => kernels.lpipsDistance(T.zeros([1, 4, 2, 2], { device: gpu }), T.zeros([1, 4, 2, 2]), there), /on one device/)
  }))
})
