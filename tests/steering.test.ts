/** What a request to restart is answered: the word of whoever supervises the child, and the event that says the same. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Event } from "../actors/events.ts"
import { makeSteering } from "../actors/run-steering.ts"
import type { LiveEngine } from "../actors/engine-keeper.ts"
import type { Supervisor } from "../src/runtime/supervisor.ts"

/** A tree that lists the checkpointer and answers `inTree`, beside an engine that answers `inEngine`, or none. */
const restarted = (target: string, inTree: boolean, inEngine: boolean | null) => {
  const events: Array<Event> = []
  const asked: Array<string> = []
  const answer = (where: string, accepted: boolean) => (name: string) => Effect.sync(() => {
    asked.push(`${where} ${name}, after ${events.length} events`)
    return accepted
  })
  const tree = { children: () => [{ name: "checkpointer" }], restartChild: answer("tree", inTree) } as unknown as Supervisor<never>
  const askEngine = answer("engine", inEngine === true)
  const engine = inEngine === null ? null : { handle: { client: { RestartActor: ({ actor }: { readonly actor: string }) => askEngine(actor) }, kill: (signal: string) => asked.push(signal) } } as unknown as LiveEngine
  const { controls } = makeSteering({ run: "r", allowInject: false, emit: (event) => events.push(event), engine: () => engine, ask: () => false, tree: () => tree, stop: () => undefined })
  return Effect.map(controls.restart(target), (said) => ({ said, asked, told: events.map((event) => event.type === "restart.requested" ? event.accepted : event.type) }))
}

it.effect("a child that is listed but no longer to be restarted is not said to be", () => Effect.gen(function*() {
  assert.deepStrictEqual(yield* restarted("checkpointer", false, null), { said: { accepted: false, seq: 1 }, asked: ["tree checkpointer, after 0 events"], told: [false] })
  assert.deepStrictEqual((yield* restarted("checkpointer", true, null)).said, { accepted: true, seq: 1 })
}))

it.effect("what the tree does not know the engine is asked for, and its word stands", () => Effect.gen(function*() {
  const { asked, said, told } = yield* restarted("ema", false, true)
  assert.deepStrictEqual([said.accepted, told, asked], [true, [true], ["tree ema, after 0 events", "engine ema, after 0 events"]])
  assert.isFalse((yield* restarted("emma", false, false)).said.accepted)
}))

it.effect("the engine itself is ended, where there is one", () => Effect.gen(function*() {
  assert.deepStrictEqual(yield* restarted("engine", false, true), { said: { accepted: true, seq: 1 }, asked: ["SIGTERM"], told: [true] })
  assert.deepStrictEqual(yield* restarted("engine", false, null), { said: { accepted: false, seq: 1 }, asked: [], told: [false] })
}))
