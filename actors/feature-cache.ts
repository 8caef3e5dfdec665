/**
 * The feature cache: clean latents of a batch, from the disk where they lie, else from the frozen encoder.
 *
 * A batch with any miss is encoded whole (same shapes, same bits), so a cached run equals an uncached one. It holds nothing that a restart
 * could lose, and a disk that refuses only makes it slower.
 */
import * as Effect from "effect/Effect"
import { cropName } from "../src/data/crop.ts"
import { type FeatureCache, openFeatureCache } from "../src/data/feature-cache.ts"
import { type Encoding, featureKey } from "../src/data/feature-key.ts"
import type { Sample } from "../src/data/source.ts"
import { actor } from "../src/runtime/actor.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { slices } from "../src/train/micro-batches.ts"
import { type Event, make as event } from "./events.ts"
import { faultable } from "./fault-points.ts"
import { owned } from "./ownership.ts"
import { engineChildren } from "./tree.ts"

export interface Options {
  readonly run: string
  readonly dir: string
  readonly maxBytes: number
  /** Left to the next checkpoint on the same disk, in bytes. */
  readonly keepFree: number
  /** False where no latent can be needed twice. */
  readonly enabled: boolean
  readonly encoding: Omit<Encoding, "batchShape" | "place">
  /** [B,3,H,W] in [0,1] to clean latents [B,N,C], float32. */
  readonly encode: (images: Tensor, microBatch: number) => Tensor
  /** Tokens and width of a latent: [N, C]. */
  readonly shape: readonly [number, number]
  readonly device: "cpu" | `cuda:${number}`
  readonly emit: (event: Event) => void
}

/** The reply to `features`: the asker takes the tensor over. */
export class Latents {
  readonly z: Tensor
  constructor(z: Tensor) { this.z = z }
}
const latents = (z: Tensor) => new Latents(z)

export interface Usage {
  readonly hits: number
  readonly misses: number
  readonly encoded: number
  readonly dropped: number
  readonly bytes: number
  readonly enabled: boolean
}

export const featureCache = (options: Options) => {
  const { emit, encode, encoding, run, shape: [tokens, width] } = options
  let encoded = 0

  const usage = (cache: FeatureCache | null): Usage => {
    const status = cache?.status()
    return { hits: status?.hits ?? 0, misses: status?.misses ?? 0, encoded, dropped: status?.corrupt ?? 0, bytes: status?.bytes ?? 0, enabled: cache !== null }
  }

  const encodeBatch = (images: Tensor, microBatch: number) => owned("feature_cache", () => {
    const z = encode(images, microBatch)
    encoded += images.shape[0] ?? 0
    return z
  })

  const fromDisk = (features: ReadonlyArray<Uint8Array>) => owned("feature_cache", () => scope(() => {
    const floats = new Float32Array(features.length * tokens * width)
    const bytes = new Uint8Array(floats.buffer)
    for (const [at, feature] of features.entries()) bytes.set(feature, at * tokens * width * 4)
    return T.to(T.fromFloat32(floats, [features.length, tokens, width]), { device: options.device })
  }))

  return actor({
    name: "feature_cache", capacity: engineChildren.feature_cache.capacity,
    init: Effect.gen(function*() {
      const cache = options.enabled ? yield* Effect.promise(() => openFeatureCache({ dir: options.dir, maxBytes: options.maxBytes, keepFree: options.keepFree })) : null
      const keysOf = (samples: ReadonlyArray<Sample>, [, ...image]: ReadonlyArray<number>, microBatch: number) =>
        slices(samples.length, microBatch).flatMap(({ length, start }) =>
          samples.slice(start, start + length).map(({ crop, hash }, place) => featureKey({ ...encoding, batchShape: [length, ...image], place }, hash, cropName(crop))))

      const store = Effect.fnUntraced(function*(open: FeatureCache, keys: ReadonlyArray<string>, z: Tensor) {
        const bytes = T.toBytes(z)
        const each = bytes.byteLength / keys.length
        const stored = yield* Effect.promise(() => open.write(keys.map((key, at) => ({ key, feature: bytes.subarray(at * each, (at + 1) * each) }))))
        if (stored.paused !== null) emit(event("feature_cache.failed", run, { reason: stored.paused.message }))
      })

      return faultable("feature_cache", {
        /** Clean latents [B,N,C] of a batch's images, encoded so many at a time; the images stay the asker's. */
        features: Effect.fnUntraced(function*(images: Tensor, samples: ReadonlyArray<Sample>, microBatch: number) {
          if (cache === null) return latents(yield* encodeBatch(images, microBatch))
          const keys = keysOf(samples, images.shape, microBatch)
          const found = yield* Effect.promise(() => cache.read(keys))
          if (found.kind === "hit") return latents(yield* fromDisk(found.features))
          for (const { message } of found.corrupt) emit(event("feature_cache.failed", run, { reason: message }))
          const z = yield* encodeBatch(images, microBatch)
          yield* store(cache, keys, z).pipe(Effect.onError(() => Effect.sync(() => z.dispose())))
          return latents(z)
        }),
        usage: () => Effect.sync(() => usage(cache))
      })
    }),
    // What nobody will read is either a letter's arguments, which stay the asker's, or latents of ours.
    onDrop: (values) => { for (const value of values) if (value instanceof Latents) value.z.dispose() }
  })
}
