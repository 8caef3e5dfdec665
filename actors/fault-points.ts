/**
 * Faults made on purpose in the engine's actors: by a test at a named call, `RAE_FAULT=generator.backward@5`, or by a rehearsal while a run trains.
 *
 * Grammar: `actor.operation@n`, several with commas. Calls are counted over the life of the process, so a restarted actor does not throw
 * again in the call that repeats the fifth. (The commit protocol, on the supervisor's side, has failpoints of its own: src/checkpoint.)
 */
import * as Effect from "effect/Effect"
import type { Behaviour } from "../src/runtime/actor.ts"
import type { EngineChild } from "./tree.ts"

const parse = (text: string): ReadonlySet<string> => {
  const places = text.split(",").map((place) => place.trim()).filter((place) => place !== "")
  for (const place of places) if (!/^[a-z_]+\.\w+@[1-9]\d*$/.test(place)) throw new Error(`no fault point in ${JSON.stringify(place)}, expected actor.operation@n`)
  return new Set(places)
}

const faults = parse(process.env["RAE_FAULT"] ?? "")
const calls = new Map<string, number>()

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
  const taken = poisoned
  poisoned = false
  return taken
}

/** The actor's operations, made to throw where a fault is meant for them. */
export const faultable = <B extends Behaviour>(actor: EngineChild, behaviour: B): B => {
  const throwing = ([name, operation]: readonly [string, B[string]]) => [name, (...args: never) => Effect.suspend(() => {
    if (doomed.delete(actor)) return Effect.die(new Error(`fault injected into ${actor}.${name}`))
    if (faults.size === 0) return operation(...args)
    const place = `${actor}.${name}`
    const call = (calls.get(place) ?? 0) + 1
    calls.set(place, call)
    return faults.has(`${place}@${call}`) ? Effect.die(new Error(`fault point ${place}@${call}`)) : operation(...args)
  })] as const
  // The same names with the same arguments and replies.
  return Object.fromEntries(Object.entries(behaviour).map((entry) => throwing(entry as [string, B[string]]))) as unknown as B
}
