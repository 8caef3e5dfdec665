/** One batch of samples, corrupt ones replaced: a pure function of what is on disk and of (seed, epoch, indices). */
import { CorruptSample } from "./corrupt-sample.ts"
import { replacementFor } from "./sampler.ts"
import type { ImageSource, Sample } from "./source.ts"

export interface Replaced {
  /** The index that the sampler asked for. */
  readonly index: number
  readonly replacement: number
  /** Every image tried and found corrupt, in order. */
  readonly corrupt: ReadonlyArray<CorruptSample>
}

export interface Batch {
  readonly samples: ReadonlyArray<Sample>
  /** The samples' pixels one after the other: batch × size × size × 3. */
  readonly pixels: Uint8Array
  readonly replaced: ReadonlyArray<Replaced>
}

export interface BatchRequest {
  readonly seed: number
  readonly epoch: number
  readonly indices: ReadonlyArray<number>
  readonly size: number
}

/** Where as many images in a row are corrupt, the folder is, and replacing hides it. */
const maxAttempts = 8

/** Images of a batch under way at once: as many as libuv has threads. More would only hold memory. */
const lanes = 4

/** Rejects with CorruptSample where replacements are corrupt too, with the signal's reason once it is aborted. */
export const loadBatch = async (source: ImageSource, request: BatchRequest, signal?: AbortSignal): Promise<Batch> => {
  const { seed, epoch, indices, size } = request
  const load = async (index: number): Promise<{ readonly sample: Sample; readonly replaced: Replaced | null }> => {
    const corrupt: Array<CorruptSample> = []
    for (let wanted = index; ; wanted = replacementFor(seed, index, corrupt.length - 1, source.count)) {
      signal?.throwIfAborted()
      try {
        const sample = await source.train(epoch, wanted, size)
        return { sample, replaced: corrupt.length === 0 ? null : { index, replacement: wanted, corrupt } }
      } catch (cause) {
        if (!(cause instanceof CorruptSample) || corrupt.length === maxAttempts) throw cause
        corrupt.push(cause)
      }
    }
  }
  const loaded: Array<Awaited<ReturnType<typeof load>>> = Array.from({ length: indices.length })
  let next = 0
  const lane = async (): Promise<void> => {
    for (let at = next++; at < indices.length; at = next++) loaded[at] = await load(indices[at]!)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  const samples = loaded.map(({ sample }) => sample)
  const bytes = size * size * 3
  const pixels = new Uint8Array(samples.length * bytes)
  for (const [at, sample] of samples.entries()) pixels.set(sample.pixels, at * bytes)
  return { samples, pixels, replaced: loaded.flatMap(({ replaced }) => (replaced === null ? [] : [replaced])) }
}
