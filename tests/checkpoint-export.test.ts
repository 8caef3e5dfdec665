/** A checkpoint's decoder in other programs' formats: the same names without their prefix, the same bytes. */
import { afterAll, assert, describe, it } from "vitest"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { exportDirectory, exportSafetensors, exportTorch, type Written } from "../src/checkpoint/decoder-export.ts"
import { encodeHeader } from "../src/formats/safetensors.ts"
import { readZip } from "../src/formats/zip.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import { openWeights } from "../src/tensor/weight-files.ts"
import { torchFile } from "./torch-fixture.ts"

const root = mkdtempSync(join(tmpdir(), "rae-export-"))
afterAll(() => rmSync(root, { recursive: true }))

const shapes = { "ema.decoder_pred.weight": [3, 4], "ema.decoder_norm.bias": [5], "ema.trainable_cls_token": [1, 1, 2], "ema.empty": [0, 3] }
const source = join(root, "ema.safetensors")
const header = encodeHeader(Object.entries(shapes).map(([name, shape]) => ({ name, dtype: "F32", shape })))
const file = Buffer.alloc(header.fileSize)
file.set(header.bytes)
for (const { begin, end } of header.tensors) for (let at = begin; at < end; at += 4) file.writeFloatLE(at, at)
writeFileSync(source, file)

const contents = (path: string) => scope(() => {
  using weights = openWeights(path)
  return [...weights.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape, values: [...T.toFloat32(weights.read(name))] }))
})
const expected = header.tensors.map(({ begin, dtype, name, end, shape }) =>
  ({ name: name.slice("ema.".length), dtype, shape, values: Array.from({ length: (end - begin) / 4 }, (_, i) => begin + 4 * i) }))

describe("the decoder of a checkpoint", () => {
  it.each<readonly [string, (to: string) => Promise<Written>, string]>([
    ["safetensors", (to) => exportSafetensors(source, to, "ema.", { format: "pt" }), ""],
    ["PyTorch's format", (to) => exportTorch(source, to, "ema."), ""],
    ["a directory", (to) => exportDirectory(source, to, "ema.", { format: "pt" }, { decoder_hidden_size: 16 }), "/model.safetensors"]
  ])("is written as %s", async (name, write, inside) => {
    const to = join(root, name.replaceAll(/\W/g, ""))
    const { bytes, tensors } = await write(to)
    const written = `${to}${inside}`
    assert.deepStrictEqual([tensors, bytes], [4, readFileSync(written).length])
    assert.deepStrictEqual(contents(written), expected)
    if (inside !== "") assert.deepStrictEqual(JSON.parse(readFileSync(join(to, "config.json"), "utf8")), { model_type: "vit_mae", decoder_hidden_size: 16 })
  })
})

describe("PyTorch files that are written here", () => {
  it("are laid out as torch.save does it: stored entries, storages at multiples of 64 bytes", () => {
    const bytes = torchFile(new Map([["a", [2]], ["a.much.longer.name", [3, 3]], ["c", []]]))
    const entries = readZip({ size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) })
    assert.deepStrictEqual([...entries.keys()], ["archive/data.pkl", "archive/byteorder", "archive/version", "archive/data/0", "archive/data/1", "archive/data/2"])
    for (const { begin, method } of entries.values()) assert.deepStrictEqual([begin % 64, method], [0, "stored"])
  })
})
