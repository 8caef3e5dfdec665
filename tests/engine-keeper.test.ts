/** What an engine is filled from, with a stand-in for the process: damage and a disk that gives nothing now are not the same. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { vi } from "vitest"
import * as Keeper from "../actors/engine-keeper.ts"
import { CheckpointDamaged, type Loaded, noMemoryToLoad, TrainingFailed } from "../actors/engine-protocol.ts"
import type { Event } from "../actors/events.ts"
import { loadStudy } from "../src/config/load.ts"
import type { Child } from "../src/runtime/child-spec.ts"
import type * as ChildProcesses from "../src/runtime/child.ts"
import { supervisor, TooManyRestarts } from "../src/runtime/supervisor.ts"
import { temporaryDirectory } from "./checkpoint-fake-engine.ts"
import { makeSaving } from "./checkpoint-saving.ts"

/** What the engine says when it is to be filled, one answer a try: true for well done, else why not. */
const engine = vi.hoisted(() => ({ answers: [] as Array<true | { readonly unread: boolean }>, asked: [] as Array<string | null> }))
const loaded: Loaded = {
  step: 0, steps: 100, steps_per_epoch: 10, images: 40, held_out: 4, state_bytes: 1100, parameters: 1, libtorch: "0", precision: "fp32", dry_step_seconds: 1, dry_step_bytes: 1,
  micro_batch: 1000, operations: [], frozen: {}
}
vi.mock("../src/runtime/child.ts", async (original) => ({
  ...await original<typeof ChildProcesses>(),
  startChild: () => Effect.succeed({
    pid: 1, heartbeat: () => null, kill: () => undefined,
    client: { Load: ({ resume }: { readonly resume: string | null }) => Effect.suspend(() => {
      engine.asked.push(resume)
      const answer = engine.answers.shift() ?? true
      return answer === true ? Effect.succeed(loaded) : Effect.fail(new CheckpointDamaged({ path: resume ?? "", reason: "input/output error", unread: answer.unread }))
    }) }
  })
}))

const { variants: [variant] } = await Effect.runPromise(loadStudy(join(import.meta.dirname, "../configs/base.yaml"), { profile: "tiny" }))

/** Launches from a directory with checkpoints of steps 10 and 20. */
const launched = (answers: typeof engine.answers) => Effect.acquireUseRelease(Effect.sync(temporaryDirectory), Effect.fnUntraced(function*({ path }) {
  const { stores, saved } = yield* makeSaving([path])
  for (const step of [10, 20]) yield* saved(step)
  engine.answers = answers
  engine.asked = []
  const events: Array<Event> = []
  const options: Keeper.Options = {
    run: "r", configHash: "c", environment: {}, stopAfter: null, hangSeconds: 60, stepSeconds: () => null, step: () => null, flush: Effect.void, onReport: () => Effect.void,
    emit: (event) => void events.push(event),
    request: { run: "r", run_dir: path, variants: 1, config: variant!.config, data: { _tag: "Synthetic", images: 40, held_out: 4 }, eval_data: null, device: "cpu", cache_dir: path }
  }
  const launching = yield* Effect.forkChild(Effect.exit(Effect.scoped(Keeper.launch(options, 1, stores))), { startImmediately: true })
  while (launching.pollUnsafe() === undefined) {
    yield* TestClock.adjust("1 second")
    yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
  }
  const told = events.flatMap((event) => event.type === "checkpoint.unread" || event.type === "checkpoint.quarantined" || event.type === "checkpoint.loaded" ? [`${event.type} ${event.step}`] : [])
  return { exit: yield* Fiber.join(launching), told, asked: engine.asked.map((asked) => asked?.slice(path.length + 1)), there: readdirSync(path).toSorted() }
}), (directory) => Effect.sync(() => directory[Symbol.dispose]()))

describe("an engine is filled", () => {
  it.effect("from the newest checkpoint, asked for again where the disk did not give it", () => Effect.gen(function*() {
    const { asked, exit, told } = yield* launched([{ unread: true }])
    assert.deepStrictEqual(asked, ["step-000000020", "step-000000020"])
    assert.deepStrictEqual(told, ["checkpoint.loaded 20"])
    assert.isFalse(Exit.isSuccess(exit) && exit.value.fellBack)
  }))

  it.effect("from the one before where the disk does not give it, which stays where it is and is not called damaged", () => Effect.gen(function*() {
    const { asked, exit, there, told } = yield* launched([{ unread: true }, { unread: true }])
    assert.deepStrictEqual(asked, ["step-000000020", "step-000000020", "step-000000010"])
    assert.deepStrictEqual(told, ["checkpoint.unread 20", "checkpoint.loaded 10"])
    assert.deepStrictEqual(there, ["step-000000010", "step-000000020"])
    assert.isTrue(Exit.isSuccess(exit) && exit.value.fellBack)
  }))

  it.effect("from the one before a damaged one, which is put aside at once", () => Effect.gen(function*() {
    const { told, there } = yield* launched([{ unread: false }])
    assert.deepStrictEqual(told, ["checkpoint.quarantined 20", "checkpoint.loaded 10"])
    assert.deepStrictEqual(there, ["quarantine", "step-000000010"])
  }))

  it.effect("from none where the disk gives none: that may pass, and is not answered by starting anew", () => Effect.gen(function*() {
    const { asked, exit } = yield* launched(Array.from({ length: 4 }, () => ({ unread: true })))
    assert.notInclude(asked, undefined)
    const error = Exit.isFailure(exit) ? yield* Effect.flip(exit) : null
    assert.instanceOf(error, CheckpointDamaged)
    assert.match(error.message, /^checkpoint .*step-000000020 could not be read: input\/output error; no other checkpoint is whole$/)
    assert.strictEqual(Keeper.onFailure(error), undefined)
    assert.strictEqual(Keeper.onFailure(new CheckpointDamaged({ ...error, unread: false })), "escalate")
  }))
})

describe("an engine that finds no memory to load", () => {
  const noMemory = new TrainingFailed({ kind: noMemoryToLoad, reason: "not even one image at a time finds memory", step: 20 })
  /** Fails so many times, then is up and ends. */
  const failing = (times: number) => {
    let tries = 0
    const child: Child = { name: "engine", restart: "transient", significant: true, onFailure: Keeper.onFailure, run: (ready) => Effect.suspend(() => tries++ < times ? Effect.fail(noMemory) : ready) }
    const tree = supervisor({ name: "supervisor", strategy: "one-for-one", intensity: { max: 3, within: "10 minutes" }, children: [child] })
    return Effect.gen(function*() {
      const running = yield* Effect.forkChild(Effect.exit(Effect.scoped(tree.run(Effect.void))), { startImmediately: true })
      while (running.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      return { exit: yield* Fiber.join(running), tries }
    })
  }

  it.effect("is started again: it had the memory before", () => Effect.gen(function*() {
    const { exit, tries } = yield* failing(2)
    assert.isTrue(Exit.isSuccess(exit))
    assert.strictEqual(tries, 3)
  }))

  it.effect("ends the run beyond the limit of restarts, with what was lacking", () => Effect.gen(function*() {
    const { exit, tries } = yield* failing(100)
    const error = Exit.isFailure(exit) ? yield* Effect.flip(exit) : null
    assert.instanceOf(error, TooManyRestarts)
    assert.match(String(error.cause), /not even one image at a time finds memory/)
    assert.strictEqual(tries, 4)
  }))

  it("in mid-training it is no passing thing", () => assert.strictEqual(Keeper.onFailure(new TrainingFailed({ ...noMemory, kind: "OutOfMemory" })), "escalate"))
})
