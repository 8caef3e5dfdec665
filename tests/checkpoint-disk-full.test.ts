/** Disks that are full and read-only for real. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ensureBallast, releaseBallast } from "../src/checkpoint/ballast.ts"
import { assess, checkpointBytes, reclaim } from "../src/checkpoint/budget.ts"
import { errnoOf, freeAt, storageError } from "../src/checkpoint/storage-errors.ts"
import { open } from "../src/checkpoint/store.ts"
import { contentsOf, save, temporaryDirectory, writeState } from "./checkpoint-fake-engine.ts"
import { type SmallDisk, smallDisk } from "./checkpoint-tmpfs.ts"

const MiB = 2 ** 20
const retention = { keep_last: 2, keep_every: null }
const probe = smallDisk(MiB)
const skipped = typeof probe === "string"
if (skipped) console.log(`skipped: no tmpfs to fill here: ${probe}`)
else probe[Symbol.dispose]()

const onDisk = <A, E>(bytes: number, use: (disk: SmallDisk) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(Effect.sync(() => smallDisk(bytes) as SmallDisk), use, (disk) => Effect.sync(() => disk[Symbol.dispose]()))
const fill = (directory: string, leave: number) =>
  Effect.promise(async () => writeFileSync(join(directory, "filler"), Buffer.alloc(Math.max(0, await freeAt(directory) ?? 0) - leave)))
const emptyOf = (directory: string) => readdirSync(directory).filter((name) => !/^step-\d{9}$/.test(name))

const takeInodes = (directory: string) => {
  try {
    for (let i = 0; i < 10_000; i++) writeFileSync(join(directory, `inode-${i}`), "")
  } catch {
    // none left
  }
}

/** What the engine does on a full disk: its write fails, and its error is named by errno. */
const engineWrites = (path: string, step: number, scale: number) =>
  Effect.try({ try: () => writeState(path, step, scale), catch: (error) => storageError({ operation: "write", path, errno: errnoOf(error), needed: 4 * MiB, free: 0 }) })

describe.skipIf(skipped)("a full disk", () => {
  it.live("in the engine's files: typed, cleaned up, the old one verifies, saving goes on when there is space", () => onDisk(4 * MiB, Effect.fnUntraced(function*({ path }) {
    const directory = join(path, "checkpoints")
    const store = yield* open({ directory, retention })
    yield* save(store, 1, 500) // about 0.5 MiB
    yield* fill(path, MiB / 4)
    const before = yield* Effect.promise(() => freeAt(path))
    const temporary = yield* store.begin(2)
    const error = yield* Effect.flip(engineWrites(temporary.path, 2, 500))
    assert.deepStrictEqual([error._tag, error.errno], ["DiskFull", "ENOSPC"])
    yield* store.abandon(temporary)
    assert.deepStrictEqual(emptyOf(directory), [])
    assert.strictEqual(yield* Effect.promise(() => freeAt(path)), before)
    assert.strictEqual((yield* store.newest()).plan?.step, 1)
    rmSync(join(path, "filler"))
    assert.strictEqual((yield* save(store, 2, 500)).step, 2)
    assert.strictEqual((yield* store.newest()).plan?.step, 2)
  })))

  it.live("at the last file, the manifest: typed with bytes needed and free", () => onDisk(4 * MiB, Effect.fnUntraced(function*({ path }) {
    const directory = join(path, "checkpoints")
    const store = yield* open({ directory, retention })
    yield* save(store, 1)
    const temporary = yield* store.begin(2)
    const report = writeState(temporary.path, 2, 300)
    yield* fill(path, 0)
    const error = yield* Effect.flip(store.commit(temporary, contentsOf(2, report)))
    assert.strictEqual(error._tag, "DiskFull")
    if (error._tag === "DiskFull") {
      assert.deepStrictEqual([error.operation, error.errno, error.free], ["write", "ENOSPC", 0])
      assert.isAbove(error.needed ?? 0, report.files.reduce((sum, { size }) => sum + size, 0))
      assert.match(error.message, /^disk full: write .*manifest.json: ENOSPC, \d+ bytes needed, 0 bytes free$/)
    }
    assert.deepStrictEqual(emptyOf(directory), [])
    assert.strictEqual((yield* store.newest()).plan?.step, 1)
  })))

  it.live("without any inode or byte for the directory", () => onDisk(MiB, Effect.fnUntraced(function*({ path }) {
    const store = yield* open({ directory: join(path, "checkpoints"), retention })
    yield* save(store, 1)
    yield* fill(path, 0)
    takeInodes(path)
    const error = yield* Effect.flip(Effect.andThen(store.begin(2), (temporary) => engineWrites(temporary.path, 2, 100)))
    assert.strictEqual(error._tag, "DiskFull")
    assert.strictEqual((yield* store.newest()).plan?.step, 1)
  })))

  it.live("makes room step by step, and no further than needed", () => onDisk(8 * MiB, Effect.fnUntraced(function*({ path }) {
    assert.isTrue(yield* ensureBallast(join(path, "ballast"), MiB, MiB))
    for (const name of ["cache", "old"]) writeFileSync(join(path, name), Buffer.alloc(2 * MiB))
    yield* fill(path, MiB / 2)
    const needed = 3 * MiB
    assert.strictEqual((yield* assess(path, needed))._tag, "Short")
    const remove = (name: string) => ({ name, run: Effect.sync(() => { rmSync(join(path, name), { force: true }); return 0 }) })
    const made = yield* reclaim(path, needed, [
      remove("partial"), { name: "ballast", run: releaseBallast(join(path, "ballast")) }, { name: "broken", run: Effect.die(new Error("no permission")) }, remove("cache"), remove("old")
    ])
    assert.isTrue(made.enough)
    assert.deepStrictEqual(made.freed.map(({ name, bytes }) => [name, bytes]), [["ballast", MiB], ["cache", 2 * MiB]])
    assert.deepStrictEqual(made.failed, [{ name: "broken", reason: "no permission" }])
    assert.isTrue(existsSync(join(path, "old")))
    assert.strictEqual((yield* assess(path, needed))._tag, "Ok")
    const short = yield* reclaim(path, 7 * MiB, [remove("old")])
    assert.deepStrictEqual([short.enough, short.needed], [false, 7 * MiB])
  })))

  it.live("has no ballast where it would take the last space", () => onDisk(2 * MiB, Effect.fnUntraced(function*({ path }) {
    assert.isFalse(yield* ensureBallast(join(path, "ballast"), MiB, 1.5 * MiB))
    assert.deepStrictEqual(readdirSync(path), [])
    assert.isTrue(yield* ensureBallast(join(path, "ballast"), MiB, MiB / 2))
    assert.isTrue(yield* ensureBallast(join(path, "ballast"), MiB, MiB / 2))
    assert.strictEqual(statSync(join(path, "ballast")).blocks * 512, MiB)
    assert.strictEqual(yield* releaseBallast(join(path, "ballast")), MiB)
    assert.strictEqual(yield* releaseBallast(join(path, "ballast")), 0)
  })))
})

describe.skipIf(skipped)("a disk that turns read-only", () => {
  it.live("fails the save as WriteFailed, still loads, falls back without being able to quarantine, and recovers", () => onDisk(4 * MiB, Effect.fnUntraced(function*({ path, readOnly }) {
    const store = yield* open({ directory: path, retention })
    yield* save(store, 1)
    const second = yield* save(store, 2)
    writeFileSync(join(second.path, "ema.safetensors"), "damaged")
    readOnly(true)
    const error = yield* Effect.flip(store.begin(3))
    assert.deepStrictEqual([error._tag, error.errno], ["WriteFailed", "EROFS"])
    const { plan, quarantined } = yield* store.newest()
    assert.deepStrictEqual([plan?.step, quarantined.map((one) => one.path)], [1, [second.path]])
    readOnly(false)
    yield* save(store, 3)
    assert.strictEqual((yield* store.newest()).plan?.step, 3)
  })))
})

describe("the size of the next checkpoint", () => {
  it.live("is never less than what it takes on disk, and within 64 KiB of it", () => Effect.acquireUseRelease(Effect.sync(temporaryDirectory), Effect.fnUntraced(function*({ path }) {
    const store = yield* open({ directory: path, retention })
    for (const scale of [1, 10, 1000]) {
      const { manifest, path: saved } = yield* save(store, scale, scale)
      const occupied = readdirSync(saved).reduce((sum, name) => sum + statSync(join(saved, name)).blocks * 512, 4096)
      const expected = checkpointBytes({ tensors: manifest.tensors })
      assert.isAtLeast(expected, occupied)
      assert.isBelow(expected - occupied, 64 * 1024)
    }
  }), (dir) => Effect.sync(() => dir[Symbol.dispose]())))
})
