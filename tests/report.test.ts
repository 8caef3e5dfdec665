/** `rae report`: what is in the one file, that nothing a run says becomes markup, and that missing or torn parts leave a report. */
import { afterAll, assert, describe, it } from "vitest"
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { say } from "./cli-collecting-terminal.ts"
import { makeRecordedStudy } from "./report-recorded-study.ts"

const root = mkdtempSync(join(tmpdir(), "rae-report-"))
afterAll(() => rmSync(root, { recursive: true }))
const runs = join(root, "runs")
const { study } = makeRecordedStudy(runs)
const written = async (...words: ReadonlyArray<string>) => {
  const file = join(root, "report.html")
  const { code, out } = await say(["report", ...words, "-o", file, "--runs-dir", runs])
  assert.deepStrictEqual([code, out], [0, [file]])
  return readFileSync(file, "utf8")
}
const text = (page: string) => page.replaceAll(/<style>[\s\S]*?<\/style>|<[^>]*>/g, " ").replaceAll(/\s+/g, " ")

describe("rae report", () => {
  it("of a study: table, curves with restarts, pictures, incidents, differences, environment, time, how to go on", async () => {
    const page = await written("study")
    const words = text(page)
    assert.match(words, /a done 60 \/ 60 0\.5\d+ .*b stopped, not done 40 \/ 60/)
    assert.include(words, "gan.loss.perceptual_weight 0.5 1")
    assert.match(words, /engine ended with SIGSEGV restarted, one-for-one, attempt 1 of 5; 8 steps to redo resumed from step 20 after 3\.0 s/)
    assert.match(words, /checkpoint refused: needs 18\.4 MB, 3\.1 MB free ×2 kept the state in memory and trained on, 12 steps unsaved; tried again saved step 40/)
    assert.match(words, /OMP_NUM_THREADS 2/)
    assert.match(words, /generator 48\.0 70 %/)
    assert.match(words, /rae run \S*conf\.yaml --name study/)
    assert.lengthOf([...page.matchAll(/<img src="data:image\/png;base64,/g)], 2)
    assert.match(page, /<title>a: engine restarted at step 28<\/title>/)
  })

  it("is one file: asks no host, runs no script, and stays small", async () => {
    const page = await written("study", "study/a")
    assert.notMatch(page, /<script|\ssrc="(?!data:)|href=|@import|url\((?!#)/)
    assert.isBelow(statSync(join(root, "report.html")).size, 3_000_000)
  })

  it("shows what a run says as text", async () => {
    const page = await written("study")
    assert.notMatch(page, /<img src=x/)
    assert.include(page, "&lt;img src=x onerror=alert(1)&gt;")
  })

  it("redone steps replace what was done before, and count as redone", async () => {
    assert.match(text(await written("study/a")), /68 steps at 69 ms.*; 8 of them done again/)
  })

  it("does without a torn line, a broken picture, a config, an event log", async () => {
    appendFileSync(join(study, "events", "0000000001.ndjson"), "{\"seq\":999,\"time\":\"2026-01-3")
    writeFileSync(join(study, "a", "eval", "step-000000060.png"), "no picture")
    writeFileSync(join(study, "b", "run.json"), "{")
    const words = text(await written("study"))
    assert.match(words, /a done 60 \/ 60.*b n\/a 40 \/ n\/a/)
    rmSync(join(study, "events"), { recursive: true })
    assert.match(text(await written("study")), /n\/a: no step was logged/)
  })

  it("writes to standard output, and says where it cannot write", async () => {
    assert.match((await say(["report", "study", "-o", "-", "--runs-dir", runs])).out.join("\n"), /^<!doctype html>/)
    const error = await say(["report", "study", "-o", join(root, "nowhere", "r.html"), "--runs-dir", runs]).then(() => null, (error: unknown) => error as Error)
    assert.match(error?.message ?? "", /^cannot write /)
  })
})
