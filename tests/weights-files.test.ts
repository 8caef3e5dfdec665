/** Weights out of the files that they are published in, value for value. */
import { afterAll, assert, describe, it } from "vitest"
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { encodeHeader } from "../src/formats/safetensors.ts"
import { TensorError } from "../src/tensor/errors.ts"
import * as T from "../src/tensor/ops.ts"
import { live, scope } from "../src/tensor/scope.ts"
import { openWeights } from "../src/tensor/weight-files.ts"
import { openSafetensors } from "../src/tensor/weights.ts"

const golden = join(import.meta.dirname, "golden")
const folder = mkdtempSync(join(tmpdir(), "rae-weights-"))
afterAll(() => rmSync(folder, { recursive: true }))

const refused = (pattern: RegExp, f: () => unknown) => {
  try {
    f()
  } catch (error) {
    assert.instanceOf(error, TensorError)
    assert.match(error.message, pattern)
    return
  }
  assert.fail("accepted")
}

describe("PyTorch files", () => {
  it.for(["zip.pth", "old.pth"])("%s: every dtype and layout", (name) => {
    const before = live().count
    scope(() => {
      using file = openWeights(join(golden, "torch", name))
      const values = (key: string, dtype?: "float32") => {
        const tensor = file.read(key, dtype === undefined ? {} : { dtype })
        assert.deepStrictEqual(tensor.shape, file.tensors.get(key)!.shape)
        return [...T.toFloat32(tensor)]
      }
      const ramp = (n: number) => Array.from({ length: n }, (_, i) => i)
      for (const dtype of [undefined, "float32"] as const) {
        assert.deepStrictEqual(values("plain", dtype), ramp(12))
        assert.deepStrictEqual(values("double", dtype), ramp(4))
        assert.deepStrictEqual(values("half", dtype), ramp(5))
        assert.deepStrictEqual(values("bfloat", dtype), ramp(6))
        assert.deepStrictEqual(values("transposed", dtype), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])
        assert.deepStrictEqual(values("channels_last", dtype), ramp(24))
        assert.deepStrictEqual(values("columns", dtype), [1, 2, 5, 6, 9, 10])
        assert.deepStrictEqual(values("row", dtype), [4, 5, 6, 7])
        assert.deepStrictEqual(values("scalar", dtype), [7])
        assert.deepStrictEqual(values("empty", dtype), [])
        assert.deepStrictEqual(values("parameter", dtype), ramp(4))
        assert.deepStrictEqual(values("one_by_two", dtype), [0, 1])
      }
      assert.deepStrictEqual(T.toInt64(file.read("steps")), [1, 2, 2 ** 40])
      assert.deepStrictEqual(["plain", "double", "half", "bfloat"].map((key) => file.read(key).dtype), ["float32", "float64", "float16", "bfloat16"])
    })
    assert.strictEqual(live().count, before)
  })

  it("hold the values that safetensors holds", () => scope(() => {
    using plain = openSafetensors(join(golden, "dinov2/model.safetensors"))
    for (const name of ["model.pth", "legacy.pth"]) {
      using file = openWeights(join(golden, "dinov2", name))
      assert.deepStrictEqual([...file.tensors.keys()].toSorted(), [...plain.tensors.keys()].toSorted())
      for (const key of plain.tensors.keys()) assert.strictEqual(T.maxAbs(T.sub(plain.read(key), file.read(key))), 0)
    }
  }))

  it("take the averaged weights of a training checkpoint, or those that are asked for", () => scope(() => {
    for (const name of ["zip_nested.pth", "old_nested.pth"]) {
      const first = (nestings?: ReadonlyArray<string>) => {
        using file = openWeights(join(golden, "torch", name), nestings)
        return T.toFloat32(file.read("plain"))[0]
      }
      assert.deepStrictEqual([first(), first(["model"])], [0, 1])
    }
  }))

  it("that name anything else, or are none, are refused", () => {
    refused(/foreign\.pth: .*it wants `datetime\.date`/, () => openWeights(join(golden, "torch/foreign.pth")))
    writeFileSync(join(folder, "text.pth"), "not weights at all, but some text")
    refused(/text\.pth: invalid safetensors/, () => openWeights(join(folder, "text.pth")))
    refused(/ENOENT/, () => openWeights(join(folder, "none.pth")))
    writeFileSync(join(folder, "empty.pth"), "")
    refused(/expected at least 8 bytes/, () => openWeights(join(folder, "empty.pth")))
  })
})

describe("sharded sets", () => {
  const shard = (name: string, tensors: Readonly<Record<string, number>>) => {
    const header = encodeHeader(Object.keys(tensors).map((key) => ({ name: key, dtype: "F32", shape: [1] })))
    const file = Buffer.alloc(header.fileSize)
    file.set(header.bytes)
    for (const { begin, name: key } of header.tensors) file.writeFloatLE(tensors[key]!, begin)
    writeFileSync(join(folder, name), file)
  }
  const index = (map: unknown) => {
    const path = join(folder, "model.safetensors.index.json")
    writeFileSync(path, JSON.stringify({ metadata: { total_size: 8 }, weight_map: map }))
    return path
  }

  it("are read through their index", () => scope(() => {
    shard("model-00001-of-00002.safetensors", { "module.a": 3 })
    copyFileSync(join(golden, "torch/zip.pth"), join(folder, "second.bin"))
    using file = openWeights(index({ "module.a": "model-00001-of-00002.safetensors", plain: "second.bin" }))
    assert.deepStrictEqual([...file.tensors.keys()], ["a", "plain"])
    assert.deepStrictEqual([T.item(file.read("a")), T.toFloat32(file.read("plain"))[11]], [3, 11])
  }))

  it("whose index leads elsewhere, names what is not there, or is none, are refused", () => {
    shard("one.safetensors", { a: 1 })
    refused(/expected the name of a file beside it, got "\.\.\/one\.safetensors"/, () => openWeights(index({ a: "../one.safetensors" })))
    refused(/expected the name of a file beside it, got "\/etc\/passwd"/, () => openWeights(index({ a: "/etc/passwd" })))
    refused(/b is said to be in .*one\.safetensors/, () => openWeights(index({ b: "one.safetensors" })))
    refused(/ENOENT.*gone\.safetensors/, () => openWeights(index({ a: "gone.safetensors" })))
    refused(/no `weight_map`/, () => openWeights(index(null)))
  })
})
