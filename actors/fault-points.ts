/**
 * Named places where a test makes an actor of the engine crash: `RAE_FAULT=generator.backward@5` throws in the fifth call of that operation.
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

/** The actor's operations, those that a test names made to throw. */
export const faultable = <B extends Behaviour>(actor: EngineChild, behaviour: B): B => {
  if (faults.size === 0) return behaviour
  const throwing = ([name, operation]: readonly [string, B[string]]) => [name, (...args: never) => Effect.suspend(() => {
    const place = `${actor}.${name}`
    const call = (calls.get(place) ?? 0) + 1
    calls.set(place, call)
    return faults.has(`${place}@${call}`) ? Effect.die(new Error(`fault point ${place}@${call}`)) : operation(...args)
  })] as const
  // The same names with the same arguments and replies.
  return Object.fromEntries(Object.entries(behaviour).map((entry) => throwing(entry as [string, B[string]]))) as unknown as B
}
