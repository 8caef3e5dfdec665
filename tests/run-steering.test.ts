/** A live run is steered from another terminal: held, saved, restarted, hurt on purpose; its log says what followed from what. */
import { assert, it } from "vitest"
import type { StampedEvent } from "../actors/journal.ts"
import type { RunJson } from "../actors/run-json.ts"
import type { Status } from "../actors/status.ts"
import { makeWorkplace } from "./rae-processes.ts"

const place = makeWorkplace()
const status = async (name: string) => JSON.parse((await place.rae(["status", name, "--json"])).stdout) as Status
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
  const { stdout: saved } = await place.done(["ckpt", "save", "trial", "--json"])
  assert.deepInclude(JSON.parse(saved), { schema: 1, step: held.step })
  assert.strictEqual((place.readJson("runs", "trial", "run.json") as RunJson).step, held.step, "run.json follows the commits")
  await place.done(["resume", "trial"])
  await place.seen("trial", "train.step", ({ step }) => step > held.step)

  await place.done(["restart", "generator", "--run", "trial"])
  await place.done(["inject", "crash:data_loader", "--run", "trial"])
  const crashed = await place.seen("trial", "supervisor.child_down", ({ offender }) => offender === "data_loader")
  await place.done(["inject", "not-finite", "--run", "trial"])
  await place.seen("trial", "supervisor.child_down", ({ offender }) => offender === "trainer", crashed.seq)
  await place.done(["inject", "disk-full", "--run", "trial"])
  const refused = await place.seen("trial", "checkpoint.failed")
  const made = await place.seen("trial", "checkpoint.committed", () => true, refused.seq)
  await place.done(["inject", "engine-kill", "--run", "trial"])
  const down = await place.seen("trial", "supervisor.child_down", ({ offender }) => offender === "engine")
  const back = await place.seen("trial", "train.step", () => true, down.seq)

  const { last_failures: failures } = await status("trial")
  assert.deepInclude(failures.at(-1), { actor: "engine", outcome: `training again at step ${back.step}`, lost_steps: down.lost_steps })
  assert.isAbove(failures.at(-1)?.lost_seconds ?? 0, 0)
  const unknown = await place.rae(["restart", "generater", "--run", "trial"])
  assert.deepStrictEqual([unknown.code, unknown.stderr], [2, "error: trial has no actor `generater` now\n  = help: did you mean `generator`?\n"])
  assert.strictEqual((await place.rae(["inject", "engine-kil"])).code, 2)

  await place.done(["stop", "trial"])
  assert.strictEqual((await run.ended).code, 0)
  const events = await place.events("trial")
  assert.deepStrictEqual(chain(events, events.find(({ seq }) => seq === back.seq)),
    ["train.step", "run.started", "engine.ready", "engine.started", "supervisor.child_down", "engine.exited", "fault.injected"])
  assert.deepStrictEqual(chain(events, events.find(({ seq }) => seq === made.seq)), ["checkpoint.committed", "checkpoint.failed", "fault.injected"])
  assert.deepStrictEqual(chain(events, events.findLast(({ type }) => type === "run.stopped")), ["run.stopped", "stop.requested"])
  assert.deepStrictEqual(chain(events, events.find(({ type }) => type === "train.resumed")), ["train.resumed", "resume.requested"])

  const stopped = place.readJson("runs", "trial", "run.json") as RunJson
  const last = events.findLast((event) => event.type === "run.stopped")
  assert.deepStrictEqual([stopped.state, stopped.step], ["stopped", last?.step])
  assert.isAbove(stopped.goodput?.["useful"] ?? 0, 0)
  assert.isAbove(stopped.goodput?.["recovering"] ?? 0, 0)
  assert.deepStrictEqual([(await place.rae(["pause", "trial"])).code, (await place.rae(["resume", "trial"])).code, (await place.rae(["stop", "trial"])).code], [3, 3, 3])
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
