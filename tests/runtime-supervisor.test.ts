/** The supervisor's contract, on virtual time: order, strategies, limits, deadlines. */
import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import type { Child } from "../src/runtime/child-spec.ts"
import type { SupervisionEvent } from "../src/runtime/supervision-event.ts"
import { rootCause } from "../src/runtime/supervisor-error.ts"
import { supervisor, type SupervisorSpec } from "../src/runtime/supervisor.ts"

const calm = (name: string): Child => ({ name, run: (ready) => Effect.andThen(ready, Effect.never) })
const dies = (name: string, after: "1 second" | "2 seconds" | "10 seconds"): Child =>
  ({ name, run: (ready) => Effect.andThen(ready, Effect.andThen(Effect.sleep(after), Effect.die(new Error(`${name} died`)))) })

/** Lets what can happen at this instant happen. */
const settle = TestClock.adjust(0).pipe(Effect.repeat({ times: 4 }))

const line = (event: SupervisionEvent) => {
  switch (event.type) {
    case "child_started": return `started ${event.child}`
    case "child_stopped": return `${event.context === "shutdown" ? "stopped" : "abandoned"} ${event.offender}`
    case "child_down": return `down ${event.offender} ${event.context} ${event.response} ${event.delay_seconds}s [${event.affected.join(" ")}]`
    case "gave_up": return `gave up ${event.offender} ${event.context}`
  }
}

/** Runs the tree in the background; `lines` grows as it reports. */
const watch = Effect.fnUntraced(function*(spec: Omit<SupervisorSpec, "name" | "onEvent">) {
  const lines: Array<string> = []
  const tree = supervisor({ name: "tree", backoff: { initial: "1 second", factor: 2, max: "1 minute", jitter: 0 }, ...spec, onEvent: (event) => lines.push(line(event)) })
  const fiber = yield* tree.run(Effect.sync(() => lines.push("tree ready"))).pipe(Effect.forkChild({ startImmediately: true }))
  yield* settle
  return { tree, fiber, lines }
})
const often = { max: 100, within: "1 hour" } as const

class Poison extends Data.TaggedError("Poison")<{ readonly step: number }> {}

describe("supervisor", () => {
  it.effect("starts children in order, each when the one before is ready, and stops them in reverse", () => Effect.gen(function*() {
    const slow: Child = { name: "slow", run: (ready) => Effect.andThen(Effect.sleep("5 seconds"), Effect.andThen(ready, Effect.never)) }
    const { fiber, lines } = yield* watch({ strategy: "one-for-one", intensity: often, children: [calm("first"), slow, calm("last")] })
    assert.deepStrictEqual(lines, ["started first"])
    yield* TestClock.adjust("5 seconds")
    assert.deepStrictEqual(lines, ["started first", "started slow", "started last", "tree ready"])
    yield* Fiber.interrupt(fiber)
    assert.deepStrictEqual(lines.slice(4), ["stopped last", "stopped slow", "stopped first"])
  }))

  it.effect("one-for-one restarts the dead child alone, with exponential backoff", () => Effect.gen(function*() {
    const { fiber, lines } = yield* watch({ strategy: "one-for-one", intensity: often, children: [calm("a"), dies("b", "10 seconds"), calm("c")] })
    yield* TestClock.adjust("34 seconds")
    assert.deepStrictEqual(lines.slice(4), [
      "down b child_terminated restart 1s [b]", "started b", "down b child_terminated restart 2s [b]", "started b", "down b child_terminated restart 4s [b]"
    ])
    yield* Fiber.interrupt(fiber)
  }))

  it.effect("rest-for-one restarts the later siblings too, last one first", () => Effect.gen(function*() {
    const { fiber, lines } = yield* watch({ strategy: "rest-for-one", intensity: often, children: [calm("a"), dies("b", "10 seconds"), calm("c"), calm("d")] })
    yield* TestClock.adjust("12 seconds")
    assert.deepStrictEqual(lines.slice(5), [
      "down b child_terminated restart 1s [b c d]", "stopped d", "stopped c", "started b", "started c", "started d"
    ])
    yield* Fiber.interrupt(fiber)
  }))

  it.effect("one-for-all restarts every sibling; temporary ones stay away", () => Effect.gen(function*() {
    const { fiber, lines } = yield* watch({
      strategy: "one-for-all", intensity: often,
      children: [calm("a"), { ...dies("brief", "2 seconds"), restart: "temporary" }, dies("b", "10 seconds"), calm("c")]
    })
    yield* TestClock.adjust("12 seconds")
    assert.deepStrictEqual(lines.slice(5), [
      "down brief child_terminated stop 0s []",
      "down b child_terminated restart 1s [a b c]", "stopped c", "stopped a", "started a", "started b", "started c"
    ])
    yield* Fiber.interrupt(fiber)
  }))

  it.effect("gives up beyond the intensity, naming child and cause", () => Effect.gen(function*() {
    const { fiber, lines } = yield* watch({ strategy: "one-for-one", intensity: { max: 3, within: "1 hour" }, children: [calm("a"), dies("b", "1 second")] })
    yield* TestClock.adjust("5 minutes")
    const error = yield* Effect.flip(Fiber.join(fiber))
    assert.strictEqual(error._tag, "TooManyRestarts")
    assert.strictEqual(error.message, "tree gave up on b: more than 3 restarts in 3600 s; last: b died")
    assert.deepStrictEqual(lines.slice(-2), ["gave up b intensity", "stopped a"])
  }))

  it.effect("an old failure leaves the window, and the backoff starts over", () => Effect.gen(function*() {
    const { fiber, lines } = yield* watch({ strategy: "one-for-one", intensity: { max: 1, within: "5 seconds" }, children: [dies("a", "10 seconds")] })
    yield* TestClock.adjust("1 minute")
    assert.isUndefined(fiber.pollUnsafe())
    const downs = lines.filter((each) => each.startsWith("down"))
    assert.isAbove(downs.length, 4)
    assert.isTrue(downs.every((each) => each.includes(" 1s ")))
    yield* Fiber.interrupt(fiber)
  }))

  it.effect("stops when restarts lead nowhere, and not while they do", () => Effect.gen(function*() {
    let step = 0
    const { fiber } = yield* watch({
      strategy: "one-for-one", intensity: often, children: [dies("engine", "10 seconds")],
      backoff: { initial: "1 second", factor: 1, max: "1 second", jitter: 0 }, progress: { value: () => step, max: 2 }
    })
    for (let round = 0; round < 5; round++) {
      step++
      yield* TestClock.adjust("11 seconds")
    }
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust("33 seconds")
    const error = yield* Effect.flip(Fiber.join(fiber))
    assert.strictEqual(error.message, "tree gave up on engine: 2 restarts and still at 5; last: engine died")
  }))

  it.effect("the type of the error picks the response", () => Effect.gen(function*() {
    const fails = (name: string, error: unknown): Child => ({ name, run: (ready) => Effect.andThen(ready, Effect.andThen(Effect.sleep("1 second"), Effect.fail(error))) })
    const onFailure = (error: unknown) => error instanceof Poison ? "escalate" as const : undefined
    const one = yield* watch({ strategy: "one-for-one", intensity: often, onFailure, children: [fails("trainer", new Poison({ step: 7 }))] })
    yield* TestClock.adjust("1 second")
    const error = yield* Effect.flip(Fiber.join(one.fiber))
    assert.strictEqual(error._tag, "Escalated")
    assert.deepStrictEqual(rootCause(error), new Poison({ step: 7 }))

    const two = yield* watch({
      strategy: "one-for-all", intensity: often, onFailure, children: [calm("trainer"), { ...fails("evaluator", new Poison({ step: 8 })), onFailure: () => "stop" }]
    })
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(two.lines.slice(3), ["down evaluator child_terminated stop 0s []"])
    assert.deepStrictEqual(two.tree.children().map(({ name, state }) => `${name} ${state}`), ["trainer idle", "evaluator failed"])
    yield* Fiber.interrupt(two.fiber)
  }))

  it.effect("a nested supervisor's end is its parent's child going down", () => Effect.gen(function*() {
    const inner = supervisor({ name: "inner", strategy: "one-for-one", intensity: { max: 0, within: "1 minute" }, children: [calm("x"), dies("y", "10 seconds")] })
    const { fiber, lines, tree } = yield* watch({ strategy: "one-for-one", intensity: often, children: [inner, calm("after")] })
    assert.deepStrictEqual(lines, ["started inner", "started after", "tree ready"])
    assert.deepStrictEqual(tree.children().map(({ name, depth }) => `${depth} ${name}`), ["0 inner", "1 x", "1 y", "0 after"])
    yield* TestClock.adjust("12 seconds")
    assert.deepStrictEqual(lines.slice(3), ["down inner child_terminated restart 1s [inner]", "started inner"])
    assert.strictEqual(tree.children()[0]?.reason, "TooManyRestarts: inner gave up on y: more than 0 restarts in 60 s; last: y died")
    yield* Fiber.interrupt(fiber)
  }))

  it.effect("a sibling waits for one that fails to start, and starts after it", () => Effect.gen(function*() {
    let attempts = 0
    const late: Child = { name: "late", run: (ready) => Effect.suspend(() => ++attempts < 3 ? Effect.die(new Error("no device")) : Effect.andThen(ready, Effect.never)) }
    const { fiber, lines } = yield* watch({ strategy: "one-for-one", intensity: often, children: [late, calm("next")] })
    yield* TestClock.adjust("1 second")
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(lines, [
      "down late start_error restart 1s [late]", "down late start_error restart 2s [late]", "started late", "started next", "tree ready"
    ])
    yield* Fiber.interrupt(fiber)
  }))

  it.effect("the deadline holds for a child that cannot be interrupted", () => Effect.gen(function*() {
    const stubborn: Child = { name: "stubborn", shutdown: "300 millis", run: (ready) => Effect.uninterruptible(Effect.andThen(ready, Effect.sleep("1 hour"))) }
    const { fiber, lines } = yield* watch({ strategy: "one-for-one", intensity: often, children: [calm("a"), stubborn] })
    const stopping = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
    yield* TestClock.adjust("299 millis")
    assert.isUndefined(stopping.pollUnsafe())
    yield* TestClock.adjust("1 millis")
    yield* Fiber.join(stopping)
    assert.deepStrictEqual(lines.slice(-2), ["abandoned stubborn", "stopped a"])
    yield* TestClock.adjust("1 hour")
  }))

  it.effect("ends when its significant child is done, or when nothing is left", () => Effect.gen(function*() {
    const work: Child = { name: "work", restart: "transient", run: (ready) => Effect.andThen(ready, Effect.sleep("3 seconds")) }
    const one = yield* watch({ strategy: "one-for-one", intensity: often, children: [calm("log"), { ...work, significant: true }] })
    const two = yield* watch({ strategy: "one-for-one", intensity: often, children: [work, { ...work, name: "more", restart: "temporary" }] })
    yield* TestClock.adjust("3 seconds")
    assert.isTrue(Exit.isSuccess(yield* Fiber.await(one.fiber)))
    assert.deepStrictEqual(one.lines.slice(-1), ["stopped log"])
    assert.isTrue(Exit.isSuccess(yield* Fiber.await(two.fiber)))
  }))

  it.effect("restarts a child when asked to, without counting it", () => Effect.gen(function*() {
    const { fiber, lines, tree } = yield* watch({ strategy: "one-for-one", intensity: { max: 0, within: "1 hour" }, children: [calm("a"), calm("b")] })
    assert.isFalse(yield* tree.restartChild("nobody"))
    assert.isTrue(yield* tree.restartChild("a"))
    yield* settle
    assert.deepStrictEqual(lines.slice(3), ["stopped a", "started a"])
    assert.deepStrictEqual(tree.children().map(({ restarts }) => restarts), [1, 0])
    yield* Fiber.interrupt(fiber)
    assert.isFalse(yield* tree.restartChild("a"))
  }))

  it.effect("survives a listener that throws", () => Effect.gen(function*() {
    const tree = supervisor({
      name: "tree", strategy: "one-for-one", intensity: often, children: [calm("a")],
      onEvent: () => { throw new Error("listener") }
    })
    const fiber = yield* tree.run(Effect.void).pipe(Effect.forkChild({ startImmediately: true }))
    yield* TestClock.adjust("1 second")
    assert.isUndefined(fiber.pollUnsafe())
    yield* Fiber.interrupt(fiber)
  }))
})
