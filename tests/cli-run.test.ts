/** `rae run` around a supervisor that only pretends: what it is asked, what is printed where, exit codes. */
import { assert, describe, it } from "vitest"
import * as Effect from "effect/Effect"
import { make } from "../actors/events.ts"
import type { StudyOutcome, SuperviseOptions } from "../actors/supervise.ts"
import { interpret } from "../src/cli/invocation.ts"
import { resumeCommand } from "../src/cli/resume-command.ts"
import { exitCode, runWith, type Supervise } from "../src/cli/run.ts"
import { collectingTerminal } from "./cli-collecting-terminal.ts"

const done: StudyOutcome = {
  kind: "done", signal: null, step: 40,
  table: { schema: 1, study: "photos", profile: "tiny", random_weights: false, rows: [{ variant: "photos", total: 1, rec: 1, lpips: null, gan: null, disc: null, steps: 40, of: 40, restarts: 0, state: "done" }] }
}
const started = make("run.started", "photos", { profile: "tiny", device: "cpu", precision: "float32", data: "photos", images: 9, steps: 40, resumed_from: null, random_weights: false })

const run = async (words: ReadonlyArray<string>, supervise: Supervise) => {
  const invocation = interpret(["run", ...words], "0.1.0")
  assert(invocation._tag === "Execute")
  const { err, out, terminal } = collectingTerminal()
  const code = await runWith(supervise)(invocation.input as never, terminal)
  return { code, err, out }
}
const ending = (outcome: StudyOutcome): Supervise => ({ onEvent }) => Effect.sync(() => {
  onEvent({ ...started, seq: 1, time: "2026-01-31T12:00:00.000Z" })
  return outcome
})

describe("rae run", () => {
  it("asks for what was typed", async () => {
    let asked: SuperviseOptions | undefined
    const words = ["c.yaml", "--data", "photos", "--runs-dir", "r", "--name", "n", "--set", "a=1", "--set", "b=2", "--profile", "tiny", "--device", "cpu", "--stop-after", "37", "--fresh", "--random-weights"]
    await run(words, (options) => Effect.sync(() => {
      asked = options
      return done
    }))
    const { onEvent: _, onStarted: __, ...rest } = asked!
    assert.deepStrictEqual(rest, {
      configFile: "c.yaml", data: "photos", runsDir: "r", name: "n", sets: ["a=1", "b=2"], profile: "tiny", device: "cpu", stopAfter: 37, fresh: true, randomWeights: true
    })
  })

  it("done: the table alone on standard output, exit 0", async () => {
    const { code, err, out } = await run(["photos.yaml"], ending(done))
    assert.strictEqual(code, 0)
    assert.match(out[0] ?? "", /^variant +total/)
    assert.match(err[0] ?? "", /^2026-01-31T12:00:00Z {2}rae .*\(new\)/)
    assert.strictEqual(err.at(-1), "done: photos")
  })

  it("done before: says so", async () => {
    assert.deepStrictEqual((await run(["photos.yaml"], () => Effect.succeed(done))).err, ["photos is done already; --fresh starts anew"])
  })

  it("--json: one document", async () => {
    const { out } = await run(["photos.yaml", "--json"], ending(done))
    assert.lengthOf(out, 1)
    assert.deepStrictEqual(JSON.parse(out[0]!), { schema: 1, kind: "done", signal: null, step: 40, table: done.table })
  })

  it("--stop-after: exit 0, not done, and how to go on", async () => {
    const { code, err } = await run(["photos.yaml", "--name", "photos"], ending({ ...done, kind: "stopped", step: 1037 }))
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(err.slice(-2), ["stopped at 1,037, not done", "  = help: `rae run photos.yaml` goes on from there"])
  })

  it("interrupted after saving: 130, 143; a signal after the end changes nothing", () => {
    assert.strictEqual(exitCode({ ...done, kind: "stopped", signal: "SIGINT" }), 130)
    assert.strictEqual(exitCode({ ...done, kind: "stopped", signal: "SIGTERM" }), 143)
    assert.strictEqual(exitCode({ ...done, signal: "SIGINT" }), 0)
  })

  it("failed: the supervisor's own error comes out", async () => {
    const error = Object.assign(new Error("gave up"), { _tag: "RunFailed", exitCode: 5 })
    assert.strictEqual(await run(["photos.yaml"], () => Effect.fail(error)).catch((caught: unknown) => caught), error)
  })
})

describe("how to go on", () => {
  it("names only what is not the default, ready for a shell", () => {
    assert.strictEqual(resumeCommand("configs/base.yaml", "base", "runs"), "rae run configs/base.yaml")
    assert.strictEqual(resumeCommand(`${process.cwd()}/configs/base.yaml`, "first try", "/tmp/r"), "rae run configs/base.yaml --name 'first try' --runs-dir /tmp/r")
  })
})
