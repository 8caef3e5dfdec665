/**
 * Disks that fail for real while checkpoints are saved: training goes on, older checkpoints verify, what was refused is told with its errno,
 * and saving resumes by itself when the disk does. The checkpointer is the real one; the engine is a stand-in, time is virtual.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Failpoints, type Hit, type Name, names, parse } from "../src/checkpoint/failpoints.ts"
import { open } from "../src/checkpoint/store.ts"
import { save, temporaryDirectory } from "./checkpoint-fake-engine.ts"
import { makeSaving } from "./checkpoint-saving.ts"
import { type SmallDisk, smallDisk } from "./checkpoint-tmpfs.ts"
import { type Disk, ext4Disk, whyNoDisk } from "./disk-images.ts"

const MiB = 2 ** 20
const why = whyNoDisk()
if (why !== null) console.log(`skipped: no file systems can be mounted here: ${why}`)

const using = <D extends Disposable, A, E, R>(make: () => D, use: (disk: D) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(Effect.sync(make), use, (disk) => Effect.sync(() => disk[Symbol.dispose]()))
const tmpfs = (bytes: number) => () => smallDisk(bytes) as SmallDisk

/** To the last byte: what is measured as free need not all be there for data. */
const fill = (directory: string, leave = 0): void => {
  const { bavail, bsize } = statfsSync(directory)
  const path = join(directory, "filler")
  for (let piece = Math.max(0, bavail * bsize - leave); piece >= 4096; piece = Math.floor(piece / 2)) {
    try {
      writeFileSync(path, Buffer.alloc(piece), { flag: "a" })
      if (leave > 0) return
    } catch {
      // less than that is left
    }
  }
}
const free = (directory: string) => rmSync(join(directory, "filler"))

interface QuotaDisk extends Disposable {
  readonly path: string
  readonly limit: (bytes: string) => void
}

/** A btrfs subvolume with a quota group, or why there is none. */
const quota = (): QuotaDisk | string => {
  const folder = temporaryDirectory()
  const path = join(folder.path, "disk")
  const run = (command: string, ...words: ReadonlyArray<string>) => void execFileSync(command, words, { stdio: "pipe" })
  const dispose = () => {
    try {
      run("umount", path)
    } catch {
      // not mounted
    }
    folder[Symbol.dispose]()
  }
  try {
    mkdirSync(path)
    const image = join(folder.path, "image")
    run("truncate", "-s", "160M", image)
    run("mkfs.btrfs", "-q", image)
    run("mount", "-o", "loop", image, path)
    run("btrfs", "quota", "enable", path)
    return { path, limit: (bytes) => run("btrfs", "qgroup", "limit", bytes, path), [Symbol.dispose]: dispose }
  } catch (error) {
    dispose()
    return error instanceof Error ? error.message.split("\n")[0] ?? "" : String(error)
  }
}

const quotaProbe = why ?? quota()
if (typeof quotaProbe === "string") console.log(`skipped: no quota here: ${quotaProbe}`)
else quotaProbe[Symbol.dispose]()

describe.skipIf(why !== null)("a full disk", () => {
  /** 0.6 MiB a checkpoint, on 3 MiB. */
  const scale = 500
  it.effect.each(["before it is written", "in the middle of it", "at its last file"] as const)("%s", (moment) => using(tmpfs(3 * MiB), Effect.fnUntraced(function*({ path }) {
    const directory = join(path, "checkpoints")
    let full = false
    const saving = yield* makeSaving([directory], {
      scale,
      beforeWrite: () => { if (full && moment === "in the middle of it") fill(path, MiB / 4) },
      afterWrite: () => { if (full && moment === "at its last file") fill(path) }
    })
    yield* saving.saved(10)
    full = true
    if (moment === "before it is written") fill(path)
    const fiber = yield* saving.reach(20)
    yield* saving.refused(1)
    full = false
    saving.trainTo(27)
    yield* saving.refused(3)
    const [first, , third] = saving.events("checkpoint.failed")
    assert.deepStrictEqual([first?.error, first?.unsaved_steps, third?.unsaved_steps], ["DiskFull", 10, 17])
    assert.isAbove(first?.needed ?? 0, 450_000)
    assert.isBelow(first?.free ?? Infinity, first?.needed ?? 0)
    assert.isAbove(third?.retry_seconds ?? 0, first?.retry_seconds ?? 0, "later and later")
    assert.deepStrictEqual(saving.leftovers(), [])
    assert.strictEqual(yield* saving.newest(), 10)
    free(path)
    yield* saving.until("saving to resume", () => saving.checkpointer.committedStep() === 27)
    yield* Fiber.join(fiber)
    assert.strictEqual(yield* saving.newest(), 27)
  })))

  it.effect("is relieved in stages: ballast, latents, quarantine; then the second directory, then memory", () => using(tmpfs(8 * MiB), ({ path }) => using(temporaryDirectory, Effect.fnUntraced(function*(second) {
    const cacheDir = join(path, "features")
    const directory = join(path, "checkpoints")
    const fallback = join(second.path, "fallback")
    const stores = yield* makeSaving([directory, fallback], { scale, ballast: true, cacheDir })
    yield* stores.saved(10)
    assert.isTrue(existsSync(join(directory, ".ballast")))
    mkdirSync(join(cacheDir, "ab"), { recursive: true })
    writeFileSync(join(cacheDir, "ab", "ab".padEnd(32, "0")), Buffer.alloc(MiB))
    mkdirSync(join(directory, "quarantine"))
    writeFileSync(join(directory, "quarantine", "old"), Buffer.alloc(MiB))
    const given: Array<ReadonlyArray<string>> = []
    for (const step of [20, 30, 40, 50]) {
      fill(path)
      yield* stores.saved(step)
      given.push(stores.events("checkpoint.room_made").at(-1)!.freed.map(({ name }) => name))
    }
    assert.deepStrictEqual(given.slice(0, 3), [["ballast"], ["feature cache"], ["quarantined checkpoints"]])
    assert.deepStrictEqual(given[3], [], "nothing is left to give up")
    assert.deepStrictEqual(readdirSync(fallback), ["step-000000050"])
    assert.deepStrictEqual(stores.events("checkpoint.failed").map(({ error, retry_seconds }) => [error, retry_seconds]), [["DiskFull", 0]])
    free(path)
    yield* stores.saved(60)
    assert.isTrue(existsSync(join(directory, ".ballast")), "set aside again")
    assert.strictEqual(yield* stores.newest(), 60)
    yield* stores.checkpointer.releaseBallast
    assert.isFalse(existsSync(join(directory, ".ballast")))
  }))))

  it.effect("does not stop a run from being opened again: its directories are made when there is room", () => using(tmpfs(MiB), Effect.fnUntraced(function*({ path }) {
    const saving = yield* makeSaving([join(path, "run", "checkpoints")], { scale: 100 })
    rmSync(join(path, "run"), { recursive: true })
    fill(path)
    const fiber = yield* saving.reach(5)
    yield* saving.checkpointer.removeLeftovers
    yield* saving.refused(1)
    free(path)
    yield* Effect.andThen(saving.until("step 5", () => saving.checkpointer.committedStep() === 5), Fiber.join(fiber))
  })))
})

describe.skipIf(why !== null)("a disk that breaks", () => {
  const ext4 = () => ext4Disk({ bytes: 16 * MiB })
  const broken: ReadonlyArray<readonly [string, (disk: Disk) => void, ReadonlyArray<string>]> = [
    ["turns read-only after an error in the file system", (disk) => disk.failInside(), ["EROFS"]],
    ["answers everything with EIO", (disk) => disk.stop(), ["EIO"]]
  ]
  it.effect.each(broken)("%s", ([, breakIt, errnos]) => using(ext4, Effect.fnUntraced(function*(disk) {
    const saving = yield* makeSaving([join(disk.path, "checkpoints")])
    yield* saving.saved(10)
    yield* saving.saved(20)
    breakIt(disk)
    const fiber = yield* saving.reach(30)
    yield* saving.refused(2)
    const failed = saving.events("checkpoint.failed")
    assert.strictEqual(failed[0]?.error, "WriteFailed")
    assert.isTrue(errnos.some((errno) => failed[0]?.message.includes(errno)), failed[0]?.message)
    disk.mountAgain()
    yield* saving.until("saving to resume", () => saving.checkpointer.committedStep() === 30)
    yield* Fiber.join(fiber)
    assert.strictEqual(yield* saving.newest(), 30)
  })))

  it.effect("takes every write and fails at fsync: nothing unflushed is committed, the second directory is used", () =>
    using(() => ext4Disk({ bytes: 64 * MiB, backedBy: 3 * MiB }), (disk) => using(temporaryDirectory, Effect.fnUntraced(function*(second) {
      const directory = join(disk.path, "checkpoints")
      const saving = yield* makeSaving([directory, join(second.path, "fallback")], { scale: 1000 })
      yield* saving.saved(10)
      for (const step of [20, 30, 40, 50]) yield* saving.saved(step)
      const [failed] = saving.events("checkpoint.failed")
      assert.match(failed?.message ?? "no failure", /fsync .*(ENOSPC|EIO)|EIO|EROFS/)
      assert.strictEqual(saving.events("checkpoint.committed").at(-1)?.path, join(second.path, "fallback", "step-000000050"))
      const store = yield* open({ directory: join(second.path, "fallback"), retention: { keep_last: 2, keep_every: null } })
      assert.isTrue((yield* store.verify(50)).ok)
    }))))

  it.effect.skipIf(typeof quotaProbe === "string")("a quota: EDQUOT is a full disk, whatever the measure of free space says", () => using(() => quota() as QuotaDisk, Effect.fnUntraced(function*({ path, limit }) {
    const saving = yield* makeSaving([join(path, "checkpoints")], { scale: 1000 })
    yield* saving.saved(10)
    limit("2M")
    const fiber = yield* saving.reach(20)
    yield* saving.refused(2)
    assert.deepStrictEqual(saving.events("checkpoint.failed").map(({ error, message }) => [error, message.includes("EDQUOT")])[0], ["DiskFull", true])
    limit("none")
    yield* Effect.andThen(saving.until("step 20", () => saving.checkpointer.committedStep() === 20), Fiber.join(fiber))
    assert.strictEqual(yield* saving.newest(), 20)
  })))

  it.effect.each(["rename.before@2:error:EIO", "rename.between@2:error:ENOSPC", "fsync.before@2:error:EIO", "dir-fsync.before@2:error:EIO", "fsync.before@2:delay:150"])(
    "with %s the snapshot is saved all the same", (failpoint) => using(temporaryDirectory, Effect.fnUntraced(function*({ path }) {
      const saving = yield* makeSaving([path]).pipe(Effect.provideService(Failpoints, parse(failpoint)))
      yield* saving.saved(10)
      yield* saving.saved(20)
      assert.lengthOf(saving.events("checkpoint.failed"), failpoint.includes("error") ? 1 : 0)
      assert.strictEqual(yield* saving.newest(), 20)
      assert.deepStrictEqual(saving.leftovers(), [])
    })))
})

describe.skipIf(why !== null)("power loss", () => {
  const retention = { keep_last: 2, keep_every: null }
  it.live.each(names)("at %s: the newest commit that was reported durable is there and verifies", (name) => using(() => ext4Disk({ bytes: 16 * MiB }), Effect.fnUntraced(function*(disk) {
    const directory = join(disk.path, "checkpoints")
    const lose: Hit = async (at: Name) => { if (at === name) disk.stop() }
    for (const step of [1, 2, 3]) yield* save(yield* open({ directory, retention }), step)
    const store = yield* open({ directory, retention }).pipe(Effect.provideService(Failpoints, lose))
    const saved = yield* Effect.exit(save(store, 4))
    yield* Effect.exit(store.prune)
    disk.mountAgain()
    const after = yield* open({ directory, retention })
    yield* after.removeLeftovers
    const { plan, quarantined } = yield* after.newest()
    assert.deepStrictEqual(quarantined, [])
    assert.isTrue(plan !== null && (plan.step === 4 || (plan.step === 3 && saved._tag === "Failure")), `step ${plan?.step}, the save was a ${saved._tag}`)
    for (const { step } of yield* after.list) assert.isTrue((yield* after.verify(step)).ok, `step ${step}`)
    assert.deepStrictEqual(readdirSync(directory).filter((entry) => !/^step-\d{9}$/.test(entry)), [])
    assert.strictEqual((yield* save(after, 5)).step, 5)
  })))
})

it.effect.each(["between two saves", "while one is written"] as const)("a run's directory that is removed %s is made again, and the state saved", (moment) => using(temporaryDirectory, Effect.fnUntraced(function*({ path }) {
  const run = join(path, "runs", "one")
  const remove = () => rmSync(join(path, "runs"), { recursive: true })
  let writes = 0
  const saving = yield* makeSaving([join(run, "checkpoints")], { beforeWrite: () => { if (++writes === 2 && moment === "while one is written") remove() } })
  yield* saving.saved(10)
  if (moment === "between two saves") remove()
  yield* saving.saved(20)
  assert.strictEqual(yield* saving.newest(), 20)
  assert.deepStrictEqual(saving.events("checkpoint.failed").map(({ message }) => /ENOENT/.test(message)), moment === "between two saves" ? [] : [true])
  assert.deepStrictEqual(saving.leftovers(), [])
})))
