/**
 * The supervision tree, as data: what starts in which order, what a death takes with it, how often it may happen.
 *
 * supervisor process
 *   checkpointer, engine                                one-for-one: neither holds the other's state
 * engine process
 *   data_loader, feature_cache, evaluator               one-for-one: they hold nothing that cannot be computed again
 *   training = generator, discriminator, ema, trainer   one-for-all: their weights belong to the same step
 */
import type { SupervisorSpec } from "../src/runtime/supervisor.ts"

type Branch = Pick<SupervisorSpec, "name" | "strategy" | "intensity" | "backoff">

/** Intensity and progress of the engine come from the config's `supervision` block. */
export const supervisorTree = { name: "supervisor", strategy: "one-for-one", backoff: { initial: "100 millis", factor: 2, max: "30 seconds", jitter: 0.2 } } as const

export const engineTree: Branch = {
  name: "engine", strategy: "one-for-one", intensity: { max: 5, within: "1 minute" }, backoff: { initial: "50 millis", factor: 2, max: "5 seconds", jitter: 0.2 }
}
export const trainingTree: Branch = {
  name: "training", strategy: "one-for-all", intensity: { max: 3, within: "1 minute" }, backoff: { initial: "50 millis", factor: 2, max: "5 seconds", jitter: 0.2 }
}

/** Order of start (each waits for the one before), mailbox sizes, and how long each may take to stop. */
export const engineChildren = {
  data_loader: { capacity: 4, shutdown: "2 seconds" },
  feature_cache: { capacity: 4, shutdown: "2 seconds" },
  evaluator: { capacity: 2, shutdown: "5 seconds" },
  generator: { capacity: 2, shutdown: "5 seconds" },
  discriminator: { capacity: 2, shutdown: "5 seconds" },
  ema: { capacity: 2, shutdown: "5 seconds" },
  trainer: { capacity: 8, shutdown: "10 seconds" }
} as const
export type EngineChild = keyof typeof engineChildren
