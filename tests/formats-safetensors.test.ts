import { assert, describe, it } from "vitest"
import { encodeHeader, headerLength, InvalidSafetensors, maxHeaderBytes, parseHeader } from "../src/formats/safetensors.ts"

/** A file's head from its JSON text, without padding. */
const head = (json: string, length = new TextEncoder().encode(json).length): Uint8Array => {
  const text = new TextEncoder().encode(json)
  const bytes = new Uint8Array(8 + text.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true)
  bytes.set(text, 8)
  return bytes
}
const one = (entry: unknown, dataBytes = 8) => {
  const bytes = head(JSON.stringify({ w: entry }))
  return [bytes, bytes.length + dataBytes] as const
}
const refusal = (bytes: Uint8Array, fileSize: number): string => {
  try {
    parseHeader(bytes, fileSize)
  } catch (error) {
    assert.instanceOf(error, InvalidSafetensors)
    return (error as InvalidSafetensors).message
  }
  return "accepted"
}

describe("safetensors header", () => {
  it("reads back what it wrote: back to back, data at a multiple of 64 bytes", () => {
    const written = encodeHeader([
      { name: "a", dtype: "F32", shape: [3, 5] }, { name: "b", dtype: "BF16", shape: [] }, { name: "empty", dtype: "U8", shape: [0, 4] }
    ], { format: "rae" })
    const { metadata, tensors, dataStart } = parseHeader(written.bytes, written.fileSize)
    assert.deepStrictEqual([...metadata], [["format", "rae"]])
    assert.deepStrictEqual(tensors, written.tensors)
    assert.deepStrictEqual([dataStart % 64, ...tensors.map(({ begin }) => begin - dataStart)], [0, 0, 60, 62])
    assert.deepStrictEqual(tensors.map(({ name, begin, end }) => [name, end - begin]), [["a", 60], ["b", 2], ["empty", 0]])
  })

  it("reads a file as the reference writer makes it: no gaps, any order of names, keys of every kind", () => {
    const bytes = head(`{"__metadata__":{"format":"pt"},"z":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},"__proto__":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}   `)
    assert.deepStrictEqual(parseHeader(bytes, bytes.length + 12).tensors.map(({ name }) => name), ["__proto__", "z"])
  })

  const w = { dtype: "F32", shape: [2], data_offsets: [0, 8] }
  it.each<readonly [string, readonly [Uint8Array, number], RegExp]>([
    ["an empty file", [new Uint8Array(0), 0], /length: expected at least 8 bytes, got 0/],
    ["a header longer than the file", [head("{}", 1000), 10], /header of 1000 bytes in a file of 10/],
    ["a header of exabytes", [head("{}", 2 ** 62), 10], /at most 16777216 are read/],
    ["a header of 0 bytes", [new Uint8Array(8), 8], /no JSON object/],
    ["no JSON", [head("{nope}"), 14], /not JSON/],
    ["an array", [head("[]"), 10], /expected a JSON object/],
    ["leading spaces", [head("  {}"), 12], /expected a JSON object/],
    ["bytes that are no UTF-8", [Uint8Array.from([4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff, 0xfe, 0x7d]), 12], /not UTF-8/],
    ["deep nesting", [head(`{"w":${"[".repeat(100_000)}${"]".repeat(100_000)}}`), 10 ** 6], /nested deeper/],
    ["a name twice", [head(`{"w":${JSON.stringify(w)},"w":${JSON.stringify(w)}}`), 10 ** 3], /given twice/],
    ["a key twice", [head(`{"w":{"dtype":"F32","dtype":"F64","shape":[2],"data_offsets":[0,8]}}`), 10 ** 3], /given twice/],
    ["an unknown dtype", one({ ...w, dtype: "Q4" }), /w: unknown dtype "Q4"/],
    ["a dtype from a prototype", one({ ...w, dtype: "constructor" }), /unknown dtype/],
    ["an unknown key", one({ ...w, run: "rm" }), /unknown key "run"/],
    ["a negative size", one({ ...w, shape: [-2] }), /expected a shape/],
    ["a fractional size", one({ ...w, shape: [2.5] }), /expected a shape/],
    ["sizes that overflow", one({ ...w, shape: [2 ** 40, 2 ** 40] }), /takes .* bytes, data_offsets give 8/],
    ["too many dimensions", one({ ...w, shape: Array(17).fill(1) }), /at most 16 sizes/],
    ["offsets in reverse", one({ ...w, data_offsets: [8, 0] }), /end before they begin/],
    ["offsets beyond the file", one({ ...w, data_offsets: [0, 8] }, 7), /data ends at 8, the file has 7/],
    ["offsets as text", one({ ...w, data_offsets: ["0", "8"] }), /expected data_offsets/],
    ["a size that differs from the shape", one({ ...w, shape: [1] }), /takes 4 bytes, data_offsets give 8/],
    ["overlapping tensors", [head(JSON.stringify({ w, v: { ...w, data_offsets: [4, 12] } })), 1000], /inside the tensor before it/],
    ["a gap to hide in", [head(JSON.stringify({ w: { ...w, data_offsets: [1, 9] } })), 1000], /belong to no tensor/],
    ["bytes after the last tensor", one(w, 8 + 1), /1 bytes at the end belong to no tensor/],
    ["metadata that is no text", [head(`{"__metadata__":{"a":1}}`), 32], /a is no string/],
    ["a name of 2,000 characters", [head(JSON.stringify({ ["n".repeat(2000)]: w })), 10 ** 4], /name of 2000 characters/]
  ])("refuses %s", (_, [bytes, fileSize], expected) => assert.match(refusal(bytes, fileSize), expected))

  it("asks for no more header than its bound", () => {
    const first8 = new Uint8Array(8)
    new DataView(first8.buffer).setBigUint64(0, BigInt(maxHeaderBytes), true)
    assert.strictEqual(headerLength(first8, 2 ** 40), maxHeaderBytes)
  })

  it("survives 5,000 random changes: refuses, or gives tensors that lie inside the file", () => {
    const { bytes, fileSize } = encodeHeader([{ name: "a", dtype: "F32", shape: [4, 4] }, { name: "b.weight", dtype: "BF16", shape: [8] }], { format: "rae" })
    let seed = 1
    const random = (n: number) => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) % n
    let accepted = 0
    for (let trial = 0; trial < 5000; trial++) {
      const changed = bytes.slice()
      for (let i = random(4); i >= 0; i--) changed[random(changed.length)] = trial % 2 === 0 ? random(256) : changed[random(changed.length)]!
      try {
        let at = 0
        for (const { begin, end } of parseHeader(changed, fileSize).tensors) {
          assert.isTrue(at <= begin && begin <= end && end <= fileSize)
          at = end
        }
        accepted++ // a letter of a name or of the metadata changed
      } catch (error) {
        assert.instanceOf(error, InvalidSafetensors)
      }
    }
    assert.isBelow(accepted, 2500)
  })
})
