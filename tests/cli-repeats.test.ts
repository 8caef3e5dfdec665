/** Warnings that say the same again are counted, not printed; nothing else is folded. */
import { assert, it } from "vitest"
import { make, type Event } from "../actors/events.ts"
import type { StampedEvent } from "../actors/journal.ts"
import { foldRepeats } from "../src/cli/repeats.ts"

const stamp = (events: ReadonlyArray<Event>): ReadonlyArray<StampedEvent> => events.map((event, i) => ({ ...event, seq: i + 1, time: "2026-01-31T12:00:00.000Z", cause: i }))
const refused = (unsaved_steps: number, message = "no space left") =>
  make("checkpoint.failed", "r", { step: 3, error: "DiskFull", message, needed: 10, free: unsaved_steps, unsaved_steps, retry_seconds: unsaved_steps / 2 })
const phase = make("train.phase", "r", { step: 1, phase: "lpips" })

const folded = (...events: ReadonlyArray<Event>) => {
  const said: Array<string> = []
  const folding = foldRepeats(({ seq, type }) => said.push(`${seq} ${type}`), (times, { seq }) => said.push(`${seq} same ${times}`))
  for (const event of stamp(events)) folding.next(event)
  folding.flush()
  return said
}

it("folds what differs in its numbers alone, until something else happens", () => {
  assert.deepStrictEqual(folded(refused(1), refused(2), refused(3), phase, refused(4)), ["1 checkpoint.failed", "3 same 2", "4 train.phase", "5 checkpoint.failed"])
  assert.deepStrictEqual(folded(refused(1), refused(2, "read-only file system"), refused(3)), ["1 checkpoint.failed", "2 checkpoint.failed", "3 checkpoint.failed"])
})

it("shows every step, and counts what is still coming at the end", () => {
  assert.deepStrictEqual(folded(phase, phase), ["1 train.phase", "2 train.phase"])
  assert.deepStrictEqual(folded(refused(1), refused(2)), ["1 checkpoint.failed", "2 same 1"])
})
