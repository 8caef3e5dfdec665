/** The judgement on a heartbeat, frame by frame: what is a hang, and what only looks like one. */
import { assert, describe, it } from "@effect/vitest"
import { frameBytes, type Hang, type HangPolicy, makeHangJudge, makeHeartbeatReader, writeHeartbeat } from "../src/runtime/heartbeat.ts"

const policy: HangPolicy = { silence: "3 seconds", startup: "20 seconds", loopBlocked: () => "5 seconds", opDeadline: (op) => op === 9 ? "1 minute" : "10 seconds" }
const beatMillis = 100
const checkMillis = 250

/** Plays seconds of heartbeat; `engine` says what a frame would hold, or that there is none. The first hang found, and when. */
const play = (seconds: number, engine: (millis: number) => { readonly op?: number; readonly opsDone?: number; readonly tick?: number } | undefined, checks: (millis: number) => boolean = () => true) => {
  const judge = makeHangJudge(policy)
  let checked = 0
  for (let millis = 0; millis <= seconds * 1000; millis += 50) {
    if (millis % beatMillis === 0) {
      const frame = engine(millis)
      if (frame !== undefined) judge.beat({ op: frame.op ?? 0, opsDone: frame.opsDone ?? 0, loopTickMillis: frame.tick ?? millis, nowMillis: millis })
    }
    if (millis % checkMillis === 0 && checks(millis)) {
      const hang = judge.judge(millis - checked, checkMillis)
      checked = millis
      if (hang !== undefined) return { ...hang, at: millis / 1000 } satisfies Hang & { readonly at: number }
    }
  }
  return undefined
}

describe("heartbeat", () => {
  it("comes in frames, however the bytes are cut", () => {
    const beats = [1, 2, 3].map((n) => ({ op: n, opsDone: 2 ** 40 + n, loopTickMillis: 1000 * n, nowMillis: 1000 * n + 5 }))
    const bytes = Buffer.concat(beats.map(writeHeartbeat))
    assert.strictEqual(bytes.length, 3 * frameBytes)
    for (const size of [1, 7, 31, 32, 33, 96]) {
      const read = makeHeartbeatReader()
      const found = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => read(bytes.subarray(i * size, (i + 1) * size))).flat()
      assert.deepStrictEqual(found, beats, `pieces of ${size}`)
    }
  })

  it("calm work is no hang, nor is a long series of short operations that leaves the loop no time", () => {
    assert.isUndefined(play(60, (millis) => ({ tick: millis })))
    assert.isUndefined(play(60, (millis) => ({ op: millis % 200 === 0 ? 4 : 0, opsDone: millis, tick: 0 })))
  })

  it("silence is, sooner once it has been heard", () => {
    assert.deepInclude(play(60, () => undefined), { kind: "silent", at: 20.25 })
    assert.deepInclude(play(60, (millis) => millis < 10_000 ? {} : undefined), { kind: "silent", at: 13 })
  })

  it("a loop that stands still outside operations is", () => {
    assert.deepInclude(play(60, (millis) => ({ tick: Math.min(millis, 10_000) })), { kind: "loop blocked", op: 0, at: 15.25 })
  })

  it("an operation beyond its own deadline is, a slower one within its deadline is not", () => {
    assert.deepInclude(play(60, (millis) => ({ op: millis < 10_000 ? 0 : 4, tick: Math.min(millis, 10_000) })), { kind: "op stuck", op: 4, at: 20.25 })
    assert.isUndefined(play(60, (millis) => ({ op: millis < 10_000 ? 0 : 9, tick: Math.min(millis, 10_000) })))
    assert.isUndefined(play(60, (millis) => ({ op: 4, opsDone: Math.floor(millis / 9000), tick: 0 })))
  })

  it("time that the supervisor slept through accuses nobody", () => {
    const asleep = (millis: number) => millis > 5000 && millis < 50_000
    assert.isUndefined(play(60, (millis) => asleep(millis) ? undefined : {}, (millis) => !asleep(millis)))
  })

  it("a gap between two frames is not time in the operation", () => {
    const paused = (millis: number) => millis > 5000 && millis < 50_000
    assert.isUndefined(play(53, (millis) => paused(millis) ? undefined : { op: 4, tick: 0 }, (millis) => !paused(millis)))
  })
})
