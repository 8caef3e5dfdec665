/** What a run says of itself on a disk that refuses: told once, written when the disk takes it, the newest word alone. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { makeRecords } from "../actors/records.ts"

it.effect("a refused record is told of once, replaced by a newer one, and written when the disk takes it", () => Effect.gen(function*() {
  const told: Array<string> = []
  const written: Array<string> = []
  let full = true
  const record = (text: string) => Effect.suspend(() => full ? Effect.fail({ message: "no space" }) : Effect.sync(() => void written.push(text)))
  const records = yield* makeRecords((run, message) => void told.push(`${run}: ${message}`))
  yield* records.write("run.json", "a", record("running"))
  yield* records.write("study.json", "a", record("table"))
  yield* records.write("run.json", "a", record("done"))
  yield* TestClock.adjust("1 minute")
  assert.deepStrictEqual([told, written], [["a: no space", "a: no space"], []])
  full = false
  yield* TestClock.adjust("5 seconds")
  assert.deepStrictEqual(written.toSorted(), ["done", "table"])
  yield* records.settle
  assert.lengthOf(written, 2, "written once")
  full = true
  yield* records.write("run.json", "a", record("later"))
  assert.lengthOf(told, 3, "told again after it had been written")
}))
