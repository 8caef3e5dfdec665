/**
 * Which images a batch holds: a pure function of (seed, epoch, position). Nothing of it is ever saved; a dead loader is simply
 * asked again.
 */
import * as Data from "effect/Data"
import { integers, keyOf, shuffle } from "../random/draws.ts"

export class NotEnoughImages extends Data.TaggedError("NotEnoughImages")<{ readonly images: number; readonly batch: number }> {
  override get message(): string {
    return `a batch of ${this.batch} needs as many images, found ${this.images}`
  }
}

export interface Sampler {
  /** Whole batches of an epoch; the incomplete last one is dropped. */
  readonly batchesPerEpoch: number
  readonly batchAt: (epoch: number, position: number) => ReadonlyArray<number>
}

/** `count` images in batches of `batch`, in a new order every epoch. Throws NotEnoughImages. */
export const makeSampler = (options: { readonly seed: number; readonly count: number; readonly batch: number }): Sampler => {
  const { seed, count, batch } = options
  if (batch < 1 || count < batch) throw new NotEnoughImages({ images: count, batch })
  const batchesPerEpoch = Math.floor(count / batch)
  /** A shuffle of ImageNet takes 0.2 s: the last one is kept. */
  let latest: { readonly epoch: number; readonly order: Uint32Array } | null = null
  return {
    batchesPerEpoch,
    batchAt: (epoch, position) => {
      if (!(position >= 0 && position < batchesPerEpoch)) throw new RangeError(`position ${position} of an epoch of ${batchesPerEpoch} batches`)
      if (latest?.epoch !== epoch) latest = { epoch, order: shuffle(keyOf(seed, "data/shuffle", epoch), count) }
      return [...latest.order.subarray(position * batch, (position + 1) * batch)]
    }
  }
}

/** The image that takes the place of a corrupt one: another one, the same in every run of this seed. `attempt` counts from 0. */
export const replacementFor = (seed: number, index: number, attempt: number, count: number): number => {
  if (count < 2) return index
  const other = integers(keyOf(seed, "data/replacement", attempt, index), 1, count - 1)[0]!
  return other < index ? other : other + 1
}
