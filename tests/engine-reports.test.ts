/** What the engine tells crosses the pipe as it is, losses that are no numbers included, and is read in the same form. */
import { assert, it } from "vitest"
import * as Schema from "effect/Schema"
import { Report } from "../actors/engine-protocol.ts"
import { Event, make as event } from "../actors/events.ts"
import { msgpack } from "../src/runtime/msgpack.ts"

const codec = Schema.toCodecJson(Report)
const across = (report: Report): Report => {
  const [received] = msgpack.makeUnsafe().decode(msgpack.makeUnsafe().encode([Schema.encodeSync(codec)(report)]) as Uint8Array)
  return Schema.decodeUnknownSync(codec)(received)
}
const step = event("train.step", "r", {
  step: 3, epoch: 0, total: Number.NaN, rec: Number.POSITIVE_INFINITY, lpips: null, gan: 0.5, disc: 1, weight: 1, lr: 1e-4, grad_norm: Number.NaN, images_per_second: 1, seconds: { data: 0.25 }
})

it("events, with NaN and null, and the pulse", () => {
  assert.deepStrictEqual(across({ _tag: "Events", events: [step] }), { _tag: "Events", events: [step] })
  const pulse: Report = { _tag: "Pulse", step: 1, epoch: 0, actors: [], handles: 3, bytes: 10, rss_bytes: 20 }
  assert.deepStrictEqual(across(pulse), pulse)
})

it("an event as received is one that the log can write", () => {
  const [received] = (across({ _tag: "Events", events: [step] }) as Extract<Report, { readonly _tag: "Events" }>).events
  assert.deepInclude(Schema.encodeUnknownSync(Schema.toCodecJson(Event))(received), { type: "train.step", total: "NaN", rec: "Infinity", lpips: null })
})

it("what is no event is refused", () => {
  assert.throws(() => Schema.decodeUnknownSync(codec)({ _tag: "Events", events: ["no event"] }))
})
