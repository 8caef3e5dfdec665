/** `rae runs`: the list, a comparison, and what prune takes and leaves. */
import { afterAll, assert, beforeAll, describe, expect, it } from "vitest"
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { make } from "../actors/events.ts"
import { fallbackPlace } from "../src/checkpoint/layout.ts"
import { segmentPath } from "../src/runtime/segments.ts"
import { say } from "./cli-collecting-terminal.ts"
import { assertDocument } from "./cli-json-shapes.ts"

let runs = ""
const config = (lr: number) => ({ training: { optimizer: { lr }, epochs: 2 } })
const run = (name: string, over: object, changed = "2026-01-31T12:00:00.000Z") => {
  const dir = join(runs, name)
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, "run.json"), JSON.stringify({
    schema: 1, name, kind: "run", config_file: "configs/base.yaml", profile: "tiny", device: "cpu", precision: "fp32", data: null, random_weights: true, created_at: "2026-01-31T10:00:00.000Z",
    libtorch: "1.13", variants: [], state: "done", step: 10, steps: 10, restarts: 1, result: { means: { total: 0.5, rec: 0.25 }, step: 10 }, config: config(1e-4), ...over
  }))
  utimesSync(join(dir, "run.json"), new Date(changed), new Date(changed))
  return dir
}
beforeAll(() => {
  runs = mkdtempSync(join(tmpdir(), "rae-cli-runs-"))
  const photos = run("photos", { goodput: { useful: 90, lost: 10 } })
  mkdirSync(join(photos, "events"))
  const evaluated = make("eval.finished", "photos", { step: 10, images: 4, psnr: 21.5, ssim: 0.6, lpips: 0.4, seconds: 1, picture: null })
  writeFileSync(segmentPath(photos, 1), `${JSON.stringify({ seq: 1, time: "2026-01-31T12:00:00.000Z", ...evaluated })}\n`)
  utimesSync(segmentPath(photos, 1), new Date("2026-01-31T12:00:00.000Z"), new Date("2026-01-31T12:00:00.000Z"))
  run("faster", { config: config(2e-4), result: { means: { total: 0.4 }, step: 10 } }, "2026-02-01T12:00:00.000Z")
  run("died", { state: "running", step: 4, result: null }, "2026-02-02T12:00:00.000Z")
  run("photos.2026-01-30T10-00-00.000Z", { state: "stopped" }, "2026-01-30T12:00:00.000Z")
  run("study", { kind: "study", state: "stopped", variants: ["study/a", "study/b"], result: null, config: null }, "2026-01-29T12:00:00.000Z")
  run("study/a", {})
})
afterAll(() => rmSync(runs, { recursive: true }))
const at = (...words: ReadonlyArray<string>) => say(["runs", ...words, "--runs-dir", runs])

describe("rae runs", () => {
  it("lists, newest first, and knows one that died", async () => {
    expect(`\n${(await at()).out.join("\n")}\n`).toMatchSnapshot()
    const { runs: listed } = assertDocument("runs-list", (await at("list", "--json")).out.join("")) as { readonly runs: ReadonlyArray<{ readonly name: string; readonly state: string; readonly useful: number | null }> }
    assert.deepStrictEqual(listed.map(({ name, state }) => `${name} ${state}`), ["died died", "faster done", "photos done", "photos.2026-01-30T10-00-00.000Z stopped", "study stopped"])
    assert.strictEqual(listed[2]?.useful, 0.9)
  })

  it("compares results and configs", async () => {
    expect(`\n${(await at("compare", "photos", "faster")).out.join("\n")}\n`).toMatchSnapshot()
    const document = assertDocument("runs-compare", (await at("compare", "photos", "faster", "--json")).out.join("")) as { readonly config: unknown; readonly runs: ReadonlyArray<{ readonly eval: unknown }> }
    assert.deepStrictEqual(document.config, [{ key: "training.optimizer.lr", values: [1e-4, 2e-4] }])
    assert.deepStrictEqual(document.runs.map((each) => each.eval), [{ step: 10, psnr: 21.5, ssim: 0.6, lpips: 0.4 }, null])
    assert.deepInclude(await at("compare", "photos").catch((error: unknown) => error), { _tag: "UsageError" })
  })

  it("prunes what was moved aside; what is done only when asked to; nothing without --yes", async () => {
    const aside = join(runs, "photos.2026-01-30T10-00-00.000Z")
    assert.match((await at("prune")).err.join("\n"), /would remove/)
    assert.isTrue(existsSync(aside))
    const named = async (...words: ReadonlyArray<string>) => (assertDocument("runs-prune", (await at("prune", "--json", ...words)).out.join("")) as { readonly runs: ReadonlyArray<{ readonly name: string }> }).runs.map(({ name }) => name).sort()
    assert.deepStrictEqual(await named("--done", "--before", "2026-02-01T00:00:00Z"), ["photos", "photos.2026-01-30T10-00-00.000Z"])
    assert.deepStrictEqual(await named("--yes"), ["photos.2026-01-30T10-00-00.000Z"])
    assert.isFalse(existsSync(aside))
    assert.isTrue(existsSync(join(runs, "photos")))
  })

  it("prunes the second directory's checkpoints with the run, or the study, that they are of", async () => {
    const second = join(runs, "second")
    const spilled = { config: { checkpoint: { fallback_dir: second } }, state: "done" }
    const places = [run("spilled", spilled), run("spilled-study/a", spilled)].map((dir) => fallbackPlace(second, dir))
    run("spilled-study", { kind: "study", variants: ["spilled-study/a"], config: null })
    const others = fallbackPlace(second, join(runs, "other"))
    for (const place of [...places, others]) mkdirSync(join(place, "step-000000001"), { recursive: true })
    assert.strictEqual((await at("prune", "--done", "--yes")).code, 0)
    assert.deepStrictEqual([...places, others].map((place) => existsSync(place)), [false, false, true])
  })
})
