import { assert, describe, it } from "vitest"
import { integers, keyOf, normal, shuffle, uniform } from "../src/random/draws.ts"
import { type Key, philoxBlock, words } from "../src/random/philox.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"

describe("philox", () => {
  /** Known-answer vectors of the Random123 distribution (kat_vectors, philox4x32 10): counter, key, words. */
  it.for([
    [[0, 0], [0, 0, 0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
    [[0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
    [[0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]]
  ] as const)("equals the published vector %#", ([key, counter, expected]) => {
    const out = new Uint32Array(4)
    philoxBlock([...key, counter[2], counter[3]] as Key, counter[0], counter[1], out)
    assert.deepStrictEqual([...out], [...expected])
  })
})

describe("draws", () => {
  const key = keyOf(7, "test", 3, 1)

  it("are functions of the key alone, and prefixes agree", () => {
    assert.deepStrictEqual(words(key, 10), words(key, 13).subarray(0, 10))
    assert.deepStrictEqual(uniform(key, 5), uniform(keyOf(7, "test", 3, 1), 5))
    for (const other of [keyOf(8, "test", 3, 1), keyOf(7, "tesu", 3, 1), keyOf(7, "test", 4, 1), keyOf(7, "test", 3, 2), keyOf(7 + 2 ** 32, "test", 3, 1)]) {
      assert.notDeepEqual(words(other, 4), words(key, 4))
    }
  })

  it("have the right moments and range", () => {
    const moments = (x: Float32Array) => {
      const mean = x.reduce((a, b) => a + b, 0) / x.length
      return [mean, x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length] as const
    }
    const u = uniform(key, 50_000)
    assert.isTrue(u.every((v) => v >= 0 && v < 1))
    const [uMean, uVariance] = moments(u)
    assert.closeTo(uMean, 0.5, 0.006)
    assert.closeTo(uVariance, 1 / 12, 0.003)
    const [nMean, nVariance] = moments(normal(key, 50_001))
    assert.closeTo(nMean, 0, 0.02)
    assert.closeTo(nVariance, 1, 0.03)
  })

  it("are the addon's too: uniforms bit for bit, normals within rounding, whatever the count and the number of threads", () => {
    scope(() => {
      for (const count of [1, 3, 63, 64, 65, 100_003]) {
        assert.deepStrictEqual(T.toFloat32(T.randomUniform(key, [count])), uniform(key, count))
        const expected = normal(key, count)
        const largest = T.toFloat32(T.randomNormal(key, [count])).reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i]!)), 0)
        assert.isBelow(largest, 2e-6)
      }
    })
  })

  it("give integers below their bound and permutations", () => {
    assert.deepStrictEqual([...new Set(integers(key, 1000, 7))].sort(), [0, 1, 2, 3, 4, 5, 6])
    const order = shuffle(key, 101)
    assert.deepStrictEqual([...order].sort((a, b) => a - b), Array.from({ length: 101 }, (_, i) => i))
    assert.notDeepEqual([...order.subarray(0, 4)], [0, 1, 2, 3])
    assert.deepStrictEqual(shuffle(key, 1), Uint32Array.of(0))
  })
})
