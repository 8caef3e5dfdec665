/**
 * The evaluator: PSNR, SSIM, LPIPS and rFID of reconstructions of held-out images by the averaged weights, and a picture of some of them.
 *
 * It holds nothing that cannot be computed again, and its failure is no one else's.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { DiskFull, WriteFailed } from "../src/checkpoint/storage-errors.ts"
import type { RunConfig } from "../src/config/schema.ts"
import type { ImageSource } from "../src/data/source.ts"
import { reconstruct } from "../src/eval/autoencoder.ts"
import { Measurement } from "../src/eval/measurement.ts"
import { picture } from "../src/eval/picture.ts"
import { type Originals, readOriginals } from "../src/eval/reconstruction.ts"
import { toImages } from "../src/models/image-space.ts"
import type { LatentStatistics } from "../src/models/latent-statistics.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import { frozenWeights } from "../src/nn/working-copies.ts"
import { actor } from "../src/runtime/actor.ts"
import { detach } from "../src/tensor/grad.ts"
import * as T from "../src/tensor/ops.ts"
import { scope, withOwner } from "../src/tensor/scope.ts"
import type { Device } from "../src/tensor/dtype.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import type { FrozenEncoder } from "../src/train/frozen-encoder.ts"
import type { ReconstructionLoss } from "../src/train/reconstruction-loss.ts"
import { type Event, make as event } from "./events.ts"
import { faultable } from "./fault-points.ts"
import { loadInception } from "./inception-weights.ts"
import { owned, reclaimed } from "./ownership.ts"
import { stored, writePng } from "./reconstruction-files.ts"
import { engineChildren } from "./tree.ts"

export interface Options {
  readonly run: string
  readonly runDir: string
  readonly config: RunConfig
  readonly source: ImageSource
  readonly encoder: FrozenEncoder
  readonly reconstruction: ReconstructionLoss
  readonly statistics: LatentStatistics | null
  readonly device: Device
  readonly emit: (event: Event) => void
}

export class EvaluationFailed extends Schema.TaggedError<EvaluationFailed>()("EvaluationFailed", { reason: Schema.String }) {
  override get message() { return this.reason }
}
/** Nobody waits for the figures any more; `images` were measured. */
export class EvaluationCutOff extends Schema.TaggedError<EvaluationCutOff>()("EvaluationCutOff", { images: Schema.Int }) {
  override get message() { return `cut off after ${this.images} images` }
}
const failed = (cause: unknown) => new EvaluationFailed({ reason: cause instanceof Error ? cause.message : String(cause) })

export const evaluatorActor = (options: Options) => {
  const { config, emit, encoder, reconstruction, run, runDir, source } = options
  const { batch_size: batchSize, images: wanted, metrics, samples } = config.eval
  const { image_size: size } = config.data
  const count = Math.min(wanted, source.count)

  /** Outlives restarts: an image is told of once. */
  const unreadable = new Set<string>()
  /** Those of a batch that can be read: no figure may hang on one bad file. */
  const originals = async (start: number): Promise<Originals> => {
    const read = await readOriginals(source, start, Math.min(start + batchSize, count), size)
    for (const { path, reason } of read.unreadable) {
      if (!unreadable.has(path)) emit(event("eval.image_unreadable", run, { path, reason }))
      unreadable.add(path)
    }
    return read
  }

  /** Writes originals above reconstructions. Gives the path, or null where the disk refused: the figures stand without it. */
  const writePicture = async (step: number, above: Tensor, below: Tensor): Promise<string | null> => {
    const dir = join(runDir, "eval")
    const path = join(dir, `step-${String(step).padStart(9, "0")}.png`)
    const { height, rgb, width } = picture(above, below)
    try {
      await stored("mkdir", dir, () => mkdir(dir, { recursive: true }))
      await writePng(path, rgb, width, height)
      return path
    } catch (error) {
      if (!(error instanceof DiskFull || error instanceof WriteFailed)) throw error
      emit(event("eval.picture_failed", run, { step, reason: error.message }))
      return null
    }
  }

  /** Batches are measured whole; the picture has as many columns as were asked for. */
  const firstSamples = (batches: ReadonlyArray<Tensor>): Tensor => {
    const all = T.cat(batches, 0)
    return T.narrow(all, 0, 0, Math.min(samples, all.shape[0] ?? 0))
  }

  const measure = (measurement: Measurement, weights: ReadonlyMap<string, Tensor>, images: Tensor): Tensor => {
    const recon = reconstruct({ encoder, decoder: { config: config.architecture.decoder, weights }, statistics: options.statistics }, images)
    measurement.add(images, recon)
    return recon
  }

  return actor({
    name: "evaluator", capacity: engineChildren.evaluator.capacity,
    init: Effect.gen(function*() {
      yield* reclaimed("evaluator")
      return faultable("evaluator", {
        /** `weights` are float32 and stay the asker's; `wanted` is asked before every batch. */
        evaluate: Effect.fnUntraced(function*(step: number, weights: ReadonlyMap<string, Tensor>, wanted: () => boolean) {
          const started = performance.now()
          const spec = decoderSpec(config.architecture.decoder)
          // Aliases: what needs no conversion is not copied.
          const working = yield* owned("evaluator", () => frozenWeights(spec, new Map([...weights].map(([name, weight]) => [name, detach(weight)] as const)), config.training.precision))
          // Inception is there while it is needed: between two evaluations its memory is training's
          const inception = metrics.includes("rfid") ? yield* Effect.try({ try: () => withOwner("evaluator", () => loadInception(config, options.device)), catch: failed }) : null
          const measurement = yield* owned("evaluator", () => new Measurement({
            lpips: metrics.includes("lpips") ? reconstruction.weights : null, rfid: inception === null ? null : { inception, reference: null }
          }))
          const shown: Array<{ readonly above: Tensor; readonly below: Tensor }> = []
          for (let start = 0; start < count; start += batchSize) {
            if (!wanted()) return yield* new EvaluationCutOff({ images: measurement.images })
            const taken = yield* Effect.tryPromise({ try: () => originals(start), catch: failed })
            if (taken.samples.length === 0) continue
            const images = yield* owned("evaluator", () => toImages(taken.pixels, taken.samples.length, size, options.device))
            const recon = yield* Effect.try({ try: () => withOwner("evaluator", () => scope(() => measure(measurement, working, images))), catch: failed })
            if (start < samples) shown.push({ above: images, below: recon })
            else for (const tensor of [images, recon]) tensor.dispose()
          }
          if (measurement.images === 0) return yield* new EvaluationFailed({ reason: `none of ${count} held-out images can be read` })
          const path = shown.length === 0 ? null : yield* Effect.tryPromise({
            try: () => {
              const [above, below] = withOwner("evaluator", () => [firstSamples(shown.map((pair) => pair.above)), firstSamples(shown.map((pair) => pair.below))] as const)
              return writePicture(step, above, below)
            },
            catch: failed
          })
          const { images, lpips, psnr, rfid, ssim } = yield* Effect.try({ try: () => withOwner("evaluator", () => measurement.figures()), catch: failed })
          yield* reclaimed("evaluator")
          emit(event("eval.finished", run, { step, images, psnr, ssim, lpips, ...(rfid === null ? {} : { rfid }), seconds: (performance.now() - started) / 1000, picture: path }))
        }, Effect.tapError(() => reclaimed("evaluator")))
      })
    })
  })
}
