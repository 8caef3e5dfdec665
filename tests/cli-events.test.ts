/** `rae events` and `rae status` of runs that are not running: from the files alone, whatever a crash left of them. */
import { afterAll, assert, beforeAll, describe, expect, it } from "vitest"
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { make, type Event } from "../actors/events.ts"
import { followEvents, readEvents } from "../src/cli/event-files.ts"
import { eventLine } from "../src/cli/event-line.ts"
import { row } from "../src/cli/events.ts"
import { findRun } from "../src/cli/run-directory.ts"
import { plain } from "../src/cli/terminal.ts"
import { segmentPath } from "../src/runtime/segments.ts"
import { say } from "./cli-collecting-terminal.ts"

let runs = ""
const describeRun = (dir: string, more: object) => {
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, "run.json"), JSON.stringify({
    schema: 1, name: "photos", kind: "run", config_file: "configs/base.yaml", config_hash: "0", profile: "tiny", sets: [], data: "photos", device: "cpu", precision: "float32",
    random_weights: true, created_at: "2026-01-31T12:00:00.000Z", environment: {}, libtorch: "1.13.1", variants: [], state: "stopped", step: 400, steps: 1000, restarts: 1, result: null, config: null, ...more
  }))
}
const lines = (from: number, happened: ReadonlyArray<Event>) =>
  happened.map((event, i) => `${JSON.stringify({ ...event, seq: from + i, time: `2026-01-31T12:04:${String(from + i).padStart(2, "0")}.000Z` })}\n`).join("")

const a = "study/a"
const happened: ReadonlyArray<Event> = [
  make("study.started", "study", { variants: [a, "study/b"], config: "configs/study.yaml" }),
  make("train.phase", a, { step: 0, phase: "lpips" }),
  make("checkpoint.committed", a, { step: 450, bytes: 18_411_520, seconds: 0.2123, path: "a b" }),
  make("engine.exited", a, { pid: 1, code: null, signal: "SIGSEGV", step: 408, stderr: [] }, "engine[8390]"),
  make("checkpoint.pruned", "study/b", { steps: [1, 2] })
]

beforeAll(() => {
  runs = mkdtempSync(join(tmpdir(), "rae-cli-events-"))
  describeRun(join(runs, "photos"), {})
  const study = join(runs, "study")
  describeRun(study, { name: "study", kind: "study", state: "running", variants: [a, "study/b"] })
  describeRun(join(study, "a"), { name: a, state: "done", step: 1000 })
  describeRun(join(study, "b"), { name: "study/b", state: "running", step: 7 })
  mkdirSync(join(study, "events"))
  writeFileSync(segmentPath(study, 1), lines(1, happened.slice(0, 3)))
  // A line that a crash cut short, and one that is no event.
  writeFileSync(segmentPath(study, 4), `${lines(4, happened.slice(3))}{"seq":6,"ti`)
  utimesSync(join(runs, "photos", "run.json"), 1000, 1000)
})
afterAll(() => rmSync(runs, { recursive: true }))

const eventsOf = async (words: ReadonlyArray<string>, columns?: number) => (await say(["events", ...words, "--runs-dir", runs], columns)).out
const statusOf = async (words: ReadonlyArray<string>) => {
  const { code, err, out } = await say(["status", ...words, "--runs-dir", runs])
  return [code, ...out, ...err.map((line) => `err: ${line}`)]
}
const seqs = async (...words: ReadonlyArray<string>) => (await eventsOf(["study", "--json", ...words])).map((line) => (JSON.parse(line) as { seq: number }).seq)

describe("rae events", () => {
  it("as a table", async () => {
    expect(`\n${(await eventsOf(["study"])).join("\n")}\n`).toMatchSnapshot()
  })

  it("cuts details to the terminal, and nothing in a pipe", async () => {
    assert.isBelow(Math.max(...(await eventsOf(["study"], 100)).map((line) => line.length)), 101)
  })

  it("selects by type, actor, level, time, number and variant", async () => {
    assert.deepStrictEqual(await seqs(), [1, 2, 3, 4, 5])
    assert.deepStrictEqual(await seqs("--type", "checkpoint.*"), [3, 5])
    assert.deepStrictEqual(await seqs("--type", "checkpoint.*", "--type", "train.phase"), [2, 3, 5])
    assert.deepStrictEqual(await seqs("--actor", "engine"), [4])
    assert.deepStrictEqual(await seqs("--actor", "engine[8390]"), [4])
    assert.deepStrictEqual(await seqs("--actor", "engine[1]"), [])
    assert.deepStrictEqual(await seqs("--level", "error"), [4])
    assert.deepStrictEqual(await seqs("--level", "info"), [1, 2, 3, 4])
    assert.deepStrictEqual(await seqs("--since", "2026-01-31T12:04:03Z", "--until", "2026-01-31T12:04:04Z"), [3, 4])
    assert.deepStrictEqual(await seqs("--after", "3"), [4, 5])
    assert.deepStrictEqual(await seqs("-n", "2"), [4, 5])
    assert.deepStrictEqual(await seqs("-n", "1", "--type", "checkpoint.*", "--level", "info"), [3])
    assert.deepStrictEqual(await seqs("-n", "0"), [])
    const ofVariant = await eventsOf(["study/b", "--json"])
    assert.deepStrictEqual(ofVariant.map((line) => (JSON.parse(line) as { seq: number }).seq), [5])
  })

  it("every object says its schema", async () => {
    for (const line of await eventsOf(["study", "--json"])) assert.strictEqual((JSON.parse(line) as { schema: number }).schema, 1)
  })
})

describe("what steers a terminal, in the names of files and the words of other programs", () => {
  const hostileAs = (path: string) => make("data.image_replaced", "photos", { index: 0, replacement: 1, path, reason: "bad\nworse\x07" })
  // oxlint-disable-next-line no-control-regex
  const steering = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/
  it("is shown, not done", () => {
    const hostile = hostileAs("a\x1b[2Jb\x9b1m\u2028.png")
    const line = eventLine(hostile, "12:00:00", plain) ?? ""
    assert.include(line, "a\ufffd[2Jb\ufffd1m\ufffd.png: bad; worse\ufffd")
    const look = { columns: 10_000, time: () => "12:00:00", paint: plain, whole: false }
    const rows = [hostile, hostileAs("a\x9b1m")].map((event) => row({ ...event, seq: 1, time: "2026-01-31T12:00:00.000Z" }, look))
    for (const shown of [line, ...rows]) assert.notMatch(shown, steering)
  })
})

describe("following", () => {
  it("waits for a log, then goes on over new segments and a torn line that is written anew: each event once", async () => {
    const dir = join(runs, "later")
    const following = followEvents(dir, { after: 0, pollMillis: 5 })
    const first = following.next()
    mkdirSync(join(dir, "events"), { recursive: true })
    writeFileSync(segmentPath(dir, 1), lines(1, happened.slice(0, 2)))
    assert.strictEqual((await first).value.seq, 1)
    assert.strictEqual((await following.next()).value.seq, 2)
    const whole = lines(1, happened.slice(0, 2)).length
    const third = following.next()
    appendFileSync(segmentPath(dir, 1), `{"seq":3,"time":"2026-`)
    await new Promise((resolve) => { setTimeout(resolve, 20) })
    truncateSync(segmentPath(dir, 1), whole)
    appendFileSync(segmentPath(dir, 1), lines(3, happened.slice(2, 3)))
    assert.strictEqual((await third).value.seq, 3)
    writeFileSync(segmentPath(dir, 4), lines(4, happened.slice(3)))
    assert.strictEqual((await following.next()).value.seq, 4)
    assert.strictEqual((await following.next()).value.seq, 5)
  })

  it("starts after a number within any segment", async () => {
    for (const [after, next] of [[0, 1], [2, 3], [3, 4], [4, 5]] as const) assert.strictEqual((await followEvents(join(runs, "study"), { after }).next()).value.seq, next)
  })
})

describe("reading", () => {
  it("finds nothing where there is no log", async () => {
    assert.deepStrictEqual(await readEvents(join(runs, "nowhere")), [])
  })
})

describe("which run", () => {
  it("the newest, a name, a variant, a path", () => {
    assert.strictEqual(findRun(undefined, runs).name, "study")
    assert.strictEqual(findRun("photos", runs).name, "photos")
    assert.strictEqual(findRun("study/a", runs).home, join(runs, "study"))
    assert.strictEqual(findRun(join(runs, "study", "b"), "elsewhere").name, "study/b")
  })

  it("unknown: the nearest name, exit code 4", () => {
    for (const [target, help] of [["phots", "did you mean `photos`?"], ["study/c", "did you mean `study/a`?"], ["zebra", "--runs-dir or RAE_RUNS_DIR say where runs are"]] as const) {
      try {
        findRun(target, runs)
        assert.fail("found")
      } catch (error) {
        assert.deepInclude(error, { exitCode: 4, help })
      }
    }
  })
})

describe("rae status, not running", () => {
  it("of a run that was stopped, of a study whose supervisor died, of a finished variant", async () => {
    const clockless = (said: ReadonlyArray<unknown>) => said.join("\n").replaceAll(/\d\d:\d\d:\d\d/g, "hh:mm:ss").replaceAll(runs, "RUNS")
    expect(`\n${clockless(await statusOf(["photos"]))}\n\n${clockless(await statusOf(["study"]))}\n\n${clockless(await statusOf(["study/a"]))}\n`).toMatchSnapshot()
  })

  it("as JSON", async () => {
    const [code, document] = await statusOf(["study", "--json"])
    assert.strictEqual(code, 3)
    expect(JSON.parse(String(document))).toMatchSnapshot()
  })
})
