/** What surrounds the simulated tree: faults that wait to happen, the disk, who is alive, and what was found wrong. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { SupervisionEvent } from "../../src/runtime/supervision-event.ts"
import type { Schedule } from "./schedule.ts"
import { initial, undisturbed, type Weights } from "./toy-training.ts"

export interface Noted {
  readonly at: number
  /** Counts the instances of a supervisor: a new engine has new ones. */
  readonly instance: string
  readonly event: SupervisionEvent
  /** Step of the newest commit then. */
  readonly progress: number
}

export const makeWorld = (schedule: Schedule, now: () => number) => {
  const expected = undisturbed(schedule.steps)
  const alive = new Map<string, number>()
  const violations: Array<string> = []
  const noted: Array<Noted> = []
  const doomed = new Set<string>()
  let newest = initial
  let refusesUntil = 0
  let killEngine = Deferred.makeUnsafe<void>()
  let engines = 0

  const complain = (what: string): void => { if (violations.length < 5) violations.push(`${now()} ms: ${what}`) }

  return {
    schedule, now, complain, violations, noted, doomed,
    /** A life of an actor: there is never more than one of a name. */
    born: (name: string) => {
      const lives = (alive.get(name) ?? 0) + 1
      alive.set(name, lives)
      if (lives > 1) complain(`${lives} incarnations of ${name} at once`)
    },
    died: (name: string) => { alive.set(name, (alive.get(name) ?? 0) - 1) },
    alive: () => [...alive].filter(([, lives]) => lives > 0).map(([name]) => name),
    /** Weights that leave the actors for the buffer or for the disk must be those of one step of an undisturbed run. */
    belongTogether: (weights: Weights, where: string) => {
      const right = expected[weights.step]
      if (right === undefined || right.generator !== weights.generator || right.discriminator !== weights.discriminator || right.ema !== weights.ema) complain(`weights of different steps ${where}: ${JSON.stringify(weights)}`)
    },
    /** The newest committed weights. */
    newest: () => newest,
    commit: (weights: Weights) => {
      if (weights.step < newest.step) complain(`step ${weights.step} committed after step ${newest.step}`)
      newest = weights
    },
    refuse: (millis: number) => { refusesUntil = Math.max(refusesUntil, now() + millis) },
    refuses: () => now() < refusesUntil,
    nextEngine: () => {
      killEngine = Deferred.makeUnsafe<void>()
      return { number: ++engines, killed: Deferred.await(killEngine) }
    },
    killEngine: () => { Deferred.doneUnsafe(killEngine, Effect.void) },
    engines: () => engines
  }
}
export type World = ReturnType<typeof makeWorld>
