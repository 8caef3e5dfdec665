/** The order of the data: a pure function of (seed, epoch, position). */
import { assert, describe, it } from "vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { prefetch } from "../src/data/prefetch.ts"
import { makeSampler, NotEnoughImages, replacementFor } from "../src/data/sampler.ts"

const epochOf = (sampler: ReturnType<typeof makeSampler>, epoch: number) =>
  Array.from({ length: sampler.batchesPerEpoch }, (_, position) => sampler.batchAt(epoch, position)).flat()

describe("the sampler", () => {
  it.each([[10, 3], [167, 2], [64, 64], [1, 1], [1000, 7]])("shows each of %i images at most once an epoch, in whole batches of %i", (count, batch) => {
    const sampler = makeSampler({ seed: 3, count, batch })
    for (let epoch = 0; epoch < 4; epoch++) {
      const seen = epochOf(sampler, epoch)
      assert.strictEqual(seen.length, Math.floor(count / batch) * batch)
      assert.strictEqual(new Set(seen).size, seen.length)
      assert.isTrue(seen.every((index) => index >= 0 && index < count))
    }
  })

  it("answers the same in any order of asking, from any instance", () => {
    const one = makeSampler({ seed: 9, count: 50, batch: 4 })
    const straight = [0, 1, 2].map((epoch) => epochOf(one, epoch))
    for (const [epoch, position] of [[2, 5], [0, 11], [1, 0], [2, 4], [0, 0]] as const) {
      const expected = straight[epoch]!.slice(position * 4, position * 4 + 4)
      assert.deepStrictEqual(makeSampler({ seed: 9, count: 50, batch: 4 }).batchAt(epoch, position), expected)
      assert.deepStrictEqual(one.batchAt(epoch, position), expected)
    }
  })

  it("shuffles anew for every epoch and seed, and leaves out others each time", () => {
    const orders = [0, 1, 2].flatMap((epoch) => [1, 2].map((seed) => epochOf(makeSampler({ seed, count: 20, batch: 3 }), epoch).join()))
    assert.strictEqual(new Set(orders).size, 6)
    const sampler = makeSampler({ seed: 1, count: 20, batch: 3 })
    const shown = new Set(Array.from({ length: 30 }, (_, epoch) => epochOf(sampler, epoch)).flat())
    assert.strictEqual(shown.size, 20)
  })

  it("does not depend on the batch size", () => {
    assert.deepStrictEqual(epochOf(makeSampler({ seed: 1, count: 24, batch: 2 }), 5), epochOf(makeSampler({ seed: 1, count: 24, batch: 8 }), 5))
  })

  it("refuses fewer images than a batch, and positions outside of the epoch", () => {
    assert.throws(() => makeSampler({ seed: 1, count: 3, batch: 4 }), NotEnoughImages, "a batch of 4 needs as many images, found 3")
    assert.throws(() => makeSampler({ seed: 1, count: 9, batch: 4 }).batchAt(0, 2), RangeError)
  })
})

describe("the replacement of a corrupt image", () => {
  it("is another one, the same each time, another with each attempt", () => {
    for (let index = 0; index < 10; index++) {
      const tried = Array.from({ length: 40 }, (_, attempt) => replacementFor(4, index, attempt, 10))
      assert.deepStrictEqual(tried, Array.from({ length: 40 }, (_, attempt) => replacementFor(4, index, attempt, 10)))
      assert.isFalse(tried.includes(index))
      assert.isAbove(new Set(tried).size, 5)
      assert.isTrue(tried.every((other) => other >= 0 && other < 10))
    }
  })
})

describe("prefetch", () => {
  /** Items that take as long as they like. */
  const slow = (log: Array<string> = []) => async (number: number, signal: AbortSignal) => {
    log.push(`load ${number}`)
    await sleep((number * 7) % 5, undefined, { signal }).catch(() => log.push(`cancel ${number}`))
    signal.throwIfAborted()
    return number * 10
  }

  it("gives every item in order, however many are made ahead", async () => {
    for (const ahead of [0, 1, 4]) {
      const items = prefetch({ load: slow(), ahead, end: 20 })
      for (let number = 0; number < 20; number++) assert.strictEqual(await items.take(number), number * 10)
    }
  })

  it("never makes more than asked ahead, nor past the end, nor twice", async () => {
    const log: Array<string> = []
    const items = prefetch({ load: slow(log), ahead: 2, end: 4 })
    await items.take(0)
    assert.deepStrictEqual(log, ["load 0", "load 1", "load 2"])
    await items.take(1)
    await items.take(2)
    await items.take(3)
    assert.deepStrictEqual(log, ["load 0", "load 1", "load 2", "load 3"])
  })

  it("jumps back and ahead, and cancels what is not wanted", async () => {
    const log: Array<string> = []
    const items = prefetch({ load: slow(log), ahead: 2, end: 100 })
    await items.take(5)
    assert.strictEqual(await items.take(2), 20)
    assert.strictEqual(await items.take(50), 500)
    items.close()
    await sleep(10)
    assert.includeMembers(log, ["cancel 6", "cancel 51"])
  })

  it("fails only whoever takes the failed item, and tries again when asked again", async () => {
    let broken = true
    const items = prefetch({ load: async (number) => { if (number === 1 && broken) throw new Error("no"); return number }, ahead: 3, end: 9 })
    assert.strictEqual(await items.take(0), 0)
    await items.take(1).then(() => assert.fail("should reject"), (cause: Error) => assert.strictEqual(cause.message, "no"))
    broken = false
    assert.strictEqual(await items.take(1), 1)
  })
})
