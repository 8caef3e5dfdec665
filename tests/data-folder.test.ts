/** Listing an image folder, the held-out split, and what a damaged file says. */
import { afterAll, assert, describe, it } from "vitest"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { crc32 } from "node:zlib"
import { CorruptSample } from "../src/data/corrupt-sample.ts"
import { decode, readImageFile } from "../src/data/decode.ts"
import { splitHeldOut } from "../src/data/held-out.ts"
import { DataFolderInvalid, listImageFolder } from "../src/data/image-folder.ts"
import { golden } from "./golden-images/picture.ts"

const scratch = mkdtempSync(join(tmpdir(), "rae-folder-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** Makes a folder of (here empty) files. */
const folder = (name: string, files: ReadonlyArray<string>): string => {
  const root = join(scratch, name)
  mkdirSync(root)
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), "")
  }
  return root
}

const rejection = async (promise: Promise<unknown>): Promise<unknown> => promise.then(() => assert.fail("should reject"), (cause: unknown) => cause)
const invalid = async (path: string): Promise<readonly [string, string]> => {
  const error = await rejection(listImageFolder(path))
  assert.instanceOf(error, DataFolderInvalid)
  assert.isNotEmpty(error.help)
  return [error.problem, error.found]
}

describe("an image folder", () => {
  it("lists images of class folders, sorted, whatever their case and depth", async () => {
    const root = folder("classes", ["b/2.JPG", "b/10.jpeg", "a/x/1.png", "a/notes.txt", "a/.hidden.png", ".git/1.png", "c/1.webp", "empty/readme"])
    assert.deepStrictEqual((await listImageFolder(root)).paths, ["a/x/1.png", "b/10.jpeg", "b/2.JPG", "c/1.webp"])
  })

  it("takes images without class folders", async () => {
    assert.deepStrictEqual((await listImageFolder(folder("flat", ["2.png", "1.png"]))).paths, ["1.png", "2.png"])
  })

  it("follows links, but not in circles and not into nothing", async () => {
    const root = folder("links", ["a/1.png"])
    symlinkSync(join(scratch, "classes", "b"), join(root, "b"))
    symlinkSync(join(scratch, "classes", "c", "1.webp"), join(root, "a", "2.webp"))
    symlinkSync(root, join(root, "a", "loop"))
    symlinkSync(join(root, "nowhere.png"), join(root, "a", "3.png"))
    assert.deepStrictEqual((await listImageFolder(root)).paths, ["a/1.png", "a/2.webp", "b/10.jpeg", "b/2.JPG"])
  })

  it("says what is wrong with a folder", async () => {
    assert.deepStrictEqual(await invalid(join(scratch, "nowhere")), ["missing", ""])
    assert.deepStrictEqual(await invalid(folder("nothing", [])), ["empty", ""])
    assert.deepStrictEqual(await invalid(join(folder("file", ["a"]), "a")), ["not a folder", "a file"])
    assert.deepStrictEqual(await invalid(folder("texts", ["a/1.txt", "a/2.txt", "b/c.bmp", "d/Makefile"])), ["no images", "2 .txt, 1 .bmp, 1 without an extension"])
    const hollow = folder("hollow", [])
    mkdirSync(join(hollow, "a"))
    assert.deepStrictEqual(await invalid(hollow), ["no images", "1 empty folders"])
  })

  it.skipIf(process.getuid?.() === 0)("says when a folder may not be read", async () => {
    const root = folder("closed", ["a/1.png"])
    chmodSync(join(root, "a"), 0)
    assert.deepStrictEqual(await invalid(root), ["unreadable", "EACCES"])
    chmodSync(join(root, "a"), 0o755)
  })
})

describe("the held-out split", () => {
  const paths = Array.from({ length: 2000 }, (_, i) => `class${i % 7}/${i}.jpg`)

  it("holds out about a tenth, and each image once", () => {
    const { training, heldOut } = splitHeldOut(paths)
    assert.isAbove(heldOut.length, 150)
    assert.isBelow(heldOut.length, 250)
    assert.deepStrictEqual([...training, ...heldOut].sort(), [...paths].sort())
  })

  it("keeps every image on its side when others come or go", () => {
    const before = new Set(splitHeldOut(paths).heldOut)
    for (const some of [paths.slice(300), [...paths, "new/1.jpg", "new/2.jpg"]]) {
      for (const path of splitHeldOut(some).heldOut) if (!path.startsWith("new/")) assert.isTrue(before.has(path))
    }
  })

  it("holds one out of any few images, and leaves some to train on", () => {
    for (let count = 2; count < 30; count++) {
      const { training, heldOut } = splitHeldOut(paths.slice(0, count))
      assert.isAbove(training.length, 0)
      assert.isAbove(heldOut.length, 0)
    }
    assert.deepStrictEqual(splitHeldOut(["one.jpg"]), { training: ["one.jpg"], heldOut: ["one.jpg"] })
  })
})

/** A PNG whose header alone says that it is huge. */
const hugePng = (side: number): Buffer => {
  const file = Buffer.from(golden("alpha.png"))
  file.writeUInt32BE(side, 16)
  file.writeUInt32BE(side, 20)
  file.writeUInt32BE(crc32(file.subarray(12, 29)), 29)
  return file
}

describe("a damaged file", () => {
  const jpeg = golden("colour.jpg")
  const read = async (bytes: Uint8Array | string): Promise<CorruptSample> => {
    const path = join(scratch, "damaged.jpg")
    writeFileSync(path, bytes)
    const error = await rejection(readImageFile(7, path).then((read) => decode(7, path, read)))
    assert.instanceOf(error, CorruptSample)
    assert.deepStrictEqual([error.index, error.path], [7, path])
    return error
  }

  it.each([
    ["truncated", jpeg.subarray(0, jpeg.length - 200)], ["truncated", golden("animated.gif").subarray(0, 150)],
    ["empty", ""], ["not an image", "hello, world"], ["not an image", Buffer.alloc(5000, 7)], ["huge", hugePng(50_000)],
    ["not an image", `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="/etc/passwd"/></svg>`]
  ] as const)("is %s", async (problem, bytes) => assert.strictEqual((await read(bytes)).problem, problem))

  it("is corrupt where the decoder finds a flipped bit", async () => {
    const png = Buffer.from(golden("alpha.png"))
    png[200]! ^= 0x10
    assert.strictEqual((await read(png)).problem, "corrupt")
  })

  it("gives a typed error or a whole picture, whatever bytes are there", async () => {
    let state = 1
    const random = (below: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below
    for (const name of ["colour.jpg", "alpha.png", "lossless.webp", "cmyk.tif", "animated.gif"]) {
      for (let trial = 0; trial < 20; trial++) {
        const bytes = Buffer.from(golden(name)).subarray(0, trial % 2 === 0 ? undefined : 20 + random(300))
        for (let flips = 0; flips < 3; flips++) bytes[random(bytes.length)]! ^= 1 << random(8)
        const outcome = await decode(0, name, bytes).catch((cause: unknown) => cause)
        if (outcome instanceof CorruptSample) continue
        const picture = outcome as { width: number; height: number; pixels: Uint8Array }
        assert.strictEqual(picture.pixels?.length, picture.width * picture.height * 3)
      }
    }
  })

  it("has vanished, or is none", async () => {
    const vanished = await rejection(readImageFile(1, join(scratch, "gone.jpg")))
    assert.strictEqual((vanished as CorruptSample).problem, "vanished")
    const directory = await rejection(readImageFile(1, scratch))
    assert.strictEqual((directory as CorruptSample).problem, "unreadable")
  })
})
