/**
 * Images to batches to encoder and decoder to pixels, as a stream: while a batch is computed, the next ones are decoded elsewhere.
 *
 * Batch k holds images k·B to (k+1)·B of its source without those that cannot be read, whatever was asked for before: the number of images
 * that are computed together decides last bits, so a pass that goes on in the middle gives the bytes of one that did not stop.
 */
import { setImmediate as turn } from "node:timers/promises"
import { CorruptSample } from "../data/corrupt-sample.ts"
import { prefetch } from "../data/prefetch.ts"
import type { ImageSource, Sample } from "../data/source.ts"
import { toImages } from "../models/image-space.ts"
import type { Device } from "../tensor/dtype.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import { type Autoencoder, reconstruct } from "./autoencoder.ts"

/** Batches decoded ahead of their use. */
const decodedAhead = 2

export interface Originals {
  /** Those that can be read, in order. */
  readonly samples: ReadonlyArray<Sample>
  /** Their pixels one after the other: B × size × size × 3. */
  readonly pixels: Uint8Array
  readonly unreadable: ReadonlyArray<CorruptSample>
}

/** Images `from` to `to` of a source after the evaluation's centre crop. Rejects with what is no fault of one image. */
export const readOriginals = async (source: ImageSource, from: number, to: number, size: number): Promise<Originals> => {
  const unreadable: Array<CorruptSample> = []
  const read = await Promise.all(Array.from({ length: to - from }, (_, i) => source.evaluation(from + i, size).catch((cause: unknown) => {
    if (!(cause instanceof CorruptSample)) throw cause
    unreadable.push(cause)
    return null
  })))
  const samples = read.filter((sample) => sample !== null)
  const pixels = new Uint8Array(samples.length * size * size * 3)
  for (const [at, sample] of samples.entries()) pixels.set(sample.pixels, at * size * size * 3)
  return { samples, pixels, unreadable: unreadable.toSorted((a, b) => a.index - b.index) }
}

export interface ReconstructedBatch extends Originals {
  /** Number of the batch. */
  readonly batch: number
  /** Both [B,3,size,size], float32 in [0,1]; freed when the next batch is asked for. Null where nothing that can be read is wanted. */
  readonly tensors: { readonly images: Tensor; readonly reconstructions: Tensor } | null
}

export interface ReconstructionOptions {
  readonly autoencoder: Autoencoder
  readonly source: ImageSource
  /** Side of the images, in pixels. */
  readonly size: number
  /** Images that are computed together. */
  readonly batchSize: number
  readonly device: Device
  /** Is this image's reconstruction asked for? All are by default. A batch is computed whole, or not at all. */
  readonly wanted?: (index: number) => boolean
}

/**
 * Batches that have a wanted image, in order. Whoever stops early ends the decoding too. Rejects with TensorError, and with what is no fault of
 * one image.
 */
export async function* reconstructions(options: ReconstructionOptions): AsyncGenerator<ReconstructedBatch> {
  const { autoencoder, batchSize, device, size, source, wanted = () => true } = options
  const numbers = new Set(Array.from({ length: source.count }, (_, i) => i).filter(wanted).map((index) => Math.floor(index / batchSize)))
  const batches = [...numbers]
  const originals = prefetch<Originals>({
    ahead: decodedAhead, end: batches.length,
    load: (at) => readOriginals(source, batches[at]! * batchSize, Math.min((batches[at]! + 1) * batchSize, source.count), size)
  })
  try {
    for (const [at, batch] of batches.entries()) {
      const read = await originals.take(at)
      // what is at hand settles without the event loop, which has pixels to receive and files to finish
      await turn()
      const tensors = !read.samples.some(({ index }) => wanted(index)) ? null : scope(() => {
        const images = toImages(read.pixels, read.samples.length, size, device)
        return { images, reconstructions: reconstruct(autoencoder, images) }
      })
      try {
        yield { ...read, batch, tensors }
      } finally {
        tensors?.images.dispose()
        tensors?.reconstructions.dispose()
      }
    }
  } finally {
    originals.close()
  }
}
