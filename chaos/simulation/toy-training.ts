/** A training whose weights are one number each: small enough for thousands of runs, and as unforgiving as the real one about order. */

export interface Weights {
  readonly step: number
  readonly generator: number
  readonly discriminator: number
  readonly ema: number
}

export const initial: Weights = { step: 0, generator: 1, discriminator: 2, ema: 1 }

/** Any other order, or a weight of another step, gives another number. */
const mix = (a: number, b: number): number => {
  const x = Math.imul(a ^ (b + 0x9e3779b9), 0x85ebca6b)
  return (x ^ (x >>> 13)) >>> 0
}

export const batchAt = (step: number): number => mix(step, 0xba7c4)
export const featuresOf = (batch: number): number => mix(batch, 0xfea7)
export const generatorAfter = (generator: number, features: number, judged: number): number => mix(mix(generator, features), judged)
export const judgedBy = (discriminator: number, generator: number): number => mix(discriminator, generator)
export const discriminatorAfter = (discriminator: number, fake: number): number => mix(discriminator, fake)
export const emaAfter = (ema: number, generator: number): number => mix(ema, generator)

export const advanced = ({ discriminator, ema, generator, step }: Weights): Weights => {
  const next = generatorAfter(generator, featuresOf(batchAt(step)), judgedBy(discriminator, generator))
  return { step: step + 1, generator: next, discriminator: discriminatorAfter(discriminator, next), ema: emaAfter(ema, next) }
}

/** Weights of an undisturbed run, by step. */
export const undisturbed = (steps: number): ReadonlyArray<Weights> => {
  const all = [initial]
  for (let step = 0; step < steps; step++) all.push(advanced(all[step]!))
  return all
}
