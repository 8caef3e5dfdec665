/** `rae status` of a run that answers: the screen, the document, and which variant was meant. */
import { afterAll, assert, beforeAll, describe, expect, it } from "vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Status } from "../actors/status.ts"
import { tell } from "../src/cli/errors.ts"
import { runningView } from "../src/cli/status-view.ts"
import { plain } from "../src/cli/terminal.ts"
import { displayWidth } from "../src/formats/text-table.ts"
import { socketPath } from "../src/runtime/control-socket.ts"
import { assertDocument } from "./cli-json-shapes.ts"
import { say } from "./cli-collecting-terminal.ts"

const actor = { depth: 0, state: "idle" as const, detail: null, up_seconds: 6360, restarts: 0, mailbox: null, handles: null, last_seconds: 24 }
const status: Status = {
  schema: 1, name: "study", kind: "study", state: "training", pid: 8123, started_at: "2026-01-31T10:20:00.000Z", up_seconds: 6360, profile: "tiny",
  device: "cpu", precision: "float32", data: "/home/someone/photos", random_weights: false, variant: { name: "study/b", index: 2, count: 3 }, step: 520, steps: 1000, epoch: 3,
  losses: { total: 0.9, rec: 0.2041, lpips: 0.5413, gan: null, disc: null, weight: null }, lr: 2e-4, phase_seconds: { generator: 0.048 }, step_seconds: 0.086,
  images_per_second: 11.6, eta_seconds: 41, restarts: 1, engine: { pid: 8390, op: null, handles: 2113, bytes: 1.2e8, rss_bytes: 4e8 },
  actors: [
    { ...actor, name: "event_log", detail: "seq 18240" },
    { ...actor, name: "checkpointer", mailbox: { depth: 0, capacity: 4 } },
    { ...actor, name: "engine", state: "busy", detail: "pid 8390", up_seconds: 97, restarts: 1, handles: { count: 2113, bytes: 1.2e8 }, last_seconds: 0.1 },
    { ...actor, name: "trainer", depth: 1, state: "busy", detail: "step 520", mailbox: { depth: 1, capacity: 2 }, last_seconds: 0.04 },
    { ...actor, name: "data_loader", depth: 1, mailbox: { depth: 0, capacity: 16 }, last_seconds: null }
  ],
  last_checkpoint: { step: 450, bytes: 18_411_520, at: "2026-01-31T12:05:33.000Z", path: "x" }, unsaved_steps: 70,
  disk: { path: "runs", free_bytes: 3.1e9, next_checkpoint_bytes: 18_411_520 },
  last_failures: [{
    seq: 18231, at: "2026-01-31T12:04:11.000Z", actor: "engine", reason: "SIGSEGV at step 408", action: "restarted it (attempt 1 of 3)",
    outcome: "training again at step 401", lost_steps: 8, lost_seconds: 2.4
  }],
  goodput: { useful: 6000, waiting_for_data: 40, saving: 12, evaluating: 120, starting: 9, recovering: 2.1, paused: 0, lost: 1.2 },
  eval: { step: 500, psnr: 21.34, ssim: 0.612, lpips: 0.41 }
}
const view = (columns: number) => runningView(status, new Date("2026-01-31T12:05:57.000Z"), columns, plain)

describe("status view", () => {
  for (const columns of [200, 80]) {
    it(`at ${columns} columns`, () => {
      // The hours are local time.
      expect(`\n${view(columns).join("\n").replaceAll(/\d\d:\d\d:\d\d|(?<=since )\d\d:\d\d/g, "hh:mm")}\n`).toMatchSnapshot()
    })
  }

  it("its tables fit the terminal", () => {
    assert.isAtMost(Math.max(...view(80).slice(1).map(displayWidth)), 80)
  })
})

describe("rae status, running", () => {
  let runs = ""
  let server: Server
  let answer = () => ({ code: 200, body: JSON.stringify(status) })
  beforeAll(async () => {
    runs = mkdtempSync(join(tmpdir(), "rae-cli-status-"))
    for (const [dir, kind] of [["study", "study"], ["study/a", "run"], ["study/b", "run"]] as const) {
      mkdirSync(join(runs, dir), { recursive: true })
      writeFileSync(join(runs, dir, "run.json"), JSON.stringify({ schema: 1, name: dir, kind, state: "running", step: 0, steps: 10, restarts: 0, variants: [], config_file: "c.yaml" }))
    }
    server = createServer((_, response) => {
      const { body, code } = answer()
      response.writeHead(code).end(body)
    })
    await new Promise<void>((resolve) => { server.listen(socketPath(join(runs, "study")), resolve) })
  })
  afterAll(() => {
    server.close()
    rmSync(runs, { recursive: true })
  })
  const ask = (...words: ReadonlyArray<string>) => say(["status", ...words, "--runs-dir", runs])

  it("exit 0; the document as the run gave it", async () => {
    const { code, out } = await ask("--json")
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(assertDocument("status", out.join("\n")), status)
  })

  it("of the variant that trains; of another, what is on disk", async () => {
    assert.strictEqual((await ask("study/b")).code, 0)
    const { code, out } = await ask("study/a")
    assert.strictEqual(code, 3)
    assert.match(out[0] ?? "", /^○ study\/a/)
  })

  it("watches until nobody answers any more: a document a line", async () => {
    const answers = [{ code: 200, body: JSON.stringify(status) }, { code: 200, body: "null" }]
    answer = () => answers.shift() ?? assert.fail("asked again after the end")
    const { code, out } = await ask("--watch", "--json")
    assert.strictEqual(code, 3)
    assert.deepStrictEqual(out.map((line) => (JSON.parse(line) as { readonly state: string }).state), ["training", "died"])
  })

  it("an answer that makes no sense is an error, not a status", async () => {
    answer = () => ({ code: 200, body: "<html>" })
    const error = await ask().then(() => null, (error: unknown) => error)
    assert.deepInclude(tell(error), { exitCode: 1, typed: true })
  })
})
