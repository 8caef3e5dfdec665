/** PyTorch files as hostile input: what they may say, what is refused by name, and thousands of changed ones. */
import { assert, describe, it } from "vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import type { ByteSource } from "../src/formats/byte-source.ts"
import { InvalidPickle, readPickle, Tuple } from "../src/formats/pickle.ts"
import { bytesPerElement } from "../src/formats/safetensors.ts"
import { NoStateDict, stateDict } from "../src/formats/state-dict.ts"
import { InvalidTorchFile, readTorchFile } from "../src/formats/torch-file.ts"
import { torchVocabulary } from "../src/formats/torch-vocabulary.ts"
import { InvalidZip, readZip } from "../src/formats/zip.ts"

const folder = join(import.meta.dirname, "golden/torch")
const golden = (name: string) => new Uint8Array(readFileSync(join(folder, name)))
const sourceOf = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (offset, length) => {
    assert.isTrue(Number.isSafeInteger(offset) && offset >= 0 && length >= 0 && offset + length <= bytes.length, `asked for ${length} bytes at ${offset} of ${bytes.length}`)
    return bytes.slice(offset, offset + length)
  }
})
const pickled = (...parts: ReadonlyArray<string | number>) => new Uint8Array(Buffer.concat(parts.map((part) => typeof part === "number" ? Buffer.from([part]) : Buffer.from(part, "latin1"))))
const read = (...parts: ReadonlyArray<string | number>) => readPickle(pickled(...parts), torchVocabulary).value
const refusal = (f: () => unknown): string => {
  try {
    f()
  } catch (error) {
    if (error instanceof InvalidPickle || error instanceof InvalidTorchFile || error instanceof InvalidZip || error instanceof NoStateDict) return error.message
    throw error
  }
  return "accepted"
}

describe("pickles", () => {
  it("hold plain values of every protocol", () => {
    assert.deepStrictEqual(read("(lp0\nI1\naL-2L\naF0.5\naI01\naS'text'\na."), [1, -2, 0.5, true, "text"])
    assert.deepStrictEqual(read(0x80, 2, "}q", 0, "(U", 1, "aK", 5, "X", 1, 0, 0, 0, "bJ", 0xff, 0xff, 0xff, 0xff, "u."), new Map([["a", 5], ["b", -1]]))
    assert.deepStrictEqual<unknown>(read(0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0, 0x8c, 2, 0xc3, 0xa9, 0x94, "N", 0x88, 0x87, "."), new Tuple(["é", null, true]))
    assert.deepStrictEqual(read(0x80, 2, 0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, "."), 2n ** 64n)
    assert.deepStrictEqual(read(0x80, 2, "G", 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18, "."), Math.PI)
    assert.deepStrictEqual(read(0x80, 2, "ccollections\nOrderedDict\n)R(U", 1, "aK", 1, "u}U", 9, "_metadata}sb."), new Map([["a", 1]]))
  })

  it("name no function but those of tensors, and nothing is called before a name is known", () => {
    const calls: Array<string> = []
    const spying = { ...torchVocabulary, call: (name: string) => { calls.push(name); return "called" } }
    for (const [parts, name] of [
      [["cos\nsystem\n(U", 2, "lstR."], "os.system"],
      [["cbuiltins\neval\n."], "builtins.eval"],
      [["(S'ls'\nios\nsystem\n."], "os.system"],
      [["c__builtin__\nobject\n)", 0x81, "."], "__builtin__.object"],
      [["cnumpy.core.multiarray\nscalar\n."], "numpy.core.multiarray.scalar"],
      [[0x8c, 5, "posix", 0x8c, 6, "system", 0x93, "."], "posix.system"],
      [["ccollections\nOrderedDict.fromkeys\n."], "collections.OrderedDict.fromkeys"],
      [["c\n__proto__\n."], ".__proto__"]
    ] as const) assert.include(refusal(() => readPickle(pickled(...parts), spying)), `it wants \`${name}\`, which is none of the names that tensors need`)
    assert.deepStrictEqual(calls, [])
  })

  it.each<readonly [string, ReadonlyArray<string | number>, RegExp]>([
    ["an empty file", [], /1 bytes wanted, 0 left/],
    ["no end", ["K", 1], /1 bytes wanted/],
    ["a text of 4 GiB", ["T", 0xff, 0xff, 0xff, 0xff, "."], /4294967295 bytes wanted, 1 left/],
    ["bytes of exabytes", [0x8e, 0, 0, 0, 0, 0, 0, 0, 0x7f, "."], /bytes wanted/],
    ["an integer of a million bytes", [0x8b, 0x40, 0x42, 0x0f, 0, ...Array<number>(100).fill(1), "."], /integer of 1000000 bytes/],
    ["a decimal of a thousand digits", [`I${"9".repeat(1000)}\n.`], /expected a whole number/],
    ["a call of a storage type", ["ctorch\nFloatStorage\n)R."], /`torch\.FloatStorage`, which is no function/],
    ["a call of text", ["U", 2, "os)R."], /call of what is no name/],
    ["state for a tuple", [")}b."], /state set on what is no dict/],
    ["a list as a key", ["}]K", 1, "s."], /dict key that is no text/],
    ["what was never remembered", ["h", 3, "."], /nothing was remembered as 3/],
    ["an opcode of the registry", [0x82, 1, "."], /opcode 0x82/],
    ["a set", [0x8f, "."], /opcode 0x8f/],
    ["values left over", ["K", 1, "K", 2, "."], /1 values left over/],
    ["operations without arguments", ["a."], /without its arguments/],
    ["a long list that is copied by each of many calls", ["ccollections\nOrderedDict\nq", 1, "](", ...Array<string>(1000).fill("U\x01aN\x86"), "eq", 0, ...Array<string>(2500).fill("h\x01h\x00\x85R0"), "."], /more than 2000000 operations/],
    ["endless operations", ["N".repeat(2_000_001)], /more than 2000000 operations/]
  ])("refuse %s", (_, parts, expected) => assert.match(refusal(() => read(...parts)), expected))

  it("may refer to themselves", () => {
    const list = read("]q", 0, "h", 0, "a.") as Array<unknown>
    assert.strictEqual(list[0], list)
    assert.match(refusal(() => stateDict(read("}q", 0, "U", 5, "modelh", 0, "s."))), /no weights in it/)
  })
})

describe("PyTorch files", () => {
  it.each(["zip.pth", "old.pth"])("%s: every tensor lies where the file says", (name) => {
    const file = readTorchFile(sourceOf(golden(name)))
    const placed = new Map([...stateDict(file.value)].map(([key, tensor]) => [key, file.place(key, tensor)]))
    const described = [...placed].map(([key, { dtype, shape, strides }]) => `${key} ${dtype} [${shape}] / [${strides}]`)
    assert.deepStrictEqual(described, [
      "plain F32 [3,4] / [4,1]", "double F64 [2,2] / [2,1]", "half F16 [5] / [1]", "bfloat BF16 [2,3] / [3,1]", "transposed F32 [4,3] / [1,4]",
      "channels_last F32 [2,3,2,2] / [12,1,6,3]", "columns F32 [3,2] / [4,1]", "row F32 [4] / [1]", "scalar F32 [] / []", "empty F32 [0,3] / [3,1]",
      "parameter F32 [2,2] / [2,1]", "steps I64 [3] / [1]", "one_by_two F32 [1,2] / [1,1]"
    ])
  })

  it.each(["zip_nested.pth", "old_nested.pth"])("%s: averaged weights come first, under their plain names", (name) => {
    const { value } = readTorchFile(sourceOf(golden(name)))
    assert.deepStrictEqual([...stateDict(value).keys()].slice(0, 2), ["plain", "double"])
    assert.deepStrictEqual([...stateDict(value, ["model", "ema"]).keys()], ["plain"])
    assert.deepStrictEqual([(value as ReadonlyMap<string, unknown>).get("step"), (value as ReadonlyMap<string, unknown>).get("big")], [7, 2n ** 70n])
  })

  it("with anything but tensors in them are refused by the name of it", () => {
    assert.match(refusal(() => readTorchFile(sourceOf(golden("foreign.pth")))), /it wants `datetime\.date`/)
    assert.match(refusal(() => readTorchFile(sourceOf(golden("module.pth")))), /it wants `torch\.nn\.modules\.linear\.Linear`/)
  })

  it.each(["zip.pth", "old.pth"])("%s cut anywhere is refused", (name) => {
    const whole = golden(name)
    for (let length = 0; length < whole.length; length += 7) assert.notStrictEqual(refusal(() => readTorchFile(sourceOf(whole.slice(0, length)))), "accepted")
  })

  /** The golden zip file with its one pickle changed in place, its checksum after it. */
  const changed = (from: ReadonlyArray<number>, to: ReadonlyArray<number>) => {
    const bytes = golden("zip.pth")
    const at = Buffer.from(bytes).indexOf(Buffer.from(from))
    assert.isAbove(at, 0)
    bytes.set(to, at)
    assert.match(refusal(() => readTorchFile(sourceOf(bytes))), /zip\/data\.pkl: its CRC-32 is [0-9a-f]{8}, expected [0-9a-f]{8}: the file is damaged/)
    const { begin, size } = readZip(sourceOf(bytes)).get("zip/data.pkl")!
    const directory = Buffer.from(bytes).indexOf(Buffer.from([0x50, 0x4b, 0x01, 0x02]))
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(directory + 16, crc32(bytes.subarray(begin, begin + size)), true)
    const file = readTorchFile(sourceOf(bytes))
    return () => [...stateDict(file.value)].map(([key, tensor]) => file.place(key, tensor))
  }
  it("whose tensors reach beyond their storage, or ask for more than it has, are refused", () => {
    // the first tensor's sizes (3, 4) and strides (4, 1)
    const sizes = [0x4b, 3, 0x4b, 4, 0x86]
    assert.match(refusal(changed(sizes, [0x4b, 3, 0x4b, 5, 0x86])), /plain: \[3,5\] has more elements than its storage of 12/)
    assert.match(refusal(changed([0x4b, 4, 0x4b, 1, 0x86], [0x4b, 5, 0x4b, 1, 0x86])), /plain: reaches element 14 of a storage of 12/)
  })

  it.each(["zip.pth", "old.pth", "zip_nested.pth", "old_nested.pth"])("%s survives 1,500 random changes: refuses, or gives tensors that lie inside the file", (name) => {
    const whole = golden(name)
    let seed = 7
    const random = (n: number) => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) % n
    let refused = 0
    for (let trial = 0; trial < 1500; trial++) {
      const bytes = whole.slice()
      for (let i = random(4); i >= 0; i--) bytes[random(bytes.length)] = trial % 2 === 0 ? random(256) : bytes[random(bytes.length)]!
      const message = refusal(() => {
        const file = readTorchFile(sourceOf(bytes))
        for (const [key, tensor] of stateDict(file.value)) {
          const { begin, dtype, shape, strides } = file.place(key, tensor)
          const last = shape.includes(0) ? 0 : 1 + shape.reduce((sum, size, d) => sum + (size - 1) * strides[d]!, 0)
          assert.isTrue(begin >= 0 && begin + last * bytesPerElement[dtype] <= bytes.length)
        }
      })
      if (message !== "accepted") refused++
    }
    assert.isAbove(refused, 150) // most changes hit a number of a weight, or padding
  })
})

describe("zip archives", () => {
  it("are read by their directory", () => {
    const entries = readZip(sourceOf(golden("zip.pth")))
    assert.deepStrictEqual([...entries.keys()].filter((name) => !name.includes("/data/")), ["zip/data.pkl", "zip/version"])
    assert.deepStrictEqual(new TextDecoder().decode(golden("zip.pth").slice(entries.get("zip/version")!.begin, entries.get("zip/version")!.begin + 2)), "3\n")
  })

  it("whose entries overlap, lie outside, repeat a name or are encrypted are refused", () => {
    const whole = golden("zip.pth")
    const directory = Buffer.from(whole).indexOf(Buffer.from([0x50, 0x4b, 0x01, 0x02]))
    const next = Buffer.from(whole).indexOf(Buffer.from([0x50, 0x4b, 0x01, 0x02]), directory + 4)
    const withBytes = (at: number, ...bytes: ReadonlyArray<number>) => {
      const copy = whole.slice()
      copy.set(bytes, at)
      return refusal(() => readZip(sourceOf(copy)))
    }
    assert.match(withBytes(directory + 42, 0xf0, 0xff, 0xff, 0x7f), /in or after the directory/)
    assert.match(withBytes(directory + 20, 0, 0, 0, 0x70, 0, 0, 0, 0x70), /reach into the directory/)
    assert.match(withBytes(directory + 8, 1), /encrypted/)
    assert.match(withBytes(directory + 10, 99), /compression method 99/)
    assert.match(withBytes(next + 42, ...whole.slice(directory + 42, directory + 46)), /shares bytes/)
    const end64 = Buffer.from(whole).indexOf(Buffer.from([0x50, 0x4b, 0x06, 0x06]))
    assert.match(withBytes(end64 + 32, 0xff, 0xff), /65535 entries do not fit/)
    assert.match(withBytes(end64 + 40, 0, 0, 0, 0x7f), /at most 16777216 are read/)
  })
})
