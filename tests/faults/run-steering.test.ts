/** A live run is steered from another terminal: held, saved, restarted, hurt on purpose; its log says what followed from what. */
import { assert, it } from "vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { StampedEvent } from "../../actors/journal.ts"
import type { RunJson } from "../../actors/run-json.ts"
import type { Status } from "../../actors/status.ts"
import { assertDocument } from "../cli-json-shapes.ts"
import { eventually, isAlive, makeWorkplace } from "../rae-processes.ts"

const place = makeWorkplace()
/** The document of a command that must succeed, held against docs/cli-json.md. */
const document = async (shape: string, ...words: ReadonlyArray<string>) => assertDocument(shape, (await place.done([...words, "--json"])).stdout)
const status = async (name: string) => await document("status", "status", name) as Status
/** Types of the events that led to one, back to the first. */
const chain = (events: ReadonlyArray<StampedEvent>, event: StampedEvent | undefined): ReadonlyArray<string> =>
  event === undefined ? [] : [event.type, ...chain(events, events.find(({ seq }) => seq === event.cause))]

it("pauses, saves, goes on, restarts, takes faults, stops", async () => {
  const run = place.start(place.runWords("trial", "--set", "training.epochs=1000000", "--set", "supervision.allow_inject=true", "--set", "checkpoint.every_steps=20"))
  await place.seen("trial", "train.step")
  const { stderr: said } = await place.done(["pause", "trial"])
  assert.match(said, /^trial: paused before step \d+; `rae resume trial` goes on$/m)
  const held = await status("trial")
  assert.strictEqual(held.state, "paused")
  const saved = await document("ckpt-save", "ckpt", "save", "trial") as { readonly step: number; readonly path: string }
  assert.strictEqual(saved.step, held.step)
  assert.deepStrictEqual(await document("ckpt-save", "ckpt", "save", "trial"), { ...saved, schema: 1 }, "saved already: nothing to wait for")
  assert.strictEqual((place.readJson("runs", "trial", "run.json") as RunJson).step, held.step, "run.json follows the commits")
  await document("ckpt-pin", "ckpt", "pin", "trial")
  await document("resume", "resume", "trial")
  await place.seen("trial", "train.step", ({ step }) => step > held.step)

  await document("restart", "restart", "generator", "--run", "trial")
  await place.done(["inject", "crash:data_loader", "--run", "trial"])
  const crashed = await place.seen("trial", "supervisor.child_down", ({ offender }) => offender === "data_loader")
  await document("inject", "inject", "not-finite", "--run", "trial")
  const passed = await place.seen("trial", "train.not_finite", () => true, crashed.seq)
  await place.done(["inject", "disk-full", "--run", "trial"])
  const refused = await place.seen("trial", "checkpoint.failed")
  const made = await place.seen("trial", "checkpoint.committed", () => true, refused.seq)
  await place.done(["inject", "engine-kill", "--run", "trial"])
  const down = await place.seen("trial", "supervisor.child_down", ({ offender }) => offender === "engine")
  const back = await place.seen("trial", "train.step", () => true, down.seq)

  const { last_failures: failures } = await status("trial")
  assert.deepInclude(failures.at(-1), { actor: "engine", lost_steps: down.lost_steps })
  assert.match(failures.at(-1)?.outcome ?? "", /^training again from step \d+$/)
  assert.isAbove(failures.at(-1)?.lost_seconds ?? 0, 0)
  const unknown = await place.rae(["restart", "generater", "--run", "trial"])
  assert.deepStrictEqual([unknown.code, unknown.stderr], [2, "error: trial has no actor `generater` now\n  = help: did you mean `generator`?\n"])
  assert.strictEqual((await place.rae(["inject", "engine-kil"])).code, 2)

  await place.done(["stop", "trial"])
  assert.strictEqual((await run.ended).code, 0)
  const events = await place.events("trial")
  assert.deepStrictEqual(chain(events, events.find(({ seq }) => seq === back.seq)),
    ["train.step", "run.started", "engine.ready", "engine.started", "supervisor.child_down", "engine.exited", "fault.injected"])
  assert.deepStrictEqual(chain(events, events.find(({ seq }) => seq === passed.seq)), ["train.not_finite", "fault.injected"])
  // each try that failed answers the one before
  assert.deepStrictEqual([...new Set(chain(events, events.find(({ seq }) => seq === made.seq)))], ["checkpoint.committed", "checkpoint.failed", "fault.injected"])
  assert.deepStrictEqual(chain(events, events.findLast(({ type }) => type === "run.stopped")), ["run.stopped", "stop.requested"])
  assert.deepStrictEqual(chain(events, events.find(({ type }) => type === "train.resumed")), ["train.resumed", "resume.requested"])

  const stopped = place.readJson("runs", "trial", "run.json") as RunJson
  const last = events.findLast((event) => event.type === "run.stopped")
  assert.deepStrictEqual([stopped.state, stopped.step], ["stopped", last?.step])
  assert.isAbove(stopped.goodput?.["useful"] ?? 0, 0)
  assert.isAbove(stopped.goodput?.["recovering"] ?? 0, 0)
  assert.deepStrictEqual([(await place.rae(["pause", "trial"])).code, (await place.rae(["resume", "trial"])).code, (await place.rae(["stop", "trial"])).code], [3, 3, 3])
})

it("is followed over its restart, without loss or repeat", async () => {
  const before = (await place.events("trial")).length
  const following = place.start(["events", "trial", "-f", "--after", "2", "--json"])
  await place.done(place.runWords("trial", "--stop-after", String((place.readJson("runs", "trial", "run.json") as RunJson).step + 3)))
  const written = (await place.events("trial")).map(({ seq }) => seq)
  assert.isAbove(written.length, before)
  const read = () => following.stdout().split("\n").filter((line) => line !== "").map((line) => (JSON.parse(line) as StampedEvent).seq)
  await eventually("the last event", () => following.stdout().endsWith("\n") && read().at(-1) === written.at(-1) ? true : undefined)
  following.kill("SIGTERM")
  assert.deepStrictEqual(read(), written.filter((seq) => seq > 2))
})

it("forecasts what a checkpoint takes, lists, verifies and exports what was saved, and prunes all but what is pinned", async () => {
  const forecast = await document("check", "check", place.small) as { readonly variants: ReadonlyArray<{ readonly sizes: { readonly state_bytes: number } }> }
  const taken = (await place.events("trial")).find((event) => event.type === "snapshot.taken")
  // each tensor begins at a multiple of 64 bytes
  const [expected, got] = [forecast.variants[0]?.sizes.state_bytes ?? 0, taken?.bytes ?? 0]
  assert.isTrue(expected <= got && got < 1.01 * expected, `forecast ${expected}, taken ${got}`)

  const listed = async () => (await document("ckpt-ls", "ckpt", "ls", "trial") as { readonly checkpoints: ReadonlyArray<{ readonly step: number; readonly pinned: boolean }> }).checkpoints
  await document("ckpt-verify", "ckpt", "verify", "trial")
  const pinned = (await listed()).find((each) => each.pinned)
  await document("ckpt-prune", "ckpt", "prune", "trial", "--keep", "2", "--yes")
  const left = await listed()
  assert.deepStrictEqual(left.map(({ step }) => step).includes(pinned?.step ?? -1), true)
  assert.isAtMost(left.length, 3)
  const exported = await document("ckpt-export", "ckpt", "export", "trial", "-o", join(place.root, "decoder.safetensors")) as { readonly path: string; readonly tensors: number }
  const head = readFileSync(exported.path)
  const names = Object.keys(JSON.parse(head.toString("utf8", 8, 8 + Number(head.readBigUInt64LE(0)))) as object)
  assert.include(names, "decoder_pred.weight")
  assert.strictEqual(names.length, exported.tensors + 1, "and the metadata")
  const { stdout } = await place.rae(["status", "trial", "--json"])
  assertDocument("status-stopped", stdout)
  await document("runs-list", "runs")
})

it("trains in the background, and leaves nothing where the input is wrong", async () => {
  const started = await document("run-detached", ...place.runWords("behind", "--detach", "--set", "training.epochs=1000000")) as { readonly pid: number; readonly log: string }
  await place.seen("behind", "train.step")
  assert.isTrue(isAlive(started.pid))
  await document("resume", "stop", "behind")
  await eventually("the end of the background process", () => isAlive(started.pid) ? undefined : true)
  assert.match(readFileSync(started.log, "utf8"), /stopped at \d+, not done/)
  const wrong = await place.rae(place.runWords("wrong", "--detach", "--set", "training.epocs=1"))
  assert.strictEqual(wrong.code, 2)
  assert.match(wrong.stderr, /unknown key/)
  assert.isFalse(place.exists("runs", "wrong.log"))
})

it("makes no fault where the config allows none", async () => {
  const run = place.start(place.runWords("earnest", "--set", "training.epochs=1000000"))
  await place.seen("earnest", "train.step")
  const { code, stderr } = await place.rae(["inject", "engine-kill", "--run", "earnest"])
  assert.strictEqual(code, 1)
  assert.match(stderr, /^error: this run allows no faults on purpose\n {2}= help: .*supervision\.allow_inject=true/)
  run.kill("SIGTERM")
  assert.strictEqual((await run.ended).code, 143)
  assert.isFalse((await place.events("earnest")).some(({ type }) => type === "engine.exited"))
})
