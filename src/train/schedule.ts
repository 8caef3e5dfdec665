/** The learning rate as a function of the optimiser step: warm-up, then constant, linear or cosine. */
export interface Schedule {
  readonly kind: "constant" | "linear" | "cosine"
  readonly base: number
  /** Reached at `decayEndSteps` and kept from there; of no effect where constant. */
  readonly final: number
  readonly warmupSteps: number
  /** False: `base` throughout the warm-up. */
  readonly warmupFromZero: boolean
  readonly decayEndSteps: number
}

export const constant = (lr: number): Schedule => ({ kind: "constant", base: lr, final: lr, warmupSteps: 0, warmupFromZero: true, decayEndSteps: 0 })

/** `step` counts the updates already made: the first update takes the rate of step 0. */
export const rateAt = ({ kind, base, final, warmupSteps, warmupFromZero, decayEndSteps }: Schedule, step: number): number => {
  if (step < warmupSteps) return warmupFromZero ? (base * (step + 1)) / warmupSteps : base
  if (kind === "constant") return base
  const progress = decayEndSteps <= warmupSteps ? 1 : Math.min(1, (step - warmupSteps) / (decayEndSteps - warmupSteps))
  return kind === "linear" ? base + (final - base) * progress : final + (base - final) * 0.5 * (1 + Math.cos(Math.PI * progress))
}
