/** What waits for a run's answer, on a run that is played: a log, and a control socket that answers until it is told to die. */
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { make, type Event } from "../actors/events.ts"
import { tell } from "../src/cli/errors.ts"
import { socketPath } from "../src/runtime/control-socket.ts"
import { segmentPath } from "../src/runtime/segments.ts"
import { say } from "./cli-collecting-terminal.ts"

let runs = ""
let dir = ""
let control: Server
beforeEach(() => {
  runs = mkdtempSync(join(tmpdir(), "rae-cli-steer-"))
  dir = join(runs, "photos")
  mkdirSync(join(dir, "events"), { recursive: true })
  writeFileSync(join(dir, "run.json"), JSON.stringify({ schema: 1, name: "photos", kind: "run", state: "running", config_file: "configs/base.yaml", variants: [] }))
})
afterEach(() => {
  control.close()
  rmSync(runs, { recursive: true })
})

/** Requests are accepted as event 1; `requested` is called with each. */
const answer = (requested: () => void) => new Promise<void>((resolve) => {
  control = createServer((request, response) => {
    const steers = request.method === "POST"
    response.end(JSON.stringify(steers ? { schema: 1, accepted: true, seq: 1 } : { schema: 1, state: "training", last_checkpoint: null }))
    if (steers) response.once("finish", requested)
  }).listen(socketPath(dir), resolve)
})
const log = (happened: ReadonlyArray<Event & { readonly cause?: number }>) =>
  writeFileSync(segmentPath(dir, 1), happened.map((event, i) => `${JSON.stringify({ seq: i + 1, time: "2026-01-31T12:00:00.000Z", ...event })}\n`).join(""))

describe("a run that is waited for", () => {
  it("is told to be gone where it was killed, with how to go on", async () => {
    await answer(() => control.close())
    log([make("pause.requested", "photos", { action: "pausing" })])
    const { exitCode, message } = tell(await say(["pause", "photos", "--runs-dir", runs]).catch((error: unknown) => error))
    assert.strictEqual(exitCode, 3)
    assert.match(message, /^photos is not running any more: it ended without saying why\n {2}= help: `rae run configs\/base\.yaml/)
  })

  it("has saved where the second directory took what the first refused", async () => {
    await answer(() => undefined)
    log([
      make("checkpoint.requested", "photos", { accepted: true }),
      { ...make("snapshot.taken", "photos", { step: 7, bytes: 1, seconds: 0, reason: "asked for" }), cause: 1 },
      make("checkpoint.failed", "photos", { step: 7, error: "DiskFull", message: "full", needed: 2, free: 1, unsaved_steps: 7, retry_seconds: 0 }),
      make("checkpoint.committed", "photos", { step: 7, bytes: 2, seconds: 0, path: "/second/step-000000007" })
    ])
    assert.deepInclude(await say(["ckpt", "save", "photos", "--runs-dir", runs]), { code: 0, out: ["/second/step-000000007"] })
  })
})
