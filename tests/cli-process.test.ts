/** The `rae` program as it is typed: exit codes, what goes to which stream, readers that go away. */
import { assert, describe, it } from "vitest"
import { execFile, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { make } from "../actors/events.ts"
import { segmentPath } from "../src/runtime/segments.ts"

const bin = resolve(import.meta.dirname, "../bin/rae")
const rae = (words: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const { status, stderr, stdout } = spawnSync(bin, words, { encoding: "utf8", env: { ...process.env, NO_COLOR: "", RAE_DEBUG: "", ...env } })
  return { status, stderr, stdout }
}

describe("rae", () => {
  it("--help and --version: on standard output, exit 0", () => {
    const help = rae(["--help"])
    assert.strictEqual(help.status, 0)
    assert.strictEqual(help.stderr, "")
    assert.match(help.stdout, /^usage: rae COMMAND/m)
    assert.notMatch(help.stdout, /\x1b/) // oxlint-disable-line no-control-regex
    assert.match(rae(["--version"]).stdout, /^rae \d+\.\d+\.\d+\n$/)
  })

  it("wrong usage: on standard error, exit 2, no trace", () => {
    assert.deepStrictEqual(rae(["rnu", "config.yaml"]), { status: 2, stdout: "", stderr: "error: unknown command `rnu`\n  = help: did you mean `run`?\n" })
  })

  it("a trace on request, colours on request", () => {
    assert.match(rae(["status", "--jsno"], { RAE_DEBUG: "1" }).stderr, /^\s+at .*arguments\.ts/m)
    assert.match(rae(["rnu", "--color=always"]).stderr, /^\x1b\[31m/) // oxlint-disable-line no-control-regex
  })

  it("no such run: exit 4; RAE_RUNS_DIR says where to look", () => {
    const { status, stderr } = rae(["status"], { RAE_RUNS_DIR: join(tmpdir(), "rae-no-runs-here") })
    assert.strictEqual(status, 4)
    assert.match(stderr, /^error: no runs in .*rae-no-runs-here/)
  })

  it("a config that is not there: exit 2, and nothing made", () => {
    const { status, stderr, stdout } = rae(["run", "no-such-config.yaml", "--runs-dir", join(tmpdir(), "rae-no-runs-here")])
    assert.strictEqual(status, 2, stderr)
    assert.strictEqual(stdout, "")
    assert.match(stderr, /^error: .*\n {2}--> no-such-config\.yaml/)
  })

  it("a reader that goes away ends it without complaint", async () => {
    const runs = mkdtempSync(join(tmpdir(), "rae-cli-process-"))
    try {
      const dir = join(runs, "photos")
      mkdirSync(join(dir, "events"), { recursive: true })
      writeFileSync(join(dir, "run.json"), JSON.stringify({ schema: 1, name: "photos", kind: "run", state: "stopped" }))
      const line = (seq: number) => `${JSON.stringify({ seq, time: "2026-01-31T12:00:00.000Z", ...make("train.phase", "photos", { step: seq, phase: "lpips" }) })}\n`
      writeFileSync(segmentPath(dir, 1), Array.from({ length: 5000 }, (_, i) => line(i + 1)).join(""))
      const shell = `"${bin}" events photos --runs-dir "${runs}" --json | head -n 2; echo "\${PIPESTATUS[0]}"`
      const [stdout, stderr] = await new Promise<readonly [string, string]>((done) => {
        execFile("bash", ["-c", shell], (_, stdout, stderr) => done([stdout, stderr]))
      })
      assert.strictEqual(stderr, "")
      assert.deepStrictEqual(stdout.trim().split("\n").length, 3)
      assert.match(stdout, /\n0\n$/)
    } finally {
      rmSync(runs, { recursive: true })
    }
  })
})
