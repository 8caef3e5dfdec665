/** Which checkpoints go, as data: the last few, every so many steps, and those that somebody pinned stay. */
import type { Marks } from "./marks.ts"

export interface Retention {
  readonly keep_last: number
  /** Checkpoints at multiples of this step stay for ever. */
  readonly keep_every: number | null
}

/** With one good checkpoint left, a single flipped bit would cost the run. */
const minimumGood = 2

/** How many of the newest good checkpoints stay whatever else holds. */
export const kept = ({ keep_last }: Retention): number => Math.max(minimumGood, keep_last)

/**
 * Steps to remove. `good` are the newest checkpoints, all verified, at most `kept` of them; `older` are those before.
 * Nothing goes as long as there are too few good ones.
 */
export const expired = (good: ReadonlyArray<number>, older: ReadonlyArray<number>, retention: Retention, marks: Marks): ReadonlyArray<number> => {
  if (good.length < kept(retention)) return []
  const { keep_every } = retention
  return older.filter((step) =>
    !good.includes(step) && !(keep_every !== null && step % keep_every === 0) && !marks.pinned.includes(step))
}
