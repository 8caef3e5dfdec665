import { assert, describe, it } from "vitest"
import { type Body, decode, encode, ManifestInvalid } from "../src/checkpoint/manifest.ts"

const hash = "0123456789abcdef0123456789abcdef"
const body: Body = {
  schema: 1, step: 1200, epoch: 3, position: 40, config_hash: "c0ffee", resumed_from: { step: 800, hash }, frozen: [{ name: "encoder", hash }],
  written_at: "2026-01-02T03:04:05.678Z",
  files: [{ name: "state.json", size: 12, hash }, { name: "decoder.safetensors", size: 4096, hash }],
  tensors: [{ name: "decoder.b", file: "decoder.safetensors", dtype: "float32", shape: [2, 3], hash }, { name: "decoder.a", file: "decoder.safetensors", dtype: "bfloat16", shape: [], hash }]
}
const refusal = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    assert.instanceOf(error, ManifestInvalid)
    return (error as ManifestInvalid).message
  }
  return "accepted"
}
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (content: string) => new TextEncoder().encode(content)

describe("manifest", () => {
  it("reads back what it wrote, sorted by name", () => {
    const written = encode(body)
    const read = decode(written.bytes)
    assert.deepStrictEqual(read, written.manifest)
    assert.deepStrictEqual(read.tensors.map(({ name }) => name), ["decoder.a", "decoder.b"])
    assert.deepStrictEqual(read.files.map(({ name }) => name), ["decoder.safetensors", "state.json"])
  })

  it("is the same text whatever the order it was given in", () => {
    const shuffled = { ...body, files: body.files.toReversed(), tensors: body.tensors.toReversed() }
    assert.strictEqual(text(encode(Object.fromEntries(Object.entries(shuffled).reverse()) as unknown as Body).bytes), text(encode(body).bytes))
  })

  it("refuses every flipped bit", () => {
    const good = encode(body).bytes
    const accepted = [...good.keys()].flatMap((at) => Array.from({ length: 8 }, (_, bit) => [at, bit] as const)).filter(([at, bit]) => {
      const flipped = good.slice()
      flipped[at]! ^= 1 << bit
      return refusal(() => decode(flipped)) === "accepted"
    })
    assert.deepStrictEqual(accepted, [])
  })

  it("refuses every truncation and what is appended", () => {
    const good = encode(body).bytes
    for (let length = 0; length < good.length; length++) assert.notStrictEqual(refusal(() => decode(good.slice(0, length))), "accepted")
    assert.notStrictEqual(refusal(() => decode(bytes(`${text(good)} `))), "accepted")
  })

  it("refuses the same content written in another way", () => {
    const compact = bytes(JSON.stringify(JSON.parse(text(encode(body).bytes))))
    assert.match(refusal(() => decode(compact)), /written in another way/)
  })

  it.each<readonly [string, Partial<Record<keyof Body, unknown>>, RegExp]>([
    ["a path that leads out", { files: [{ name: "../../etc/passwd", size: 1, hash }] }, /files/],
    ["an absolute path", { files: [{ name: "/tmp/x", size: 1, hash }] }, /files/],
    ["a hidden file", { files: [{ name: ".ssh", size: 1, hash }] }, /files/],
    ["a NUL in a name", { files: [{ name: "a\0b", size: 1, hash }] }, /files/],
    ["itself as a file", { files: [{ name: "manifest.json", size: 1, hash }], tensors: [] }, /lists itself/],
    ["a file twice", { files: [...body.files, body.files[0]] }, /file is listed twice/],
    ["a tensor twice", { tensors: [...body.tensors, body.tensors[0]] }, /tensor is listed twice/],
    ["a tensor in no listed file", { tensors: [{ ...body.tensors[0], file: "other.safetensors" }] }, /not listed/],
    ["a negative size", { files: [{ name: "a", size: -1, hash }] }, /size/],
    ["a size beyond exact numbers", { files: [{ name: "a", size: 2 ** 60, hash }] }, /size/],
    ["a dtype that nobody has", { tensors: [{ ...body.tensors[0], dtype: "float8" }] }, /dtype/],
    ["a shape of fractions", { tensors: [{ ...body.tensors[0], shape: [0.5] }] }, /shape/],
    ["a hash that is none", { tensors: [{ ...body.tensors[0], hash: "x" }] }, /hash/],
    ["another schema", { schema: 2 }, /schema/],
    ["a negative step", { step: -1 }, /step/]
  ])("refuses %s, when written and when read", (_, change, expected) => {
    const hostile = { ...body, ...change }
    assert.match(refusal(() => encode(hostile as Body)), expected)
    assert.match(refusal(() => decode(bytes(JSON.stringify({ ...hostile, hash })))), /^invalid manifest/)
  })

  it.each([
    ["nothing", ""], ["no JSON", "{"], ["a number", "7"], ["null", "null"], ["deep nesting", "[".repeat(1_000_000)], ["a byte order mark", `\ufeff${text(encode(body).bytes)}`]
  ])("refuses %s", (_, content) => assert.match(refusal(() => decode(bytes(content))), /^invalid manifest/))

  it("does not even parse what is too large", () => assert.match(refusal(() => decode(new Uint8Array(33 * 2 ** 20))), /at most 33554432 are read/))
})
