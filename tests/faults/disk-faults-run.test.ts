/** Whole runs, real processes, on disks that fail for real: each ends with the bits of one that nobody disturbed. */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { existsSync, mkdirSync, rmSync, statfsSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type SmallDisk, smallDisk } from "../checkpoint-tmpfs.ts"
import { ext4Disk, whyNoDisk } from "../disk-images.ts"
import { eventually, makeWorkplace } from "../rae-processes.ts"

const MiB = 2 ** 20
const why = whyNoDisk()
if (why !== null) console.log(`skipped: no file systems can be mounted here: ${why}`)

const place = makeWorkplace()
const words = ["--set", "checkpoint.max_unsaved_steps=6", "--set", "feature_cache.mode=on"]
const disks = new DisposableStack()
afterAll(() => disks.dispose())

/** A run's directory that lies on another disk. */
const onDisk = (name: string, path: string) => {
  mkdirSync(join(path, "run"))
  mkdirSync(place.runsDir, { recursive: true })
  symlinkSync(join(path, "run"), place.runDir(name))
}
const tmpfs = (bytes: number): SmallDisk => disks.use(smallDisk(bytes) as SmallDisk)
const fill = (path: string) => {
  for (let piece = statfsSync(path).bavail * statfsSync(path).bsize; piece >= 4096; piece = Math.floor(piece / 2)) {
    try {
      writeFileSync(join(path, "filler"), Buffer.alloc(piece), { flag: "a" })
    } catch {
      // less than that is left
    }
  }
}

describe.skipIf(why !== null)("a run", () => {
  beforeAll(() => place.done(place.runWords("undisturbed", ...words)))

  it("whose machine loses power goes on from the newest commit that was reported durable", async () => {
    const disk = disks.use(ext4Disk({ bytes: 64 * MiB }))
    onDisk("powerless", disk.path)
    const held = join(place.root, "held")
    const run = place.start(place.runWords("powerless", ...words), { env: { RAE_FAILPOINT: `manifest.after@3:hold:${held}` } })
    await eventually("a third save to be held", () => existsSync(held) ? true : undefined)
    const durable = (await place.events("powerless")).findLast((event) => event.type === "checkpoint.committed")?.step
    disk.stop()
    run.kill("SIGKILL")
    await run.ended
    await eventually("the disk to be free of the run", () => {
      try {
        disk.mountAgain()
        return true
      } catch {
        return undefined // its engine is ending
      }
    })
    const { stderr } = await place.done(place.runWords("powerless", ...words))
    assert.match(stderr, new RegExp(`resumed from step ${durable}\\b`))
    await place.assertSameState("powerless", "undisturbed")
    await place.assertLeftInOrder("powerless")
  })

  it("is started again on a full disk: it trains, waits at its limit of unsaved steps, and is done when there is room", async () => {
    const disk = tmpfs(24 * MiB)
    onDisk("full", disk.path)
    await place.done(place.runWords("full", ...words, "--stop-after", "5"))
    fill(disk.path)
    const run = place.start(place.runWords("full", ...words))
    const status = await eventually("training to pause", async () => {
      const { code, stdout } = await place.rae(["status", "full", "--json"])
      const said = code === 0 ? JSON.parse(stdout) as { readonly unsaved_steps: number; readonly last_failures: ReadonlyArray<{ readonly actor: string; readonly reason: string }> } : null
      return said !== null && said.unsaved_steps >= 6 ? said : undefined
    })
    assert.match(status.last_failures.find(({ actor }) => actor === "checkpointer")?.reason ?? "", /disk full: .*\d+ bytes needed, \d+ bytes free/)
    rmSync(join(disk.path, "filler"))
    const { code, stderr } = await run.ended
    assert.strictEqual(code, 0, stderr)
    assert.match(stderr, /resumed from step 5[^]*disk full +needs .*unsaved for \d step[^]*committed/)
    await place.assertSameState("full", "undisturbed")
    await place.assertLeftInOrder("full")
  })

  it("does without its cache and its temporary files where their disk is full", async () => {
    const disk = tmpfs(MiB)
    fill(disk.path)
    const env = { TMPDIR: disk.path, XDG_CACHE_HOME: join(disk.path, "cache"), NODE_COMPILE_CACHE: join(disk.path, "compiled") }
    await place.done(place.runWords("cramped", ...words), { env })
    const events = await place.events("cramped")
    assert.isAtLeast(events.filter(({ type }) => type === "feature_cache.failed").length, 1)
    assert.deepStrictEqual(events.filter(({ type }) => type === "supervisor.child_down"), [])
    await place.assertSameState("cramped", "undisturbed")
  })
})
