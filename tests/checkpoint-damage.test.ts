/** The short form of `npm run fuzz`: the same damage, fewer trials. */
import { assert, describe, it } from "vitest"
import { fuzzCheckpoint } from "../scripts/fuzz/checkpoint.ts"
import { fuzzManifests, fuzzSafetensors } from "../scripts/fuzz/headers.ts"

const seed = 20_260_101

describe("a damaged checkpoint", () => {
  it("is never accepted: 300 flips, truncations, swaps and strangers over all its files", async () => {
    const { counts, failures } = await fuzzCheckpoint({ seed, trials: 300 })
    assert.deepStrictEqual(failures, [])
    assert.isAbove(Object.keys(counts).length, 40, "five files, twelve kinds of damage")
  })
})

describe("hostile headers", () => {
  it.each([["safetensors", fuzzSafetensors], ["manifests", fuzzManifests]] as const)("of %s are refused by name, in bounded time and memory", async (_, fuzz) => {
    const { counts, failures } = await fuzz({ seed, trials: 2000 })
    assert.deepStrictEqual(failures, [])
    assert.isAbove(counts["refused"] ?? 0, 1000)
  })
})
