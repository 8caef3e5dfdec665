/** What an image process's end says of the image that it was at: only a crash of its own, and hanging twice, are the image's doing. */
import { afterAll, afterEach, assert, beforeEach, it, vi } from "vitest"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setImmediate as turn } from "node:timers/promises"
import { CorruptSample } from "../../src/data/corrupt-sample.ts"
import { patienceMillis } from "../../src/data/sample-decoder.ts"
import { makeSample, type SampleJob } from "../../src/data/sample-job.ts"
import { samplePool } from "../../src/data/sample-pool.ts"

const root = mkdtempSync(join(tmpdir(), "rae-decoder-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
beforeEach(() => { vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }) })
afterEach(() => { vi.useRealTimers() })

const entry = join(import.meta.dirname, "../crashing-decoder.ts")
const job = (index: number, path: string): SampleJob => ({ kind: "drawing", index, path, size: 8, epoch: 0, draws: { seed: 1, cropsPerImage: null } })
const rejection = (promise: Promise<unknown>) => promise.then(() => assert.fail("should reject"), (cause: unknown) => cause)
const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return "" // not there yet, or not any more
  }
}
/** Processes that were at the image, in order. */
const seen = (path: string) => read(path).split("\n").filter((pid) => pid !== "")
/** Waits until the n-th process that was given the image stands still, then lets the time pass after which that is a hang. */
const hangs = async (path: string, n: number) => {
  for (;;) {
    const pid = seen(path)[n - 1]
    if (pid !== undefined && /^State:\tT/m.test(read(`/proc/${pid}/status`))) break
    await turn()
  }
  vi.advanceTimersByTime(1.2 * patienceMillis)
}

it("one that is killed from outside blames no image: what it had in hand is made again", async () => {
  const make = samplePool(1, entry)
  const jobs = ["drawn/0", join(root, "killed-once"), "drawn/2"].map((path, index) => job(index, path))
  assert.deepStrictEqual(await Promise.all(jobs.map(make)), await Promise.all(jobs.map(makeSample)))
  assert.lengthOf(seen(join(root, "killed-once")), 1)
})

it("one that is killed at the same image every time is given up, as no fault of the image, and the others are made", async () => {
  const make = samplePool(1, entry)
  const path = join(root, "killed")
  const jobs = ["drawn/0", path, "drawn/2"].map((path, index) => job(index, path))
  const [before, cause, after] = await Promise.all([make(jobs[0]!), rejection(make(jobs[1]!)), make(jobs[2]!)])
  assert.notInstanceOf(cause, CorruptSample)
  assert.match(String(cause), /^Error: image process was killed \(SIGKILL\) 3 times at .*killed; /)
  assert.isAtMost(seen(path).length, 4)
  assert.deepStrictEqual([before.index, after.index], [0, 2])
})

it("one that hangs is ended, and the image is made again; hanging twice is the image's doing", async () => {
  const make = samplePool(1, entry)
  const [once, always] = [join(root, "hang-once"), join(root, "hang")]
  const sound = make(job(0, once))
  await hangs(once, 1)
  assert.deepStrictEqual(await sound, await makeSample(job(0, once)))

  const corrupt = rejection(make(job(1, always)))
  const beside = make(job(2, "drawn/2"))
  await hangs(always, 1)
  await hangs(always, 2)
  assert.deepInclude(await corrupt, { _tag: "CorruptSample", index: 1, path: always, reason: "corrupt: the decoder hangs on it (no answer in 30 s, twice)" })
  assert.strictEqual((await beside).index, 2)
  assert.lengthOf(seen(always), 2)
})
