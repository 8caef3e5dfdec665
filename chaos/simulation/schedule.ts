/** A random schedule of faults for the supervision tree: a pure function of (seed, number). */
import { engineChildren, type EngineChild } from "../../actors/tree.ts"
import { drawFor } from "../draw.ts"

export type Happening =
  /** The engine's process ends. */
  | { readonly _tag: "EngineDies"; readonly at: number }
  /** An actor throws in the first operation that it takes after that. */
  | { readonly _tag: "ActorThrows"; readonly at: number; readonly actor: Exclude<EngineChild, "trainer"> }
  | { readonly _tag: "TrainerDies"; readonly at: number }
  | { readonly _tag: "CheckpointerDies"; readonly at: number }
  /** Saves are refused from then on, for so long. */
  | { readonly _tag: "DiskRefuses"; readonly at: number; readonly millis: number }

export interface Schedule {
  readonly steps: number
  readonly every: number
  /** How long the engine takes to load, and each operation, in virtual milliseconds. */
  readonly loadMillis: number
  readonly operationMillis: number
  readonly saveMillis: number
  readonly happenings: ReadonlyArray<Happening>
  /** A fault that no restart cures: the generator throws at this step, every time. */
  readonly poisonedStep: number | null
  readonly maxRestarts: number
  readonly withinSeconds: number
  readonly maxWithoutProgress: number
}

const actors = (Object.keys(engineChildren) as Array<EngineChild>).filter((name) => name !== "trainer")

export const scheduleOf = (seed: number, number: number): Schedule => {
  const draw = drawFor(seed, number)
  const steps = draw.whole(5, 25)
  const loadMillis = draw.whole(0, 500)
  const operationMillis = draw.pick([0, 0, 1, 5])
  // Mostly within the time that the steps take; some while the run waits for a restart or a save.
  const span = loadMillis + steps * 10 * Math.max(1, operationMillis) + 500
  const at = () => draw.whole(0, span)
  const happening = (): Happening => {
    switch (draw.pick(["engine", "engine", "actor", "actor", "actor", "trainer", "checkpointer", "disk"] as const)) {
      case "engine": return { _tag: "EngineDies", at: at() }
      case "actor": return { _tag: "ActorThrows", at: at(), actor: draw.pick(actors) as Exclude<EngineChild, "trainer"> }
      case "trainer": return { _tag: "TrainerDies", at: at() }
      case "checkpointer": return { _tag: "CheckpointerDies", at: at() }
      case "disk": return { _tag: "DiskRefuses", at: at(), millis: draw.whole(100, 20_000) }
    }
  }
  return {
    steps, loadMillis, operationMillis, every: draw.whole(1, 6), saveMillis: draw.whole(0, 60),
    happenings: Array.from({ length: draw.whole(0, 8) }, happening).sort((a, b) => a.at - b.at),
    poisonedStep: draw.chance(0.1) ? draw.whole(0, steps - 1) : null,
    maxRestarts: draw.whole(1, 8), withinSeconds: draw.pick([10, 60, 600]), maxWithoutProgress: draw.whole(1, 4)
  }
}
