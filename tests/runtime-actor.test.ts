/** The actor's contract and its mailbox: replies, crashes, restarts, what happens to letters and to what they carry. */
import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { type Actor, actor, ActorDown, type Behaviour } from "../src/runtime/actor.ts"
import { makeMailbox } from "../src/runtime/mailbox.ts"
import { supervisor } from "../src/runtime/supervisor.ts"

class Negative extends Data.TaggedError("Negative")<{ readonly n: number }> {}

const counter = Effect.gen(function*() {
  const total = yield* Ref.make(0)
  return {
    add: (n: number): Effect.Effect<number, Negative> => n < 0 ? Effect.fail(new Negative({ n })) : Ref.updateAndGet(total, (sum) => sum + n),
    slow: (_id: number) => Effect.andThen(Effect.sleep("1 second"), Effect.succeed("done")),
    crash: () => Effect.die(new Error("poisoned letter"))
  }
})
const settle = TestClock.adjust(0).pipe(Effect.repeat({ times: 4 }))

/** Under supervision, restarted after one second. */
const supervised = Effect.fnUntraced(function*<B extends Behaviour, E>(child: Actor<B, E, never>) {
  const tree = supervisor({
    name: "tree", strategy: "one-for-one", intensity: { max: 100, within: "1 hour" },
    backoff: { initial: "1 second", factor: 1, max: "1 second", jitter: 0 }, children: [child]
  })
  const fiber = yield* tree.run(Effect.void).pipe(Effect.forkChild({ startImmediately: true }))
  yield* settle
  return fiber
})
const waits = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })

describe("actor", () => {
  it.effect("answers in order of asking, with typed failures as replies", () => Effect.gen(function*() {
    const it = yield* actor({ name: "counter", init: counter })
    yield* supervised(it)
    const answers = yield* Effect.all([it.ask.add(1), it.ask.add(2), Effect.flip(it.ask.add(-3)), it.ask.add(4)], { concurrency: "unbounded" })
    assert.deepStrictEqual(answers, [1, 3, new Negative({ n: -3 }), 7])
    assert.isTrue(yield* it.tell.add(5))
    assert.strictEqual(yield* it.ask.add(0), 12)
  }))

  it.effect("a defect answers ActorDown and starts a new state; the address stays", () => Effect.gen(function*() {
    const it = yield* actor({ name: "counter", init: counter })
    yield* supervised(it)
    yield* it.ask.add(5)
    const error = yield* Effect.flip(it.ask.crash())
    assert.strictEqual(error.message, "counter went down and did not answer crash: Error: poisoned letter")
    const waiting = yield* waits(it.ask.add(1)) // written while it is down
    yield* TestClock.adjust("1 second")
    assert.strictEqual(yield* Fiber.join(waiting), 1)
    assert.strictEqual(it.activity().incarnation, 2)
  }))

  it.effect("keeps waiting letters over a restart, or empties the mailbox where they belong to the state", () => Effect.gen(function*() {
    for (const mailbox of ["kept", "emptied"] as const) {
      const it = yield* actor({ name: "counter", mailbox, init: counter })
      yield* supervised(it)
      const working = yield* waits(it.ask.slow(0))
      const crash = yield* waits(Effect.flip(it.ask.crash()))
      const waiting = yield* waits(Effect.exit(it.ask.add(3)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(working)
      const late = yield* waits(Effect.exit(it.ask.add(4)))
      yield* TestClock.adjust("1 second")
      assert.instanceOf(yield* Fiber.join(crash), ActorDown)
      const outcomes = [(yield* Fiber.join(waiting))._tag, (yield* Fiber.join(late))._tag]
      assert.deepStrictEqual(outcomes, mailbox === "kept" ? ["Success", "Success"] : ["Failure", "Failure"])
      assert.strictEqual(yield* it.ask.add(1), mailbox === "kept" ? 8 : 1)
    }
  }))

  it.effect("a sender that waited for room wrote to the incarnation before: its letter is dropped too", () => Effect.gen(function*() {
    const it = yield* actor({ name: "counter", mailbox: "emptied", capacity: 1, init: counter })
    yield* supervised(it)
    yield* waits(it.ask.slow(0))
    yield* waits(Effect.exit(it.ask.crash()))
    const waiting = yield* Effect.forEach([1, 2, 3], (n) => waits(Effect.exit(it.ask.add(n))))
    assert.deepStrictEqual(it.activity().mailbox, { depth: 1, capacity: 1 })
    yield* TestClock.adjust("1 second")
    yield* TestClock.adjust("1 second")
    for (const fiber of waiting) assert.strictEqual((yield* Fiber.join(fiber))._tag, "Failure")
    assert.strictEqual(yield* it.ask.add(1), 1)
  }))

  it.effect("closing its scope answers everybody; later letters are refused", () => Effect.gen(function*() {
    const scope = yield* Scope.make()
    const it = yield* actor({ name: "counter", init: counter }).pipe(Scope.provide(scope))
    const waiting = yield* waits(Effect.flip(it.ask.slow(1))) // nobody runs it
    yield* Scope.close(scope, Exit.void)
    assert.strictEqual((yield* Fiber.join(waiting)).message, "counter went down and did not answer slow: stopped")
    assert.instanceOf(yield* Effect.flip(it.ask.add(1)), ActorDown)
    assert.isFalse(yield* it.tell.add(1))
  }))

  it.effect("its supervisor stopping answers whoever is being served", () => Effect.gen(function*() {
    const it = yield* actor({ name: "counter", init: counter })
    const tree = yield* supervised(it)
    const serving = yield* waits(Effect.flip(it.ask.slow(1)))
    yield* settle
    yield* Fiber.interrupt(tree)
    assert.strictEqual((yield* Fiber.join(serving)).message, "counter went down and did not answer slow: stopped")
  }))

  it.effect("an ask that is given up takes its letter back, or its reply is dropped", () => Effect.gen(function*() {
    const dropped: Array<unknown> = []
    const it = yield* actor({ name: "counter", init: counter, onDrop: (values) => dropped.push(...values) })
    yield* supervised(it)
    const working = yield* waits(it.ask.slow(1))
    const queued = yield* waits(it.ask.slow(2))
    yield* settle
    yield* Fiber.interrupt(queued)
    assert.deepStrictEqual(dropped, [2])
    yield* Fiber.interrupt(working)
    yield* TestClock.adjust("2 seconds")
    assert.deepStrictEqual(dropped, [2, "done"])
    assert.isFalse(it.activity().busy)
  }))

  it.effect("every value of a letter is either taken or dropped, once", () => Effect.gen(function*() {
    const taken: Array<unknown> = []
    const dropped: Array<unknown> = []
    const it = yield* actor({
      name: "counter", mailbox: "emptied", capacity: 2, onTake: (values) => taken.push(...values), onDrop: (values) => dropped.push(...values),
      init: Effect.succeed({ hold: (n: number) => n % 5 === 4 ? Effect.die(new Error("crash")) : Effect.asVoid(Effect.sleep("10 millis")) })
    })
    const fiber = yield* supervised(it)
    const asking = yield* Effect.forEach(Array.from({ length: 40 }, (_, n) => n), (n) => waits(Effect.exit(n % 2 === 0 ? it.ask.hold(n) : it.tell.hold(n))))
    yield* TestClock.adjust("25 millis")
    yield* Fiber.interrupt(asking[7] as Fiber.Fiber<unknown>)
    yield* TestClock.adjust("5 seconds")
    yield* Fiber.interrupt(fiber)
    assert.deepStrictEqual([...taken, ...dropped].map(Number).sort((a, b) => a - b), Array.from({ length: 40 }, (_, n) => n))
  }))

  it.effect("says what it is doing", () => Effect.gen(function*() {
    const it = yield* actor({ name: "counter", capacity: 4, init: counter })
    assert.deepStrictEqual(it.activity(), { busy: false, op: null, mailbox: { depth: 0, capacity: 4 }, incarnation: 0, lastMillis: null })
    yield* supervised(it)
    yield* Effect.forEach([1, 2, 3], (n) => waits(it.ask.slow(n)))
    yield* TestClock.adjust("1500 millis")
    assert.deepStrictEqual(it.activity(), { busy: true, op: "slow", mailbox: { depth: 1, capacity: 4 }, incarnation: 1, lastMillis: 1000 })
  }))
})

const Move = Schema.Struct({ kind: Schema.Literals(["offer", "offer", "offer", "take", "take", "withdraw", "clear"]), pick: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 })) })

describe("mailbox", () => {
  it.effect.prop("is bounded and in order; each letter leaves it once, by one door", [Schema.Array(Move), Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))], ([moves, capacity]) => Effect.gen(function*() {
    const mailbox = makeMailbox<number>(capacity)
    const inside: Array<number> = [] // the model: everything offered and not gone, oldest first
    const out: Array<number> = []
    let offered = 0
    for (const { kind, pick } of moves) {
      if (kind === "offer") {
        assert.strictEqual(mailbox.offer(offered), inside.length < capacity ? "queued" : "waiting")
        inside.push(offered++)
      } else if (kind === "take" && inside.length > 0) {
        const letter = yield* mailbox.take
        assert.strictEqual(letter, inside.shift())
        out.push(letter)
      } else if (kind === "withdraw") {
        const letter = inside[pick % Math.max(1, inside.length)]
        assert.strictEqual(mailbox.withdraw(letter ?? -1), letter !== undefined)
        if (letter !== undefined) out.push(...inside.splice(inside.indexOf(letter), 1))
      } else if (kind === "clear") {
        assert.deepStrictEqual(mailbox.clear(), inside)
        out.push(...inside.splice(0))
      }
      assert.strictEqual(mailbox.depth(), Math.min(inside.length, capacity))
    }
    assert.deepStrictEqual(mailbox.close(), inside)
    assert.strictEqual(mailbox.offer(-1), "closed")
    assert.deepStrictEqual([...out, ...inside].sort((a, b) => a - b), Array.from({ length: offered }, (_, n) => n))
  }), { arbitrary: { runs: 500 } })

  it.effect("a reader that is interrupted while it waits takes nothing with it", () => Effect.gen(function*() {
    const mailbox = makeMailbox<number>(2)
    const reader = yield* waits(mailbox.take)
    yield* Fiber.interrupt(reader)
    mailbox.offer(1)
    assert.strictEqual(yield* mailbox.take, 1)
  }))
})
