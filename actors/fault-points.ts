/**
 * Faults made on purpose in the engine's actors: by a test at a named call, `RAE_FAULT=generator.backward@5`, or by a rehearsal while a run trains.
 *
 * Grammar: `actor.operation@n`, several with commas; `@n+` means every call from the n-th on. After a colon what happens there, else it throws:
 * `:block` never returns from a native call, `:spin` never gives the thread back, `:kill` ends the process, `:memory` finds none left;
 * `trainer.batch@n:nan` makes the images of the n-th batch not a number. Calls are counted over the life of
 * the process, so a restarted actor does not throw again in the call that repeats the fifth. (The commit protocol, on the supervisor's side, has
 * failpoints of its own: src/checkpoint.)
 */
import * as Effect from "effect/Effect"
import type { Behaviour } from "../src/runtime/actor.ts"
import { TensorError } from "../src/tensor/errors.ts"
import { block } from "../src/tensor/heartbeat.ts"
import { outOfMemory } from "./ownership.ts"
import type { EngineChild } from "./tree.ts"

interface Fault {
  readonly from: number
  readonly to: number
  readonly happens: (place: string) => Effect.Effect<never, unknown>
}

/** Longer than anybody waits; a native sleep takes no more. */
const forever = 2 ** 40

const actions: Readonly<Record<string, Fault["happens"]>> = {
  throw: (place) => Effect.die(new Error(`fault point ${place}`)),
  block: () => Effect.sync(() => block(forever) as never),
  nan: () => Effect.die(new Error("only a batch can be made not a number")),
  spin: () => Effect.sync(() => { for (;;) { /* holds the thread */ } }),
  kill: () => Effect.sync(() => process.kill(process.pid, "SIGKILL") as never),
  memory: (place) => Effect.fail(outOfMemory(new TensorError("out_of_memory", "fault", place)))
}

const parse = (text: string): ReadonlyMap<string, Fault> => new Map(text.split(",").map((place) => place.trim()).filter((place) => place !== "").map((place) => {
  const [, operation, first, open, action = "throw"] = /^([a-z_]+\.\w+)@([1-9]\d*)(\+?)(?::(\w+))?$/.exec(place) ?? []
  const happens = actions[action]
  if (operation === undefined || happens === undefined) throw new Error(`no fault point in ${JSON.stringify(place)}, expected actor.operation@n, with : and one of ${Object.keys(actions).join(", ")}`)
  return [`${operation}@${first}`, { from: Number(first), to: open === "+" ? Number.POSITIVE_INFINITY : Number(first), happens }] as const
}))

const faults = parse(process.env["RAE_FAULT"] ?? "")
const faultAt = (place: string, call: number): Fault | undefined =>
  [...faults].find(([key, { from, to }]) => key.startsWith(`${place}@`) && call >= from && call <= to)?.[1]
const calls = new Map<string, number>()
const countedCall = (place: string): number => {
  const call = (calls.get(place) ?? 0) + 1
  calls.set(place, call)
  return call
}

/** Actors that throw in their next operation, whichever it is. */
const doomed = new Set<EngineChild>()
let poisoned = false

/** Whether an actor has operations, and so can be made to throw in one. */
const throwers: ReadonlySet<string> = new Set<EngineChild>(["data_loader", "feature_cache", "evaluator", "generator", "discriminator", "ema"])

/** Makes an actor throw in its next operation; false where there is none of that name. */
export const doom = (actor: string): boolean => {
  if (!throwers.has(actor)) return false
  doomed.add(actor as EngineChild)
  return true
}

/** Makes the images of the next batch, the targets of its losses, not a number. */
export const poison = (): void => { poisoned = true }
/** Whether the batch at hand is the one; once. */
export const takePoison = (): boolean => {
  const taken = poisoned || faultAt("trainer.batch", countedCall("trainer.batch")) !== undefined
  poisoned = false
  return taken
}

/** The actor's operations, made to throw where a fault is meant for them. */
export const faultable = <B extends Behaviour>(actor: EngineChild, behaviour: B): B => {
  const throwing = ([name, operation]: readonly [string, B[string]]) => [name, (...args: never) => Effect.suspend(() => {
    if (doomed.delete(actor)) return Effect.die(new Error(`fault injected into ${actor}.${name}`))
    if (faults.size === 0) return operation(...args)
    const place = `${actor}.${name}`
    const call = countedCall(place)
    return faultAt(place, call)?.happens(`${place}@${call}`) ?? operation(...args)
  })] as const
  // The same names with the same arguments and replies.
  return Object.fromEntries(Object.entries(behaviour).map((entry) => throwing(entry as [string, B[string]]))) as unknown as B
}
