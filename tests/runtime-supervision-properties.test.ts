/** Random fault schedules against the supervisor, on virtual time: what holds whatever fails, and whenever. */
import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import type { Child } from "../src/runtime/child-spec.ts"
import type { SupervisionEvent } from "../src/runtime/supervision-event.ts"
import { supervisor } from "../src/runtime/supervisor.ts"

class Failed extends Data.TaggedError("Failed")<{}> {}

const within = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const stepMillis = 50
/** One incarnation: it takes `start` steps to become ready, and `life` more until it ends as `how` says. */
const Life = Schema.Struct({ start: within(0, 3), life: within(0, 12), how: Schema.Literals(["dies", "fails", "ends", "dies before it is ready"]) })
const ChildPlan = Schema.Struct({
  restart: Schema.Literals(["permanent", "permanent", "transient", "temporary"]),
  onFailure: Schema.Literals(["none", "none", "none", "stop"]),
  lives: Schema.Array(Life).check(Schema.isMaxLength(4))
})
const Plan = Schema.Struct({
  strategy: Schema.Literals(["one-for-one", "rest-for-one", "one-for-all"]),
  max: within(0, 6),
  seconds: within(1, 4),
  /** Stopped then, or watched until every fault has happened. */
  stopAt: within(1, 80),
  toTheEnd: Schema.Boolean,
  children: Schema.Array(ChildPlan).check(Schema.isMinLength(1), Schema.isMaxLength(4))
})

/** Longer than all lives of four children and the delays between them. */
const allFaultsSteps = 500

interface Incarnation { readonly child: number; readonly round: number }

interface Move { readonly child: number; readonly move: "started" | "stopped" }

const play = Effect.fnUntraced(function*(plan: typeof Plan.Type) {
  const live = new Set<Incarnation>()
  const events: Array<{ readonly at: number; readonly event: SupervisionEvent }> = []
  const moves: Array<Move> = []
  let now = 0
  /** Counts decisions to restart: incarnations of one round belong together. */
  let round = 0

  const childOf = (at: number): Child => {
    const { lives, onFailure, restart } = plan.children[at]!
    let next = 0
    return {
      name: String(at), restart,
      onFailure: () => onFailure === "none" ? undefined : onFailure,
      run: (ready) => Effect.gen(function*() {
        const me: Incarnation = { child: at, round }
        assert.isFalse([...live].some(({ child }) => child === at), `two incarnations of ${at} at once`)
        for (const earlier of tree.children().slice(0, at)) assert.notInclude(["starting", "restarting"], earlier.state, `${at} started before ${earlier.name}`)
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            live.add(me)
            moves.push({ child: at, move: "started" })
          }),
          (_, exit) => Effect.sync(() => {
            live.delete(me)
            if (Exit.hasInterrupts(exit)) moves.push({ child: at, move: "stopped" })
          })
        )
        const life = lives[next++]
        if (life === undefined) return yield* Effect.andThen(ready, Effect.never)
        if (life.start > 0) yield* Effect.sleep(life.start * stepMillis)
        if (life.how === "dies before it is ready") return yield* Effect.die(new Error("start"))
        yield* ready
        if (life.life > 0) yield* Effect.sleep(life.life * stepMillis)
        if (life.how === "dies") return yield* Effect.die(new Error("crash"))
        if (life.how === "fails") return yield* new Failed()
      })
    }
  }
  const tree = supervisor({
    name: "tree", strategy: plan.strategy, intensity: { max: plan.max, within: `${plan.seconds} seconds` },
    backoff: { initial: stepMillis, factor: 2, max: 8 * stepMillis, jitter: 0.2 },
    children: plan.children.map((_, at) => childOf(at)),
    onEvent: (event) => {
      events.push({ at: now, event })
      if (event.type === "child_down" && event.response === "restart") round++
    }
  })
  const fiber = yield* tree.run(Effect.void).pipe(Effect.forkDetach({ startImmediately: true }))
  const steps = plan.toTheEnd ? allFaultsSteps : plan.stopAt
  for (let step = 0; step < steps && fiber.pollUnsafe() === undefined; step++) {
    yield* TestClock.adjust(stepMillis)
    now += stepMillis
    if (plan.strategy === "one-for-all") belongTogether(plan, tree.children(), live)
  }
  if (plan.toTheEnd && fiber.pollUnsafe() === undefined) everythingIsUp(plan, tree.children())
  yield* Fiber.interrupt(fiber)
  return { exit: yield* Fiber.await(fiber), events, live, moves }
})

/** Where everything that can run is up, it is of one round; temporary children are never started again. */
const belongTogether = (plan: typeof Plan.Type, children: ReadonlyArray<{ readonly state: string }>, live: ReadonlySet<Incarnation>) => {
  if (children.some(({ state }) => state === "starting" || state === "restarting")) return
  const rounds = [...live].filter(({ child }) => plan.children[child]!.restart !== "temporary").map(({ round }) => round)
  assert.isAtMost(new Set(rounds).size, 1, `incarnations of rounds ${rounds.join(", ")} together`)
}

const everythingIsUp = (plan: typeof Plan.Type, children: ReadonlyArray<{ readonly state: string }>) => {
  for (const [at, { state }] of children.entries()) {
    const mayBeOver = plan.children[at]!.restart !== "permanent" || plan.children[at]!.onFailure === "stop"
    assert.include(mayBeOver ? ["idle", "stopped", "failed"] : ["idle"], state, `child ${at} in the end`)
  }
}

/** Children stopped without a start in between are of one shutdown: the last one first. */
const stopsAreInReverse = (moves: ReadonlyArray<Move>) => {
  let before = Number.POSITIVE_INFINITY
  for (const { child, move } of moves) {
    if (move === "stopped") assert.isBelow(child, before, "stopped out of order")
    before = move === "stopped" ? child : Number.POSITIVE_INFINITY
  }
}

const restartsStayWithinIntensity = (plan: typeof Plan.Type, events: ReadonlyArray<{ readonly at: number; readonly event: SupervisionEvent }>, gaveUp: boolean) => {
  const restarts = events.filter(({ event }) => event.type === "child_down" && event.response === "restart").map(({ at }) => at)
  if (gaveUp) restarts.pop() // the last one is not followed by a restart
  for (const at of restarts) {
    // virtual time is seen in whole steps, so the window is taken one step shorter
    const inWindow = restarts.filter((other) => other <= at && at - other < plan.seconds * 1000 - stepMillis)
    assert.isAtMost(inWindow.length, plan.max, "restarted more often than allowed")
  }
}

describe("supervision under random faults", () => {
  it.effect.prop("keeps order, limits and ownership", [Plan], ([plan]) => Effect.gen(function*() {
    const { events, exit, live, moves } = yield* play(plan)
    assert.strictEqual(live.size, 0, "a child outlived its supervisor")
    stopsAreInReverse(moves)
    const gaveUp = events.some(({ event }) => event.type === "gave_up")
    restartsStayWithinIntensity(plan, events, gaveUp)
    if (gaveUp) assert.isTrue(Exit.isFailure(exit))
  }), { arbitrary: { runs: 300 }, timeout: 60_000 })
})
