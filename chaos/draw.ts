/** What a trial draws: a pure function of (seed, trial), so that a trial can be replayed, alone and in any order. */
import { words } from "../src/random/philox.ts"

export interface Draw {
  /** In [0, 1). */
  readonly fraction: () => number
  /** A whole number, both ends included. */
  readonly whole: (least: number, most: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <A>(from: ReadonlyArray<A>) => A
}

/** Sets these streams apart from those of training, which are keyed by the config's seed. */
const purpose = 0x43484153

export const drawFor = (seed: number, trial: number): Draw => {
  let taken = 0
  const fraction = () => words([seed >>> 0, purpose, trial >>> 0, taken++], 1)[0]! / 2 ** 32
  const whole = (least: number, most: number) => least + Math.floor(fraction() * (Math.max(least, most) - least + 1))
  return {
    fraction,
    whole,
    chance: (probability) => fraction() < probability,
    pick: (from) => {
      const picked = from[whole(0, from.length - 1)]
      if (picked === undefined) throw new Error("nothing to pick from")
      return picked
    }
  }
}
