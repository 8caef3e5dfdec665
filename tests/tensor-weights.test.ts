/** Reading safetensors (hostile files too), hashing, snapshots and their writing. */
import { assert, afterAll, describe, it } from "vitest"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { xxhash128 } from "hash-wasm"
import { TensorError, type TensorErrorCode } from "../src/tensor/errors.ts"
import * as T from "../src/tensor/ops.ts"
import { live, scope } from "../src/tensor/scope.ts"
import { Snapshot } from "../src/tensor/snapshot.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { native } from "../src/tensor/native.ts"
import { hashTensor, hashTensors, openSafetensors } from "../src/tensor/weights.ts"

const folder = mkdtempSync(join(tmpdir(), "rae-weights-"))
afterAll(() => rmSync(folder, { recursive: true }))
let serial = 0
const fresh = (name = "d"): string => {
  const dir = join(folder, `${name}${serial++}`)
  mkdirSync(dir)
  return dir
}

/** A file with this header text and data, whatever they say. */
const file = (header: string, data: Uint8Array = new Uint8Array(0), length = BigInt(Buffer.byteLength(header))): string => {
  const path = join(folder, `${serial++}.safetensors`)
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(length)
  writeFileSync(path, Buffer.concat([size, Buffer.from(header), data]))
  return path
}
const failure = (f: () => unknown): TensorError => {
  try {
    f()
  } catch (error) {
    assert.instanceOf(error, TensorError)
    return error
  }
  return assert.fail("no error")
}
const refused = (code: TensorErrorCode, text: RegExp, f: () => unknown) => {
  const error = failure(f)
  assert.match(error.message, text)
  assert.strictEqual(error.code, code)
}
const rejection = async (promise: Promise<unknown>): Promise<TensorError> => {
  try {
    await promise
  } catch (error) {
    assert.instanceOf(error, TensorError)
    return error
  }
  return assert.fail("no error")
}

describe("openSafetensors", () => {
  const entry = (dtype: string, shape: readonly number[], begin: number, end: number) => ({ dtype, shape, data_offsets: [begin, end] })
  const two = () => file(JSON.stringify({ __metadata__: { made: "here" }, a: entry("F32", [2], 0, 8), b: entry("I64", [1], 8, 16), f8: entry("F8_E5M2", [4], 16, 20) }),
    new Uint8Array(Buffer.concat([Buffer.from(Float32Array.of(1.5, -2).buffer), Buffer.from(BigInt64Array.of(-7n).buffer), Buffer.alloc(4)])))

  it("reads values, metadata, other dtypes", () => scope(() => {
    using weights = openSafetensors(two())
    assert.strictEqual(weights.metadata.get("made"), "here")
    assert.deepStrictEqual([...weights.tensors.keys()], ["a", "b", "f8"])
    assert.deepStrictEqual(T.toFloat32(weights.read("a")), Float32Array.of(1.5, -2))
    assert.deepStrictEqual(T.toInt64(weights.read("b")), [-7])
    const half = weights.read("a", { dtype: "bfloat16" })
    assert.strictEqual(half.dtype, "bfloat16")
    refused("invalid", /has no tensor c/, () => weights.read("c"))
    refused("dtype", /f8 is F8_E5M2, expected one of/, () => weights.read("f8"))
    weights.close()
    refused("released", /closed/, () => weights.read("a"))
  }))

  it("a read tensor is aligned, a mapped one is where the file has it, and outlives the file", () => scope(() => {
    const weights = openSafetensors(two())
    const mapped = weights.map("a"), read = weights.read("a")
    weights.close()
    assert.strictEqual(native.misalignment(read.handle), 0)
    assert.notStrictEqual(native.misalignment(mapped.handle), 0)
    assert.deepStrictEqual(T.toBytes(mapped), T.toBytes(read))
    assert.strictEqual(native.misalignment(T.aligned(mapped).handle), 0)
    T.mul_(mapped, 2)
    assert.deepStrictEqual(T.toFloat32(mapped), Float32Array.of(3, -4), "its pages are private")
  }))

  it("what is computed from an aligned copy of a mapped tensor has the bits of owned memory", () => scope(() => {
    const values = T.randomNormal([1, 1, 1, 1], [67, 129]), bytes = T.toBytes(values)
    const path = file(JSON.stringify({ x: entry("F32", [67, 129], 0, bytes.length) }).padEnd(101), bytes)
    using weights = openSafetensors(path)
    const mapped = weights.map("x")
    assert.notStrictEqual(native.misalignment(mapped.handle) % 16, 0)
    const product = (t: Tensor) => T.toBytes(T.matmul(t, T.transpose(t, 0, 1)))
    assert.deepStrictEqual(product(T.aligned(mapped)), product(values))
  }))

  it("fills memory that is there, whatever its order, and hashes what it read", () => scope(() => {
    const values = T.randomNormal([1, 1, 1, 2], [300, 1001]), half = T.to(T.randomNormal([1, 1, 1, 3], [5]), { dtype: "bfloat16" })
    const bytes = [T.toBytes(values), T.toBytes(half)] as const
    const path = file(JSON.stringify({ large: entry("F32", [300, 1001], 0, bytes[0].length), half: entry("BF16", [5], bytes[0].length, bytes[0].length + 10) }), Buffer.concat(bytes))
    using weights = openSafetensors(path)
    const turned = T.transpose(T.zeros([1001, 300]), 0, 1), plain = T.zeros([300, 1001]), small = T.to(T.zeros([5]), { dtype: "bfloat16" })
    const hashes = new Map([["large", hashTensor(values)], ["half", hashTensor(half)]])
    assert.deepStrictEqual(weights.readInto(new Map([["half", small], ["large", plain]])), hashes)
    assert.strictEqual(weights.readInto(new Map([["large", turned]])).get("large"), hashes.get("large"))
    for (const filled of [turned, plain]) assert.deepStrictEqual(T.toBytes(filled), bytes[0])
    assert.deepStrictEqual(T.toBytes(small), bytes[1])
    refused("invalid", /large: expected F32 \[300\], got F32 \[300,1001\]/, () => weights.readInto(new Map([["large", T.zeros([300])]])))
    refused("invalid", /half: expected F32 \[5\], got BF16 \[5\]/, () => weights.readInto(new Map([["half", T.zeros([5])]])))
    refused("invalid", /has no tensor other/, () => weights.readInto(new Map([["other", small]])))
    truncateSync(path, 5000)
    refused("io", /ends at byte/, () => weights.readInto(new Map([["large", plain]])))
  }))

  it("refuses hostile headers, naming what and where", () => {
    const ok = JSON.stringify({ a: entry("F32", [2], 0, 8) })
    refused("io", /ENOENT/, () => openSafetensors(join(folder, "none")))
    refused("io", /EISDIR|illegal operation/, () => openSafetensors(folder))
    refused("invalid", /length/, () => openSafetensors(file("", new Uint8Array(0), 0n)))
    refused("invalid", /length/, () => openSafetensors(file(ok, new Uint8Array(8), 2n ** 63n)))
    refused("invalid", /length/, () => openSafetensors(file(ok, new Uint8Array(8), 100000n)))
    refused("invalid", /header/, () => openSafetensors(file("{not json")))
    refused("invalid", /at a: .*dtype/, () => openSafetensors(file(JSON.stringify({ a: entry("F31", [2], 0, 8) }), new Uint8Array(8))))
    refused("invalid", /at a: F32 \[3\] takes 12 bytes, data_offsets give 8/, () => openSafetensors(file(JSON.stringify({ a: entry("F32", [3], 0, 8) }), new Uint8Array(8))))
    refused("invalid", /at a: data ends at 8/, () => openSafetensors(file(ok, new Uint8Array(4))))
    refused("invalid", /at b: begins at 4, inside/, () => openSafetensors(file(JSON.stringify({ a: entry("F32", [2], 0, 8), b: entry("F32", [1], 4, 8) }), new Uint8Array(8))))
    refused("invalid", /at a:/, () => openSafetensors(file(JSON.stringify({ a: entry("F32", [2 ** 40, 2 ** 40], 0, 8) }), new Uint8Array(8))))
    refused("invalid", /at a:/, () => openSafetensors(file(JSON.stringify({ a: entry("F32", [-2], 0, 8) }), new Uint8Array(8))))
  })

  it("a file cut after it was opened is an error, not a crash", () => scope(() => {
    const path = file(JSON.stringify({ a: entry("F32", [4096], 0, 16384) }), new Uint8Array(16384))
    using weights = openSafetensors(path)
    truncateSync(path, 5000)
    refused("io", /a: .*ends at byte/, () => weights.read("a"))
    refused("io", /shorter than its header says/, () => weights.map("a"))
  }))
})

describe("hashes", () => {
  it("are XXH3-128 of the raw bytes in row-major order", async () => {
    const t = T.randomNormal([3, 3, 3, 3], [501, 7]), turned = T.transpose(t, 0, 1), empty = T.zeros([0])
    assert.strictEqual(hashTensor(t), await xxhash128(T.toBytes(t)))
    assert.strictEqual(hashTensor(turned), await xxhash128(T.toBytes(turned)))
    assert.strictEqual(hashTensor(empty), await xxhash128(new Uint8Array(0)))
    assert.deepStrictEqual([...hashTensors(new Map([["t", t], ["u", turned]]))], [["t", hashTensor(t)], ["u", hashTensor(turned)]])
    for (const tensor of [t, turned, empty]) tensor.dispose()
  })
})

/** A state of odd sizes, dtypes and memory orders, over more than one piece of the copy. */
const state = (): ReadonlyMap<string, Tensor> => scope(() => new Map<string, Tensor>([
  ["decoder.odd", T.randomNormal([1, 0, 0, 1], [7, 13])],
  ["decoder.large", T.randomNormal([1, 0, 0, 2], [1200, 1001])],
  ["decoder.half", T.to(T.randomNormal([1, 0, 0, 3], [33]), { dtype: "bfloat16" })],
  ["ema.turned", T.transpose(T.randomNormal([1, 0, 0, 4], [5, 9]), 0, 1)],
  ["ema.count", T.fromInt64([42], [1])],
  ["ema.scalar", T.full([], 3)],
  ["ema.none", T.zeros([0, 4])]
]))
const fileOf = (name: string) => `${name.split(".")[0]}.safetensors`

describe("snapshot", () => {
  it("restores every bit, into the same memory", () => scope(() => {
    const named = state(), snapshot = new Snapshot(), hashes = hashTensors(named)
    snapshot.capture(named)
    for (const t of named.values()) T.zero_(t)
    assert.notDeepEqual([...hashTensors(named)], [...hashes])
    const handles = Array.from(named.values(), (t) => t.handle)
    snapshot.restore(new Map([...named].toReversed())) // by name, not by order
    assert.deepStrictEqual([...hashTensors(named)], [...hashes])
    assert.deepStrictEqual(Array.from(named.values(), (t) => t.handle), handles)
    refused("invalid", /no decoder.new/, () => snapshot.restore(new Map([["decoder.new", T.zeros([1])]])))
    refused("shape", /decoder.odd is float32 \[3\], the snapshot's is float32 \[7,13\]/, () => snapshot.restore(new Map([["decoder.odd", T.zeros([3])]])))
    refused("invalid", /nothing was captured/, () => new Snapshot().restore(named))
  }))

  it("writes files that read back equal, with right hashes and no holes", async () => {
    const dir = fresh(), named = state(), snapshot = new Snapshot()
    snapshot.capture(named)
    const expected = hashTensors(named)
    const written = await snapshot.write(dir, fileOf, { metadata: { step: "7" } })
    assert.deepStrictEqual(written.files.map(({ name }) => name).toSorted(), ["decoder.safetensors", "ema.safetensors"])
    assert.deepStrictEqual(readdirSync(dir).toSorted(), ["decoder.safetensors", "ema.safetensors"])
    assert.strictEqual(written.tensors.length, named.size)
    for (const { name, size, hash } of written.files) {
      const bytes = readFileSync(join(dir, name))
      assert.strictEqual(bytes.length, size)
      assert.strictEqual(hash, await xxhash128(bytes))
      using weights = openSafetensors(join(dir, name))
      assert.strictEqual(weights.metadata.get("step"), "7")
      const entries = [...weights.tensors.values()].toSorted((a, b) => a.begin - b.begin || a.end - b.end)
      assert.strictEqual((entries[0]?.begin ?? 1) % 64, 0, "data starts aligned")
      entries.slice(1).forEach(({ begin }, i) => assert.strictEqual(begin, entries[i]?.end, "the published library refuses holes"))
    }
    for (const { name, file, dtype, shape, hash } of written.tensors) {
      assert.strictEqual(hash, expected.get(name))
      using weights = openSafetensors(join(dir, file))
      using t = weights.read(name)
      assert.strictEqual(hashTensor(t), hash)
      assert.strictEqual(t.dtype, dtype)
      assert.deepStrictEqual(t.shape, shape)
    }
    for (const t of named.values()) t.dispose()
  })

  it("while it is written nothing is captured, but training may change the tensors", async () => {
    const dir = fresh(), snapshot = new Snapshot(), t = T.randomNormal([2, 2, 2, 2], [500_000]), named = new Map([["a", t]])
    snapshot.capture(named)
    const hash = hashTensor(t)
    const writing = snapshot.write(dir, () => "a.safetensors")
    T.zero_(t)
    refused("invalid", /being written/, () => snapshot.capture(named))
    assert.strictEqual((await writing).tensors[0]?.hash, hash)
    snapshot.capture(named)
    t.dispose()
  })

  it("a failed write says which errno, how much it wanted, and leaves nothing", async () => {
    const named = state(), snapshot = new Snapshot()
    snapshot.capture(named)
    for (const t of named.values()) t.dispose()
    for (const [errno, code] of [["ENOSPC", "disk_full"], ["EDQUOT", "disk_full"], ["EIO", "io"], ["EROFS", "io"]] as const) {
      for (const file of [0, 1]) {
        const dir = fresh()
        const error = await rejection(snapshot.write(dir, fileOf, { fault: { file, errno } }))
        assert.strictEqual(error.code, code)
        assert.strictEqual(error.errno, errno)
        assert.match(error.message, /writing .*safetensors/)
        assert.isAbove(error.needed ?? 0, 4_000_000)
        assert.deepStrictEqual(readdirSync(dir), [])
      }
    }
    // real ones
    const dir = fresh()
    const missing = await rejection(snapshot.write(join(dir, "none"), fileOf))
    assert.deepStrictEqual([missing.code, missing.errno], ["io", "ENOENT"])
    writeFileSync(join(dir, "ema.safetensors"), "someone else's")
    const exists = await rejection(snapshot.write(dir, fileOf))
    assert.deepStrictEqual([exists.code, exists.errno], ["io", "EEXIST"])
    assert.deepStrictEqual(readdirSync(dir), ["ema.safetensors"], "what was there stays")
    assert.isTrue(existsSync(join(dir, "ema.safetensors")))
    // and the snapshot is as good as before
    assert.strictEqual((await snapshot.write(fresh(), fileOf)).tensors.length, 7)
  })

  it("leaves no handles", () => assert.strictEqual(live().count, 0))
})
