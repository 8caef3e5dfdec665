/**
 * Guards of adversarial training: each names a way in which it goes wrong without any value being infinite, and speaks once when that has
 * lasted for `divergence.patience` steps; again only after it was over in between.
 */
import type { RunConfig } from "../src/config/schema.ts"

export interface Observation {
  readonly step: number
  /** Adaptive weight and discriminator's loss; null while they are off. */
  readonly weight: number | null
  readonly disc: number | null
  /** ‖average - weights‖ / ‖weights‖; null where it was not measured. */
  readonly emaDistance: number | null
}

export interface Warning {
  readonly guard: "discriminator loss" | "adaptive weight" | "distance of the average"
  readonly value: number
  readonly limit: number
  readonly steps: number
}

export const makeGanGuards = (config: Pick<RunConfig, "divergence" | "gan">) => {
  const { max_ema_distance: farthest, min_disc_loss: lowest, patience } = config.divergence
  const { max_d_weight: heaviest } = config.gan.loss
  const rules: ReadonlyArray<{ readonly guard: Warning["guard"]; readonly limit: number; readonly on: boolean; readonly value: (of: Observation) => number | null; readonly beyond: (value: number) => boolean }> = [
    // It tells every picture apart: the hinge has no slope there, and the decoder learns nothing from it.
    { guard: "discriminator loss", limit: lowest, on: lowest > 0, value: ({ disc }) => disc, beyond: (value) => value < lowest },
    // The adversarial gradient has vanished beside that of the reconstruction.
    { guard: "adaptive weight", limit: heaviest, on: heaviest > 0, value: ({ weight }) => weight, beyond: (value) => value >= heaviest },
    { guard: "distance of the average", limit: farthest, on: farthest > 0, value: ({ emaDistance }) => emaDistance, beyond: (value) => value > farthest }
  ]
  const since = new Map<Warning["guard"], number>()
  const told = new Set<Warning["guard"]>()

  return {
    /** What has lasted long enough with this step. */
    observe: (seen: Observation): ReadonlyArray<Warning> => rules.flatMap(({ beyond, guard, limit, on, value: valueOf }) => {
      const value = valueOf(seen)
      if (!on || value === null) return []
      if (!beyond(value)) {
        since.delete(guard)
        told.delete(guard)
        return []
      }
      const first = since.get(guard) ?? seen.step
      since.set(guard, first)
      const steps = seen.step - first + 1
      if (steps < patience || told.has(guard)) return []
      told.add(guard)
      return [{ guard, value, limit, steps }]
    })
  }
}
