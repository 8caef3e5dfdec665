/** Old checkpoints are read again while nothing is being saved; what has gone bad is put aside before anybody needs it. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { newestOf } from "../src/checkpoint/store.ts"
import { temporaryDirectory } from "./checkpoint-fake-engine.ts"
import { makeSaving } from "./checkpoint-saving.ts"

it.effect("each in turn, the damaged one quarantined, the others left", () => Effect.acquireUseRelease(Effect.sync(temporaryDirectory), Effect.fnUntraced(function*({ path }) {
  const saving = yield* makeSaving([path])
  for (const step of [10, 20]) yield* saving.saved(step)
  const { scrub } = saving.checkpointer
  const file = join(path, "step-000000010", "ema.safetensors")
  const bytes = readFileSync(file)
  bytes[bytes.length - 9]! ^= 2
  writeFileSync(file, bytes)
  const isWanted: Array<boolean> = []
  for (let turn = 0; turn < 3; turn++) isWanted.push(yield* scrub)
  assert.deepStrictEqual(isWanted, [true, false, false], "another in place of the one that was put aside")
  assert.deepStrictEqual(saving.events("checkpoint.scrubbed").map(({ ok, step }) => [step, ok]), [[10, false], [20, true], [20, true]])
  const [damaged] = saving.events("checkpoint.quarantined")
  assert.deepStrictEqual([damaged?.step, damaged?.path], [10, join(path, "quarantine", "step-000000010")])
  assert.match(damaged?.reason ?? "", /^ema.safetensors: hash differs/)
}), (directory) => Effect.sync(() => directory[Symbol.dispose]())))

it.effect("a step whose checkpoint was put aside is not saved: it is written again when it is asked for", () => Effect.acquireUseRelease(Effect.sync(temporaryDirectory), Effect.fnUntraced(function*({ path }) {
  const saving = yield* makeSaving([path])
  for (const step of [10, 20]) yield* saving.saved(step)
  truncateSync(join(path, "step-000000020", "decoder.safetensors"), 100)
  for (let turn = 0; turn < 2; turn++) yield* saving.checkpointer.scrub
  assert.deepStrictEqual(saving.events("checkpoint.quarantined").map(({ step }) => step), [20])
  assert.strictEqual(saving.checkpointer.committedStep(), 10)
  yield* saving.saved(20)
  assert.deepStrictEqual(saving.events("checkpoint.committed").map(({ step }) => step), [10, 20, 20])
  assert.strictEqual((yield* newestOf(saving.stores)).plan?.step, 20)
}), (directory) => Effect.sync(() => directory[Symbol.dispose]())))
