import { assert, it } from "vitest"
import { changes, deviceInEngine, forEngine } from "../actors/engine-environment.ts"

it("shows the engine one GPU, which is its first; what the user has set is left alone", () => {
  assert.deepInclude(forEngine("cuda:1", {}), { CUDA_VISIBLE_DEVICES: "1" })
  assert.strictEqual(deviceInEngine("cuda:1", {}), "cuda:0")
  assert.deepInclude(forEngine("cuda:1", { CUDA_VISIBLE_DEVICES: "2,3" }), { CUDA_VISIBLE_DEVICES: "2,3" })
  assert.strictEqual(deviceInEngine("cuda:1", { CUDA_VISIBLE_DEVICES: "2,3" }), "cuda:1")
  assert.deepStrictEqual([deviceInEngine("cpu", {}), "CUDA_VISIBLE_DEVICES" in forEngine("cpu", {})], ["cpu", false])
})

it("names what differs, one side missing or not", () => {
  assert.deepStrictEqual(changes({ a: "1", b: "2", c: "3" }, { a: "1", b: "4", d: "5" }),
    [{ variable: "b", was: "2", is: "4" }, { variable: "c", was: "3", is: null }, { variable: "d", was: null, is: "5" }])
})
