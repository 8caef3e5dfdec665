/** Lifetime and ownership: scopes, generations, owners, what is live. */
import { assert, describe, it } from "vitest"
import { TensorError } from "../src/tensor/errors.ts"
import * as T from "../src/tensor/ops.ts"
import { keep, live, move, reclaim, scope, withOwner } from "../src/tensor/scope.ts"
import { Tensor } from "../src/tensor/tensor.ts"

const released = (f: () => unknown) => {
  try {
    f()
  } catch (error) {
    assert.instanceOf(error, TensorError)
    assert.strictEqual(error.code, "released")
    return
  }
  assert.fail("no error")
}
/** What `f` leaves alive. */
const left = (f: () => void): number => {
  const before = live().count
  f()
  return live().count - before
}

describe("handles", () => {
  it("any use after dispose is an error, a second dispose is not", () => {
    const t = T.zeros([2])
    t.dispose()
    t.dispose()
    assert.isFalse(t.isLive)
    released(() => t.shape)
    released(() => T.add(t, 1))
    released(() => T.cat([T.zeros([1]), t], 0))
    released(() => T.toFloat32(t))
  })

  it("a released handle is told apart from the next tensor in its slot", () => {
    const old = T.zeros([2])
    old.dispose()
    const next = T.zeros([3])
    assert.strictEqual(next.handle % 2 ** 24, old.handle % 2 ** 24, "the slot is used again")
    released(() => old.shape)
    old.dispose()
    assert.deepStrictEqual(next.shape, [3])
    next.dispose()
  })

  it("handles that never were are refused", () => {
    for (const handle of [0, -1, 0.5, NaN, Infinity, 2 ** 53, 2 ** 24 * 5 + 4000000]) {
      released(() => new Tensor(handle).shape)
      new Tensor(handle).dispose()
    }
  })

  it("`using` disposes", () => {
    assert.strictEqual(left(() => {
      using t = T.zeros([2])
      assert.deepStrictEqual(t.shape, [2])
    }), 0)
  })

  it("tens of thousands live at once, and all go", () => {
    assert.strictEqual(left(() => {
      const all = Array.from({ length: 20_000 }, (_, i) => T.full([1], i))
      assert.strictEqual(T.item(all[12_345]!), 12_345)
      for (const t of all) t.dispose()
    }), 0)
  })
})

describe("scope", () => {
  it("frees all but what it returns, at any depth of it", () => {
    const before = live().count
    const result = scope(() => {
      const [a, b, c, d, e] = Array.from({ length: 5 }, () => T.zeros([1]))
      T.add(a!, 1)
      return { a, list: [b], map: new Map([["c", { c }]]), set: new Set([d]), count: 3, nothing: null, more: { e } }
    })
    assert.strictEqual(live().count - before, 5)
    for (const t of [result.a!, result.list[0]!, result.map.get("c")!.c!, [...result.set][0]!, result.more.e!]) t.dispose()
    assert.strictEqual(live().count, before)
  })

  it("survivors join the outer scope", () => {
    assert.strictEqual(left(() => scope(() => {
      const inner = scope(() => {
        T.zeros([1])
        return T.zeros([1])
      })
      assert.deepStrictEqual(inner.shape, [1])
    })), 0)
  })

  it("frees everything where it throws", () => {
    assert.strictEqual(left(() => assert.throws(() => scope(() => {
      T.zeros([1])
      scope(() => T.zeros([1]))
      throw new Error("stop")
    }), /stop/)), 0)
  })

  it("leaves what keep took", () => {
    const before = live().count
    let kept: Tensor | null = null
    scope(() => {
      scope(() => {
        kept = keep(T.zeros([1]))
      })
    })
    assert.strictEqual(live().count - before, 1)
    kept!.dispose()
  })

  it("is harmless over what was disposed or moved inside", () => {
    assert.strictEqual(left(() => scope(() => {
      T.zeros([1]).dispose()
      using t = T.zeros([1])
      T.add(t, 1)
    })), 0)
  })

  it("refuses a promise, and frees", () => {
    assert.strictEqual(left(() => assert.throws(() => scope(() => Promise.resolve(T.zeros([1]))), /synchronous/)), 0)
  })
})

describe("owners", () => {
  it("own what is made for them, until it is moved", () => {
    const [a, b] = withOwner("generator", () => [T.zeros([256]), T.zeros([256])] as const)
    assert.deepStrictEqual(live().owners["generator"], { count: 2, bytes: 2048 })
    const c = T.zeros([1])
    move({ letter: [a, c] }, "discriminator")
    assert.deepStrictEqual(live().owners["generator"], { count: 1, bytes: 1024 })
    assert.strictEqual(live().owners["discriminator"]?.count, 2)
    assert.strictEqual(reclaim("generator"), 1)
    released(() => b.shape)
    assert.strictEqual(T.item(T.sum(a)), 0)
    assert.strictEqual(reclaim("discriminator"), 2)
    assert.notProperty(live().owners, "generator")
    assert.strictEqual(reclaim("nobody"), 0)
    released(() => move(b, "generator"))
  })

  it("nest, and are restored after an error", () => {
    withOwner("a", () => {
      assert.throws(() => withOwner("b", () => {
        T.zeros([1])
        throw new Error("stop")
      }))
      T.zeros([1])
    })
    assert.strictEqual(reclaim("a"), 1)
    assert.strictEqual(reclaim("b"), 1)
    using t = T.zeros([1])
    move(t, "c")
    assert.strictEqual(live().owners["c"]?.count, 1)
  })

  it("memory that handles share counts once", () => {
    withOwner("shared", () => {
      const t = T.zeros([1024])
      T.reshape(t, [32, 32])
      T.narrow(t, 0, 5, 10)
      assert.deepStrictEqual(live().owners["shared"], { count: 3, bytes: 4096 })
      t.dispose()
      assert.deepStrictEqual(live().owners["shared"], { count: 2, bytes: 4096 }, "a view keeps the memory")
    })
    reclaim("shared")
  })
})
