/** npz archives: numpy's are read, numpy reads ours, whatever else is refused; also beyond 4 GiB. */
import { assert, describe, it } from "vitest"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import type { ByteSource } from "../src/formats/byte-source.ts"
import { combineCrc32 } from "../src/formats/crc32-combine.ts"
import { encodeNpyHeader, InvalidNpy } from "../src/formats/npy-header.ts"
import { type Npz, readNpz, readNumbers } from "../src/formats/npz-reader.ts"
import { NpzWriter } from "../src/formats/npz-writer.ts"
import { openBytes } from "../src/formats/open-bytes.ts"
import { localHeader, zipDirectory } from "../src/formats/zip-records.ts"
import { InvalidZip } from "../src/formats/zip.ts"

const golden = (name: string) => new Uint8Array(readFileSync(join(import.meta.dirname, "golden/npz", name)))
const sourceOf = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: (offset, length) => {
    assert.isTrue(Number.isSafeInteger(offset) && offset >= 0 && length >= 0 && offset + length <= bytes.length, `asked for ${length} bytes at ${offset} of ${bytes.length}`)
    return bytes.slice(offset, offset + length)
  }
})
/** As make.py draws them: 5 images of 4 × 6. */
const images = Uint8Array.from({ length: 5 * 4 * 6 * 3 }, (_, i) => i * 37 % 256)

const whole = async (npz: Npz, name: string, items: number): Promise<ReadonlyArray<Uint8Array>> => Array.fromAsync((await npz.array(name)).batches(items))
const refusal = async (read: () => Promise<unknown>): Promise<string> => {
  try {
    await read()
  } catch (error) {
    if (error instanceof InvalidNpy || error instanceof InvalidZip) return error.message
    throw error
  }
  return "accepted"
}
const readAll = async (bytes: Uint8Array) => {
  const npz = readNpz(sourceOf(bytes))
  return new Map(await Promise.all(npz.names.map(async (name) => [name, await whole(npz, name, 2)] as const)))
}

const inFolder = async (use: (dir: string) => Promise<void>) => {
  const dir = mkdtempSync(join(tmpdir(), "rae-npz-"))
  try {
    await use(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
const write = async (path: string) => {
  const writer = await NpzWriter.create(path)
  await writer.begin("arr_0", "uint8", [4, 6, 3])
  await writer.append(images.subarray(0, 3 * 72))
  await writer.append(images.subarray(3 * 72))
  await writer.begin("mu", "float64", [])
  await writer.append(new Uint8Array(Float64Array.of(1, -2.5, Math.PI).buffer))
  await writer.begin("sigma", "float32", [2])
  return writer.finish()
}

describe("reading npz", () => {
  it.each(["images.npz", "images_compressed.npz", "version2.npz", "version3.npz"])("%s: the images, some at a time", async (name) => {
    const npz = readNpz(sourceOf(golden(name)))
    assert.deepStrictEqual(npz.names, ["arr_0"])
    const { dtype, itemBytes, shape } = await npz.array("arr_0")
    assert.deepStrictEqual([dtype, itemBytes, shape], ["uint8", 72, [5, 4, 6, 3]])
    const batches = await whole(npz, "arr_0", 2)
    assert.deepStrictEqual(batches.map(({ length }) => length), [144, 144, 72])
    assert.deepStrictEqual(new Uint8Array(Buffer.concat(batches)), images)
  })

  it.each([["moments.npz", 0], ["moments_float32.npz", 1e-7]] as const)("%s: numbers in double", async (name, tolerance) => {
    const npz = readNpz(sourceOf(golden(name)))
    const mu = await readNumbers(await npz.array("mu"))
    for (const [i, value] of mu.entries()) assert.approximately(value, -1 + 2 * i / 7, Math.max(tolerance, 1e-15))
    const sigma = await readNumbers(await npz.array("sigma"))
    assert.strictEqual(sigma.length, 64)
    assert.isTrue(sigma.every((value, i) => value === sigma[(i % 8) * 8 + Math.floor(i / 8)] && (i % 9 !== 0 || value > 0.1)))
  })

  it("says what it does not take", async () => {
    const npz = readNpz(sourceOf(golden("others.npz")))
    const problem = (name: string) => refusal(() => npz.array(name))
    assert.match(await problem("fortran"), /`fortran`: in Fortran order \(column-major\), expected C order/)
    assert.match(await problem("big"), /big-endian \(`>f8`\), expected little-endian/)
    assert.match(await problem("half"), /dtype `<f2`, expected uint8, float32 or float64/)
    assert.match(await problem("counts"), /dtype `<i8`/)
    assert.match(await problem("objects"), /dtype `\|O`/)
    assert.match(await problem("record"), /its description is not that of a plain array: "\{'descr': \[\('a'/)
    assert.deepStrictEqual(await readNumbers(await npz.array("scalar")), Float64Array.of(7))
    assert.deepStrictEqual((await npz.array("empty")).shape, [0, 4, 6, 3])
    assert.deepStrictEqual(await whole(npz, "empty", 2), [])
  })

  it.each(["images.npz", "images_compressed.npz"])("%s cut anywhere is refused", async (name) => {
    const all = golden(name)
    for (let length = 0; length < all.length; length += 5) assert.notStrictEqual(await refusal(() => readAll(all.slice(0, length))), "accepted")
  })

  it.each(["images.npz", "images_compressed.npz", "moments.npz", "version3.npz"])("%s survives 400 random changes: refused, or the same numbers", async (name) => {
    const original = golden(name)
    const expected = await readAll(original)
    let seed = 11
    const random = (n: number) => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) % n
    let refused = 0
    for (let trial = 0; trial < 400; trial++) {
      const bytes = original.slice()
      for (let i = random(3); i >= 0; i--) bytes[random(bytes.length)] = random(256)
      const message = await refusal(async () => {
        // a changed name in the directory, or fewer entries, is another archive with the same numbers in it
        for (const [array, batches] of await readAll(bytes)) if (expected.has(array)) assert.deepStrictEqual(batches, expected.get(array))
      })
      if (message !== "accepted") refused++
    }
    assert.isAbove(refused, 250)
  })

  it("finds damage in the numbers", async () => {
    const stored = golden("images.npz")
    stored[300]! ^= 1
    assert.match(await refusal(() => readAll(stored)), /arr_0\.npy: its CRC-32 is [0-9a-f]{8}, expected [0-9a-f]{8}: the file is damaged/)
  })

  /** An archive of one stored array with a header of one's own. */
  const archive = (header: string, size = 0) => {
    const head = Buffer.alloc(10 + header.length)
    head.set([0x93, ...Buffer.from("NUMPY"), 1, 0])
    head.writeUInt16LE(header.length, 8)
    head.write(header, 10, "latin1")
    const bytes = Buffer.concat([head, Buffer.alloc(size)])
    const entry = { path: "arr_0.npy", size: bytes.length, crc32: crc32(bytes) }
    const local = localHeader(entry)
    return new Uint8Array(Buffer.concat([local, bytes, zipDirectory([{ ...entry, local: 0 }], local.length + bytes.length)]))
  }
  it.each<readonly [string, RegExp]>([
    ["{'descr': '|u1', 'fortran_order': False, 'shape': (9007199254740993, 4, 4, 3), }\n", /a dimension of `9007199254740993`/],
    ["{'descr': '|u1', 'fortran_order': False, 'shape': (900000000000000, 900000000000000, 3), }\n", /takes \d\.\d+e\+30 bytes, got 8/],
    ["{'descr': '|u1', 'fortran_order': False, 'shape': (900000000000000, 0), }\n", /takes 0 bytes, got 8/],
    ["{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }\n", /not that of a plain array/],
    ["{'descr': '|u1', 'fortran_order': False, 'shape': (9,), }\n", /uint8 \[9\] takes 9 bytes, got 8/],
    ["{'descr': '|u1', 'fortran_order': False, 'shape': (8,), 'shape': (8,), }\n", /`shape` given twice/],
    ["{'descr': '|u1', 'fortran_order': False, }\n", /its keys are descr, fortran_order, expected descr, fortran_order, shape/],
    ["{'descr': '|u1', 'fortran_order': False, 'shape': (8,), 'more': (8,), }\n", /expected descr, fortran_order, shape/],
    ["{'descr': __import__('os').system('ls'), 'fortran_order': False, 'shape': (8,), }\n", /not that of a plain array/],
    [`{'descr': '|u1', 'fortran_order': False, 'shape': (${"1, ".repeat(40)}8), }\n`, /41 dimensions, at most 32/],
    [`{'descr': '|u1',${" ".repeat(11_000)}'fortran_order': False, 'shape': (8,), }\n`, /a header of 11\d{3} bytes, at most 10000 are read/],
    ["", /a header of 0 bytes, which hold no description/]
  ])("refuses header %#", async (header, expected) => assert.match(await refusal(() => readAll(archive(header, 8))), expected))

  it("refuses a compressed array that says it is more than its bytes can hold", async () => {
    const bytes = golden("images_compressed.npz")
    const directory = Buffer.from(bytes).indexOf(Buffer.from([0x50, 0x4b, 0x01, 0x02]))
    new DataView(bytes.buffer).setUint32(directory + 24, 0x7fffffff, true)
    assert.match(await refusal(() => readAll(bytes)), /2147483647 bytes out of \d+ compressed ones, more than can be/)
  })
})

describe("writing npz", () => {
  it("what is written is read back, and nothing is left beside it", () => inFolder(async (dir) => {
    const path = join(dir, "all.npz")
    const bytes = await write(path)
    assert.deepStrictEqual(readdirSync(dir), ["all.npz"])
    using file = openBytes(path)
    assert.strictEqual(file.size, bytes)
    const npz = readNpz(file)
    assert.deepStrictEqual(npz.names, ["arr_0", "mu", "sigma"])
    assert.deepStrictEqual((await npz.array("arr_0")).shape, [5, 4, 6, 3])
    assert.deepStrictEqual(new Uint8Array(Buffer.concat(await whole(npz, "arr_0", 4))), images)
    assert.deepStrictEqual(await readNumbers(await npz.array("mu")), Float64Array.of(1, -2.5, Math.PI))
    assert.deepStrictEqual((await npz.array("sigma")).shape, [0, 2])
  }))

  it("goes on from an interrupted file, and ends in the same bytes", () => inFolder(async (dir) => {
    const [path, other] = [join(dir, "a.npz"), join(dir, "b.npz")]
    const first = await NpzWriter.create(path)
    await first.begin("arr_0", "uint8", [4, 6, 3])
    await first.append(images.subarray(0, 4 * 72))
    assert.strictEqual(await first.flush(), 4)
    await first.close()
    assert.isFalse(existsSync(path))
    const second = await NpzWriter.create(path)
    await second.begin("arr_0", "uint8", [4, 6, 3], 2)
    await second.append(images.subarray(2 * 72))
    await second.finish()
    const undisturbed = await NpzWriter.create(other)
    await undisturbed.begin("arr_0", "uint8", [4, 6, 3])
    await undisturbed.append(images)
    await undisturbed.finish()
    assert.isTrue(readFileSync(path).equals(readFileSync(other)))
  }))

  it("goes on from no more than there is, and leaves nothing where it is given up", () => inFolder(async (dir) => {
    const path = join(dir, "a.npz")
    const writer = await NpzWriter.create(path)
    await writer.begin("arr_0", "uint8", [4, 6, 3])
    await writer.append(images.subarray(0, 72))
    await writer.close()
    const second = await NpzWriter.create(path)
    const problem = await second.begin("arr_0", "uint8", [4, 6, 3], 2).then(() => "", (error: unknown) => (error as Error).message)
    assert.match(problem, /a\.npz\.partial has 1 whole items, expected 2/)
    await second.discard()
    assert.deepStrictEqual(readdirSync(dir), [])
  }))

  it("numpy reads it", ({ skip }) => inFolder(async (dir) => {
    const path = join(dir, "all.npz")
    await write(path)
    const program = "import numpy, sys; f = numpy.load(sys.argv[1]); a = f['arr_0']; print(f.zip.testzip(), a.dtype, a.shape, int(a.astype(int).sum()), a.flags['C_CONTIGUOUS'], f['mu'].tolist(), f['sigma'].shape)"
    const sum = images.reduce((total, value) => total + value, 0)
    const { stderr, stdout } = spawnSync("python3", ["-c", program, path], { encoding: "utf8" })
    if (stdout === null || stderr.includes("ModuleNotFoundError")) skip("no python3 with numpy")
    assert.strictEqual(stdout.trim(), `None uint8 (5, 4, 6, 3) ${sum} True [1.0, -2.5, 3.141592653589793] (0, 2)`)
  }))
})

describe("beyond 4 GiB", () => {
  it("sizes and places stand in ZIP64 fields", async () => {
    // 50,000 images of 256 × 256 pixels, all black, that exist nowhere, and behind them an array of three numbers
    const header = encodeNpyHeader("uint8", [50_000, 256, 256, 3])
    const black = 50_000 * 256 * 256 * 3
    const first = { path: "arr_0.npy", size: header.length + black, crc32: 0, local: 0 }
    const begin = localHeader(first).length + header.length
    const numbers = Buffer.concat([encodeNpyHeader("float32", [3]), new Uint8Array(Float32Array.of(1, 2, 3).buffer)])
    const second = { path: "mu.npy", size: numbers.length, crc32: crc32(numbers), local: begin + black }
    const behind = Buffer.concat([localHeader(second), numbers, zipDirectory([first, second], begin + black + localHeader(second).length + numbers.length)])
    const pieces = [{ at: 0, bytes: Buffer.concat([localHeader(first), header]) }, { at: begin + black, bytes: behind }]
    const file: ByteSource = {
      size: begin + black + behind.length,
      read: (offset, length) => {
        const out = new Uint8Array(length)
        for (const { at, bytes } of pieces) {
          const [from, to] = [Math.max(offset, at), Math.min(offset + length, at + bytes.length)]
          if (from < to) out.set(bytes.subarray(from - at, to - at), from - offset)
        }
        return out
      }
    }
    assert.isAbove(second.local, 2 ** 33)
    const npz = readNpz(file)
    const array = await npz.array("arr_0")
    assert.deepStrictEqual(array.shape, [50_000, 256, 256, 3])
    for await (const batch of array.batches(2)) {
      assert.strictEqual(batch.length, 2 * 256 * 256 * 3)
      break
    }
    assert.deepStrictEqual(await readNumbers(await npz.array("mu")), Float64Array.of(1, 2, 3))
  })
})

describe("checksums of parts", () => {
  it("give that of the whole", () => {
    const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i * i % 251)
    for (const at of [0, 1, 7, 128, 2500, 4999, 5000]) {
      assert.strictEqual(combineCrc32(crc32(bytes.subarray(0, at)), crc32(bytes.subarray(at)), bytes.length - at), crc32(bytes))
    }
    // 10 GB of zeros in two ways
    const zeros = [crc32(Uint8Array.of(0))]
    for (let power = 0; power < 33; power++) zeros.push(combineCrc32(zeros[power]!, zeros[power]!, 2 ** power))
    assert.strictEqual(zeros[20], crc32(new Uint8Array(2 ** 20)))
    assert.strictEqual(combineCrc32(zeros[33]!, zeros[31]!, 2 ** 31), combineCrc32(zeros[31]!, zeros[33]!, 2 ** 33))
  })
})
