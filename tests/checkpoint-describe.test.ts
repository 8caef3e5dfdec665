import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { hashLines, list, show, verifyAll } from "../src/checkpoint/describe.ts"
import { fallbackPlace } from "../src/checkpoint/layout.ts"
import { locate } from "../src/checkpoint/locate.ts"
import { writeMarks } from "../src/checkpoint/marks.ts"
import { open } from "../src/checkpoint/store.ts"
import { save, temporaryDirectory } from "./checkpoint-fake-engine.ts"

const keep = { keep_last: 9, keep_every: null }
const makeRun = Effect.fnUntraced(function*(directory: string, steps: ReadonlyArray<number>) {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, "run.json"), "{}")
  const store = yield* open({ directory: join(directory, "checkpoints"), retention: keep })
  for (const step of steps) yield* save(store, step)
  return store
})
const inRuns = <A, E>(use: (runs: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(Effect.sync(temporaryDirectory), ({ path }) => use(path), (dir) => Effect.sync(() => dir[Symbol.dispose]()))

describe("describe", () => {
  it.live("prints one line a tensor, equal for equal states whatever the run, its time and its history", () => inRuns(Effect.fnUntraced(function*(runs) {
    yield* makeRun(join(runs, "one"), [1, 2])
    yield* makeRun(join(runs, "other"), [2])
    const lines = yield* hashLines("one", runs)
    assert.strictEqual(lines.length, 5)
    assert.match(lines[0]!, /^decoder\.embed\.weight float32 \[16,7\] [0-9a-f]{32}$/)
    assert.match(lines[4]!, /^optimizer\.step int64 \[\] [0-9a-f]{32}$/)
    assert.deepStrictEqual(lines, yield* hashLines(join(runs, "other"), "/nowhere"))
    assert.deepStrictEqual(lines, [...lines].sort())
    assert.notDeepEqual(lines, yield* hashLines(join(runs, "one", "checkpoints", "step-000000001"), runs))
  })))

  it.live("knows a study by its variants", () => inRuns(Effect.fnUntraced(function*(runs) {
    yield* makeRun(join(runs, "study", "lpips-1.0"), [4])
    yield* makeRun(join(runs, "study", "lpips-0.5"), [3])
    yield* makeRun(join(runs, "study", "lpips-2.0"), [])
    mkdirSync(join(runs, "study", "events"))
    writeFileSync(join(runs, "study", "run.json"), "{}")
    assert.deepStrictEqual((yield* locate("study", runs)).map(({ variant, checkpoints }) => [variant, checkpoints.length]),
      [["lpips-0.5", 1], ["lpips-1.0", 1], ["lpips-2.0", 0]])
    const lines = yield* hashLines("study", runs)
    assert.deepStrictEqual([lines.length, lines[0]!.split(" ")[0]], [10, "lpips-0.5/decoder.embed.weight"])
    assert.deepStrictEqual((yield* show("study/lpips-1.0", runs)).map(({ variant, manifest }) => [variant, manifest.step]), [[null, 4]])
  })))

  it.live("lists and verifies every checkpoint, and says what is wrong with which", () => inRuns(Effect.fnUntraced(function*(runs) {
    const store = yield* makeRun(join(runs, "run"), [100, 205])
    yield* writeMarks(store.directory, { pinned: [100] })
    const listed = yield* list("run", runs)
    assert.deepStrictEqual(listed.map(({ step, epoch, position, tensors, pinned, problem }) => [step, epoch, position, tensors, pinned, problem]),
      [[100, 1, 0, 5, true, null], [205, 2, 5, 5, false, null]])
    const file = join(store.directory, "step-000000100", "ema.safetensors")
    const bytes = readFileSync(file)
    bytes[bytes.length - 3]! ^= 4
    writeFileSync(file, bytes)
    writeFileSync(join(store.directory, "step-000000205", "manifest.json"), "{}")
    const found = yield* verifyAll("run", runs)
    assert.deepStrictEqual(found.map(({ ok, problems }) => [ok, problems.length]), [[false, 2], [false, 1]])
    assert.match(found[0]!.problems[0]!, /^ema\.safetensors: hash differs, expected [0-9a-f]{32}, got [0-9a-f]{32}$/)
    assert.match((yield* list("run", runs))[1]!.problem ?? "", /^invalid manifest/)
    assert.strictEqual((yield* Effect.flip(hashLines("run", runs)))._tag, "CheckpointDamaged")
  })))

  it.live("looks in the second directory too, as the run's config has it", () => inRuns(Effect.fnUntraced(function*(runs) {
    const directory = join(runs, "one")
    yield* makeRun(directory, [1, 3])
    const fallback = join(runs, "second")
    writeFileSync(join(directory, "run.json"), JSON.stringify({ config: { checkpoint: { fallback_dir: fallback } } }))
    const second = yield* open({ directory: fallbackPlace(fallback, directory), retention: keep })
    yield* save(second, 2)
    const newest = yield* save(second, 4)
    assert.deepStrictEqual((yield* list("one", runs)).map(({ step }) => step), [1, 2, 3, 4])
    assert.deepStrictEqual((yield* show("one", runs)).map(({ path }) => path), [newest.path])
    assert.deepStrictEqual((yield* verifyAll("one", runs)).map(({ ok }) => ok), [true, true, true, true])
  })))

  it.live("says where it looked", () => inRuns(Effect.fnUntraced(function*(runs) {
    yield* makeRun(join(runs, "young"), [])
    const missing = yield* Effect.flip(hashLines("nope", runs))
    assert.match(missing.message, /^nope: no run, study or checkpoint, looked in .*\/nope and .*\/nope$/)
    assert.match((yield* Effect.flip(hashLines("young", runs))).message, /^young: no checkpoint yet/)
    assert.deepStrictEqual(yield* list("young", runs), [])
  })))
})
