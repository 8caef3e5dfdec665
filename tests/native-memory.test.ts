/** The memory that CPU tensors live in: counted, reused, merged, given back, limited. */
import { assert, describe, it } from "vitest"
import { readFileSync } from "node:fs"
import { memoryStats, resetPeakMemory, trimMemory } from "../src/tensor/device.ts"
import { TensorError } from "../src/tensor/errors.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"

const MiB = 2 ** 20
const residentBytes = () => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024
const bytes = (n: number) => T.zeros([n], { dtype: "uint8" })

describe("memory of tensors", () => {
  it("is counted, with its peak", () => {
    const before = memoryStats().live
    resetPeakMemory()
    const a = bytes(8 * MiB), b = bytes(4 * MiB)
    assert.strictEqual(memoryStats().live - before, 12 * MiB)
    a.dispose()
    b.dispose()
    assert.strictEqual(memoryStats().live, before)
    assert.strictEqual(memoryStats().peak - before, 12 * MiB)
    resetPeakMemory()
    assert.strictEqual(memoryStats().peak, before)
  })

  it("is reused: a loop stretches it no further than its first round", () => {
    const round = () => scope(() => {
      for (let i = 1; i < 40; i++) bytes(i * 70_001)
    })
    round()
    const { extent } = memoryStats()
    for (let i = 0; i < 20; i++) round()
    assert.strictEqual(memoryStats().extent, extent)
  })

  it("merges neighbours, and never hands out what is in use", () => {
    // sizes and order from a generator of its own; every tensor keeps its value while others come and go
    let state = 12345
    const random = (n: number) => (state = (state * 1103515245 + 12345) % 2 ** 31) % n
    const { live, extent } = memoryStats()
    const alive: Array<{ readonly t: Tensor; readonly value: number; readonly n: number }> = []
    for (let i = 0; i < 2000; i++) {
      if (alive.length > 60 || (alive.length > 0 && random(3) === 0)) {
        const [{ t, value, n }] = alive.splice(random(alive.length), 1) as [(typeof alive)[number]]
        scope(() => assert.strictEqual(T.item(T.sum(t)), value * n))
        t.dispose()
      } else {
        const n = 1 + random(60_000), value = random(100)
        alive.push({ t: T.full([n], value, { dtype: "int64" }), value, n })
      }
    }
    for (const { t } of alive) t.dispose()
    assert.strictEqual(memoryStats().live, live)
    // all of it is one free block again: a tensor as large as everything above fits into it
    const grown = memoryStats().extent
    bytes(Math.max(grown - live - extent, MiB)).dispose()
    assert.strictEqual(memoryStats().extent, grown)
  })

  it("goes back to the system when asked", () => {
    const t = T.full([64 * MiB], 1, { dtype: "uint8" })
    t.dispose()
    const before = residentBytes()
    trimMemory()
    assert.isBelow(residentBytes(), before - 50 * MiB)
    using again = bytes(64 * MiB)
    assert.strictEqual(T.maxAbs(again), 0)
  })

  it("runs out with a typed error that says how much is in use", () => {
    try {
      bytes(2 ** 45)
    } catch (error) {
      assert.instanceOf(error, TensorError)
      assert.strictEqual(error.code, "out_of_memory")
      assert.match(error.message, /not enough memory for 35184372088832 bytes: \d+ in use of \d+/)
      return
    }
    assert.fail("no error")
  })
})
