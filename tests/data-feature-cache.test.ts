/** The feature cache: what it holds comes back bit for bit or not at all, and no disk ends a run. */
import { afterAll, assert, describe, it } from "vitest"
import { execFileSync, spawnSync } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { defaultFeatureDir, type FeatureCache, openFeatureCache } from "../src/data/feature-cache.ts"
import { headerBytes } from "../src/data/feature-entry.ts"
import { type Encoding, featureKey } from "../src/data/feature-key.ts"

const root = mkdtempSync(join(tmpdir(), "rae-features-"))
const mounts: Array<string> = []
afterAll(() => {
  for (const mount of mounts) execFileSync("umount", [mount])
  rmSync(root, { recursive: true, force: true })
})

let serial = 0
const fresh = (): string => join(root, `cache-${serial++}`)
const encoding: Encoding = { encoder: "e", libtorch: "1.13", device: "cpu", precision: "float32", batchShape: [2, 3, 64, 64], place: 0 }
const key = (index: number): string => featureKey(encoding, `image ${index}`, "centre")
const feature = (index: number, bytes = 100): Uint8Array => Uint8Array.from({ length: bytes }, (_, at) => index * 31 + at)
const entry = (index: number, bytes = 100) => ({ key: key(index), feature: feature(index, bytes) })
const size = 100 + headerBytes
const fileOf = (dir: string, index: number): string => join(dir, key(index).slice(0, 2), key(index))

const held = async (cache: FeatureCache, indices: ReadonlyArray<number>): Promise<ReadonlyArray<number>> => {
  const found = await Promise.all(indices.map((index) => cache.read([key(index)])))
  return indices.filter((_, at) => found[at]!.kind === "hit")
}

describe("a key", () => {
  it("follows from everything that decides a feature's bits", () => {
    const keys = [
      featureKey(encoding, "i", "c"), featureKey(encoding, "j", "c"), featureKey(encoding, "i", "d"),
      ...([{ encoder: "f" }, { libtorch: "2" }, { device: "cuda:0" }, { precision: "bfloat16" }, { batchShape: [4, 3, 64, 64] }, { place: 1 }] as const)
        .map((change) => featureKey({ ...encoding, ...change }, "i", "c"))
    ]
    assert.strictEqual(new Set(keys).size, 9)
    assert.strictEqual(featureKey({ ...encoding }, "i", "c"), keys[0])
    assert.match(keys[0]!, /^[0-9a-f]{32}$/)
  })
})

describe("the feature cache", () => {
  it("gives back what it was given, also to the next run", async () => {
    const dir = fresh()
    const cache = await openFeatureCache({ dir, maxBytes: 1e6 })
    assert.deepStrictEqual(await cache.read([key(0), key(1)]), { kind: "miss", corrupt: [] })
    assert.deepStrictEqual(await cache.write([entry(0), entry(1, 0), entry(2, 70_000)]), { written: 3, refused: 0, paused: null })
    const next = await openFeatureCache({ dir, maxBytes: 1e6 })
    for (const one of [cache, next]) {
      const found = await one.read([key(2), key(0), key(1)])
      assert.strictEqual(found.kind, "hit")
      if (found.kind === "hit") assert.deepStrictEqual(found.features.map((one) => Uint8Array.from(one)), [feature(2, 70_000), feature(0), feature(1, 0)])
      assert.strictEqual(one.status().bytes, 70_100 + 3 * headerBytes)
      assert.strictEqual(one.status().entries, 3)
    }
    assert.deepStrictEqual(readdirSync(dir).filter((name) => name.startsWith("tmp-")), [])
  })

  it("gives features aligned to 64 bytes", async () => {
    const cache = await openFeatureCache({ dir: fresh(), maxBytes: 1e6 })
    await cache.write([entry(0)])
    const found = await cache.read([key(0)])
    assert.isTrue(found.kind === "hit" && found.features[0]!.byteOffset % 64 === 0)
  })

  it("counts a batch with any miss as missed whole", async () => {
    const cache = await openFeatureCache({ dir: fresh(), maxBytes: 1e6 })
    await cache.write([entry(0)])
    assert.strictEqual((await cache.read([key(0), key(1)])).kind, "miss")
    assert.strictEqual((await cache.read([key(0)])).kind, "hit")
    assert.deepInclude(cache.status(), { hits: 1, misses: 2 })
  })

  it("drops every damaged entry and reports it: no flipped bit comes back", async () => {
    const dir = fresh()
    const cache = await openFeatureCache({ dir, maxBytes: 1e6 })
    for (let bit = 0; bit < size * 8; bit += 19) {
      await cache.write([entry(0)])
      const file = readFileSync(fileOf(dir, 0))
      file[bit >> 3]! ^= 1 << (bit & 7)
      writeFileSync(fileOf(dir, 0), file)
      const found = await cache.read([key(0)])
      const harmless = bit >> 3 >= 48 && bit >> 3 < headerBytes
      assert.strictEqual(found.kind, harmless ? "hit" : "miss", `bit ${bit}`)
      if (found.kind === "miss") assert.deepStrictEqual(found.corrupt.map(({ path }) => path), [fileOf(dir, 0)])
      assert.strictEqual(existsSync(fileOf(dir, 0)), harmless)
    }
  })

  it("drops truncated entries, and those under another's name", async () => {
    const dir = fresh()
    const cache = await openFeatureCache({ dir, maxBytes: 1e6 })
    for (const length of [0, 10, headerBytes, size - 1]) {
      await cache.write([entry(0)])
      truncateSync(fileOf(dir, 0), length)
      const found = await cache.read([key(0)])
      assert.match(found.kind === "miss" ? found.corrupt[0]!.reason : "", /^truncated/)
    }
    await cache.write([entry(0), entry(1)])
    copyFileSync(fileOf(dir, 1), fileOf(dir, 0))
    const found = await cache.read([key(0)])
    assert.match(found.kind === "miss" ? found.corrupt[0]!.reason : "", /^holds key/)
    assert.deepStrictEqual(await held(cache, [0, 1]), [1])
    assert.strictEqual(cache.status().bytes, size)
  })

  it("stays within its bound and keeps what this run has used", async () => {
    const cache = await openFeatureCache({ dir: fresh(), maxBytes: 5 * size })
    const stored = await cache.write(Array.from({ length: 8 }, (_, index) => entry(index)))
    assert.deepStrictEqual(stored, { written: 5, refused: 3, paused: null })
    assert.strictEqual(cache.status().bytes, 5 * size)
    assert.deepStrictEqual(await held(cache, [0, 1, 2, 3, 4, 5, 6, 7]), [0, 1, 2, 3, 4])
    assert.deepStrictEqual(await cache.write([{ key: key(9), feature: new Uint8Array(10_000) }]), { written: 0, refused: 1, paused: null })
  })

  it("evicts what earlier runs have left, the oldest first", async () => {
    const dir = fresh()
    const before = await openFeatureCache({ dir, maxBytes: 5 * size })
    for (let index = 0; index < 5; index++) {
      await before.write([entry(index)])
      utimesSync(fileOf(dir, index), 1000 - index, 1000 - index)
    }
    const cache = await openFeatureCache({ dir, maxBytes: 5 * size })
    await cache.read([key(4)])
    await cache.write([entry(10), entry(11)])
    assert.deepStrictEqual(await held(cache, [0, 1, 2, 3, 4, 10, 11]), [0, 1, 4, 10, 11])
  })

  it("evicts on request, and says how much", async () => {
    const cache = await openFeatureCache({ dir: fresh(), maxBytes: 1e6 })
    await cache.write([0, 1, 2, 3].map((index) => entry(index)))
    await cache.read([key(0)])
    assert.strictEqual(await cache.evict(size + 1), 2 * size)
    assert.deepStrictEqual(await held(cache, [0, 1, 2, 3]), [0, 3])
    assert.strictEqual(await cache.evictAll(), 2 * size)
    assert.deepInclude(cache.status(), { entries: 0, bytes: 0 })
  })

  it("removes what dead writers have left, and nothing else", async () => {
    const dir = fresh()
    mkdirSync(dir)
    for (const name of ["tmp-1-0", "tmp-1-1", "README"]) writeFileSync(join(dir, name), "x")
    utimesSync(join(dir, "tmp-1-0"), 1, 1)
    await openFeatureCache({ dir, maxBytes: 1e6 })
    assert.deepStrictEqual(readdirSync(dir).sort(), ["README", "tmp-1-1"])
  })

  it("goes without its folder, and comes back with it", async () => {
    const dir = fresh()
    writeFileSync(dir, "a file is in the way")
    let now = 0
    const cache = await openFeatureCache({ dir, maxBytes: 1e6, pauseMs: 1000, now: () => now })
    assert.strictEqual(cache.status().paused?.code, "EEXIST")
    assert.strictEqual((await cache.read([key(0)])).kind, "miss")
    assert.deepStrictEqual(await cache.write([entry(0)]), { written: 0, refused: 1, paused: null })
    rmSync(dir)
    assert.strictEqual((await cache.write([entry(0)])).written, 0)
    now = 1000
    assert.strictEqual((await cache.write([entry(0)])).written, 1)
    assert.isNull(cache.status().paused)
    assert.deepStrictEqual(await held(cache, [0]), [0])
  })

  it("leaves the wanted space to others", async () => {
    const cache = await openFeatureCache({ dir: fresh(), maxBytes: 1e6, keepFree: 2 ** 60 })
    const stored = await cache.write([entry(0)])
    assert.strictEqual(stored.paused?.code, "ENOSPC")
    assert.deepStrictEqual(await cache.write([entry(1)]), { written: 0, refused: 1, paused: null })
    assert.strictEqual(cache.status().refused, 2)
  })

  const disk = join(root, "disk")
  mkdirSync(disk)
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]).status === 0
  if (mounted) mounts.push(disk)
  else console.log("skipped: a full disk for the feature cache, no tmpfs may be mounted here")

  it.skipIf(!mounted)("survives a full disk, and writes again when there is room", async () => {
    let now = 0
    const cache = await openFeatureCache({ dir: join(disk, "features"), maxBytes: 1e9, pauseMs: 1000, now: () => now })
    await cache.write([entry(0, 50_000)])
    writeFileSync(join(disk, "other"), new Uint8Array(26 * 4096))
    /** 25 pages are free: enough for the bytes of two entries, which the check beforehand sees, but not for their 26 pages. */
    const stored = await cache.write([entry(1, 50_000), entry(2, 50_000)])
    assert.deepStrictEqual([stored.written, stored.paused?.code], [1, "ENOSPC"])
    assert.deepStrictEqual(await held(cache, [0, 1, 2]), [0, 1])
    assert.deepStrictEqual(readdirSync(join(disk, "features")).filter((name) => name.startsWith("tmp-")), [])
    rmSync(join(disk, "other"))
    now = 1000
    assert.strictEqual((await cache.write([entry(3, 50_000)])).written, 1)
    assert.deepStrictEqual(await held(cache, [0, 1, 2, 3]), [0, 1, 3])
  })
})

describe("the cache's place", () => {
  it("is under XDG_CACHE_HOME, else under the home folder", () => {
    assert.strictEqual(defaultFeatureDir({ XDG_CACHE_HOME: "/var/cache/me", HOME: "/home/me" }), "/var/cache/me/rae/features")
    assert.strictEqual(defaultFeatureDir({ XDG_CACHE_HOME: "relative", HOME: "/home/me" }), "/home/me/.cache/rae/features")
    assert.strictEqual(defaultFeatureDir({ HOME: "/home/me" }), "/home/me/.cache/rae/features")
  })
})
