/** Means of the losses over an epoch, kept as sums in float64 so that a resume in mid-epoch goes on with the same ones. */
import type { StepResult } from "../src/train/step.ts"

export interface LossSums {
  readonly sums: Readonly<Record<string, number>>
  readonly counts: Readonly<Record<string, number>>
}

export const none: LossSums = { sums: {}, counts: {} }

/** A loss that was off at a step counts for nothing. */
export const added = ({ counts, sums }: LossSums, { losses, weight }: Pick<StepResult, "losses" | "weight">): LossSums => {
  const present = Object.entries({ ...losses, weight }).filter((entry): entry is [string, number] => entry[1] !== null)
  return {
    sums: { ...sums, ...Object.fromEntries(present.map(([name, value]) => [name, (sums[name] ?? 0) + value])) },
    counts: { ...counts, ...Object.fromEntries(present.map(([name]) => [name, (counts[name] ?? 0) + 1])) }
  }
}

export const means = ({ counts, sums }: LossSums): Record<string, number> =>
  Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / (counts[name] ?? 1)]))
