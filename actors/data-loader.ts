/**
 * The data loader: batch k as a tensor, made ahead of its use. It holds nothing that a restart could lose: batch k is a pure function of
 * (seed, epoch, position), and whoever misses it asks again.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Batch as Pictures, loadBatch } from "../src/data/batch.ts"
import { CorruptSample } from "../src/data/corrupt-sample.ts"
import { prefetch } from "../src/data/prefetch.ts"
import type { Sampler } from "../src/data/sampler.ts"
import type { ImageSource } from "../src/data/source.ts"
import { toImages } from "../src/models/image-space.ts"
import { actor } from "../src/runtime/actor.ts"
import type { Device } from "../src/tensor/dtype.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { type Event, make as event } from "./events.ts"
import { faultable } from "./fault-points.ts"
import { owned } from "./ownership.ts"
import { engineChildren } from "./tree.ts"

/** One batch; its receiver takes the images over, and disposes them. */
export class Batch {
  /** [B,3,H,W], float32 in [0,1]. */
  readonly images: Tensor
  /** Index, content hash and crop of each sample: what its latent is cached under. */
  readonly samples: Pictures["samples"]
  constructor(images: Tensor, samples: Pictures["samples"]) {
    this.images = images
    this.samples = samples
  }
}

/** More images are unreadable than the run may bear; `paths` lists them. */
export class TooManyCorrupt extends Schema.TaggedError<TooManyCorrupt>()("TooManyCorrupt", { max: Schema.Int, paths: Schema.Array(Schema.String) }) {
  override get message() { return `more than ${this.max} unreadable images:\n${this.paths.map((path) => `  ${path}`).join("\n")}` }
}

export interface Options {
  readonly run: string
  readonly source: ImageSource
  readonly sampler: Sampler
  readonly seed: number
  readonly epochs: number
  /** Side of the crops, in pixels. */
  readonly size: number
  readonly ahead: number
  readonly maxCorrupt: number
  readonly device: Device
  readonly emit: (event: Event) => void
}

export const dataLoader = (options: Options) => {
  const { device, emit, epochs, maxCorrupt, run, sampler, seed, size, source } = options
  /** Outlives restarts: an image is told of, and counted, once. */
  const corrupt = new Map<string, string>()
  let toldOfUpscaling = false

  const report = (batch: Pictures): void => {
    for (const { corrupt: tried, index, replacement } of batch.replaced) {
      for (const { path, reason } of tried) {
        if (corrupt.has(path)) continue
        corrupt.set(path, reason)
        emit(event("data.image_replaced", run, { index, path, reason, replacement }))
      }
    }
    const small = toldOfUpscaling ? undefined : batch.samples.find(({ upscaled }) => upscaled !== null)
    if (small?.upscaled) {
      toldOfUpscaling = true
      emit(event("data.upscaled", run, { path: small.path, width: small.upscaled.width, height: small.upscaled.height, needed: size }))
    }
  }

  return actor({
    name: "data_loader", capacity: engineChildren.data_loader.capacity, 
    // A batch that nobody will read: its asker is gone.
    onDrop: (values) => { for (const value of values) if (value instanceof Batch) value.images.dispose() },
    init: Effect.gen(function*() {
      const perEpoch = sampler.batchesPerEpoch
      const ahead = yield* Effect.acquireRelease(
        Effect.sync(() => prefetch<Pictures>({
          ahead: options.ahead, end: epochs * perEpoch,
          load: (number, signal) => {
            const epoch = Math.floor(number / perEpoch)
            return loadBatch(source, { seed, epoch, indices: sampler.batchAt(epoch, number % perEpoch), size }, signal)
          }
        })),
        (made) => Effect.sync(made.close))
      return faultable("data_loader", {
        batch: Effect.fnUntraced(function*(epoch: number, position: number) {
          // Anything but unreadable images is a crash: the loader restarts, and the batch is asked for again.
          const pictures = yield* Effect.promise(() => ahead.take(epoch * perEpoch + position).catch((cause: unknown) => {
            if (cause instanceof CorruptSample) return cause
            throw cause
          }))
          // Replacements of replacements were unreadable too: the folder is.
          if (pictures instanceof CorruptSample) return yield* new TooManyCorrupt({ max: maxCorrupt, paths: [...corrupt.keys(), pictures.message] })
          report(pictures)
          if (corrupt.size > maxCorrupt) return yield* new TooManyCorrupt({ max: maxCorrupt, paths: [...corrupt].map(([path, reason]) => `${path}: ${reason}`) })
          return new Batch(yield* owned("data_loader", () => toImages(pictures.pixels, pictures.samples.length, size, device)), pictures.samples)
        }),
        /** Every image found unreadable since this engine began, and why. */
        unreadable: () => Effect.sync(() => Array.from(corrupt, ([path, reason]) => ({ path, reason })))
      })
    })
  })
}
