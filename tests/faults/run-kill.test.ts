/**
 * Real signals to real processes: whatever is killed, and when, the run ends with the bits of one that nobody disturbed.
 *
 * A test must not come too late: the save at `write.before` is held for some seconds, and training waits where more than four steps are
 * not saved, so that the run is still there, in the moment that is meant, however busy the machine is.
 */
import { assert, beforeAll, describe, it } from "vitest"
import { existsSync, readdirSync, watch } from "node:fs"
import { join } from "node:path"
import { eventually, isAlive, makeWorkplace } from "../rae-processes.ts"

const place = makeWorkplace()
const words = ["--set", "checkpoint.max_unsaved_steps=4"]
const holding = (...saves: ReadonlyArray<number>) => ({ env: { RAE_FAILPOINT: saves.map((save) => `write.before@${save}:delay:5000`).join(",") } })
const killEngine = async (supervisor: number) => process.kill(await place.enginePid(supervisor), "SIGKILL")
const over = (pid: number) => eventually(`the end of process ${pid}`, () => isAlive(pid) ? undefined : true)

beforeAll(() => place.done(place.runWords("undisturbed")))
const assertEqualEnd = async (name: string) => {
  await place.assertSameState(name, "undisturbed")
  await place.assertLeftInOrder(name)
}

const checkpointsOf = (name: string): ReadonlyArray<string> => {
  const dir = join(place.runDir(name), "checkpoints")
  return existsSync(dir) ? readdirSync(dir) : []
}
const isBeingWritten = (entry: string) => entry.startsWith(".tmp-")
const saving = (name: string) => eventually(`a checkpoint of ${name} that is being written`, () => checkpointsOf(name).find(isBeingWritten))

describe("the engine gets SIGKILL", () => {
  it("before the run has a directory, in mid-step, while it loads, right after a commit", async () => {
    const run = place.start(place.runWords("engine", ...words), holding(1, 3))
    await killEngine(run.pid)

    await place.seen("engine", "train.step")
    await saving("engine")
    await killEngine(run.pid)

    await place.seen("engine", "engine.started", ({ attempt }) => attempt === 3)
    await killEngine(run.pid)

    const fourth = await place.seen("engine", "engine.started", ({ attempt }) => attempt === 4)
    await place.seen("engine", "checkpoint.committed", () => true, fourth.seq)
    await killEngine(run.pid)

    const { code, stderr } = await run.ended
    assert.strictEqual(code, 0, stderr)
    const events = await place.events("engine")
    assert.lengthOf(events.filter(({ type }) => type === "engine.exited"), 4)
    assert.lengthOf(events.filter(({ type }) => type === "supervisor.child_down"), 3)
    await assertEqualEnd("engine")
  })

  it("before and while it writes a checkpoint's files: no half of it stays", async () => {
    const run = place.start(place.runWords("writing", ...words), holding(1))
    const first = await saving("writing")
    const dir = join(place.runDir("writing"), "checkpoints")
    const watcher = watch(dir)
    const next = new Promise<void>((done) => watcher.on("change", (_, entry) => {
      if (entry !== first && isBeingWritten(String(entry)) && existsSync(join(dir, String(entry)))) done()
    }))
    await killEngine(run.pid)
    await next
    watcher.close()
    await killEngine(run.pid)

    const { code, stderr } = await run.ended
    assert.strictEqual(code, 0, stderr)
    await assertEqualEnd("writing")
  })
})

describe("the supervisor gets SIGKILL", () => {
  it("at points of the commit, and while steps are computed: its engine dies with it, and the same command goes on", async () => {
    for (const failpoint of ["write.after@1:kill", "rename.before@1:kill", "rename.after@1:kill"]) {
      const run = place.start(place.runWords("supervisor", ...words), { env: { RAE_FAILPOINT: failpoint } })
      const engine = await place.enginePid(run.pid)
      assert.strictEqual((await run.ended).signal, "SIGKILL", failpoint)
      await over(engine)
    }
    assert.strictEqual((await place.rae(["status", "supervisor"])).code, 3)

    const run = place.start(place.runWords("supervisor", ...words), holding(1))
    const engine = await place.enginePid(run.pid)
    const started = await place.seen("supervisor", "run.started", ({ resumed_from }) => resumed_from !== null)
    await place.seen("supervisor", "train.step", () => true, started.seq)
    run.kill("SIGKILL")
    assert.strictEqual((await run.ended).signal, "SIGKILL")
    await over(engine)

    const { stderr } = await place.done(place.runWords("supervisor"))
    assert.match(stderr, /resumed from step \d+/)
    const removed = (await place.events("supervisor")).filter((event) => event.type === "checkpoint.leftovers_removed").flatMap(({ paths }) => paths)
    assert.isAtLeast(removed.length, 2, "what the first two had written before they were killed")
    await assertEqualEnd("supervisor")
  })
})

describe("signals that end a run", () => {
  it("SIGUSR1 takes a checkpoint; SIGINT once and SIGTERM once finish the step and save", async () => {
    const first = place.start(place.runWords("asked", ...words, "--set", "checkpoint.every_steps=0"), holding(1))
    await place.seen("asked", "train.step")
    first.kill("SIGUSR1")
    const asked = await place.seen("asked", "snapshot.taken", ({ reason }) => reason === "asked for")
    first.kill("SIGINT")
    const interrupted = await first.ended
    assert.strictEqual(interrupted.code, 130, interrupted.stderr)
    assert.match(interrupted.stderr, /SIGINT.*once more to stop now/)
    const at = Number(/interrupted by SIGINT at step (\d+), saved/.exec(interrupted.stderr)?.[1])
    assert.isAtLeast(at, asked.step)
    const reached = (await place.events("asked")).findLast((event) => event.type === "train.step")?.step
    assert.strictEqual(at, reached, "no step is lost")
    assert.include(checkpointsOf("asked"), `step-${String(at).padStart(9, "0")}`)

    // Few steps may be left, and each is short: the signal comes as training begins, in the first and slowest of them.
    const before = (await place.events("asked")).at(-1)?.seq ?? 0
    const second = place.start(place.runWords("asked"), holding(1))
    await place.seen("asked", "run.started", () => true, before)
    second.kill("SIGTERM")
    const terminated = await second.ended
    assert.strictEqual(terminated.code, 143, terminated.stderr)
    assert.match(terminated.stderr, /interrupted by SIGTERM at step \d+, saved/)

    await place.done(place.runWords("asked"))
    await assertEqualEnd("asked")
  })

  it("a second run in the same directory is refused; SIGINT twice ends the first at once, unsaved", async () => {
    const run = place.start(place.runWords("twice", ...words), { env: { RAE_FAILPOINT: "write.before:delay:600000" } })
    await place.seen("twice", "train.step")
    const refused = await place.rae(place.runWords("twice", ...words))
    assert.strictEqual(refused.code, 2, refused.stderr)
    assert.match(refused.stderr, /^error: run directory in use by a live run: .*twice$/m)
    assert.strictEqual((await place.rae(["status", "twice"])).code, 0, "the first goes on")

    run.kill("SIGINT")
    await place.seen("twice", "signal.received")
    run.kill("SIGINT")
    assert.strictEqual((await run.ended).code, 130)
    assert.deepStrictEqual(checkpointsOf("twice").filter((entry) => !isBeingWritten(entry)), [])
    await place.assertEnginesGone("twice")
  })
})
