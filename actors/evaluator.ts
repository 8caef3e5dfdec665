/**
 * The evaluator: PSNR, SSIM and LPIPS of reconstructions of held-out images by the averaged weights, and a picture of some of them.
 *
 * It holds nothing that cannot be computed again, and its failure is no one else's.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { mkdir, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import sharp from "sharp"
import type { RunConfig } from "../src/config/schema.ts"
import type { ImageSource } from "../src/data/source.ts"
import { lpips } from "../src/eval/lpips.ts"
import { picture } from "../src/eval/picture.ts"
import { psnr } from "../src/eval/psnr.ts"
import { ssim } from "../src/eval/ssim.ts"
import type { LatentStatistics } from "../src/models/latent-statistics.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import { frozenWeights } from "../src/nn/working-copies.ts"
import { actor } from "../src/runtime/actor.ts"
import { detach } from "../src/tensor/grad.ts"
import * as T from "../src/tensor/ops.ts"
import { scope, withOwner } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { reconstructWith } from "../src/train/reconstruct.ts"
import type { FrozenEncoder } from "../src/train/frozen-encoder.ts"
import type { ReconstructionLoss } from "../src/train/reconstruction-loss.ts"
import { toImages } from "./data-loader.ts"
import { type Event, make as event } from "./events.ts"
import { faultable } from "./fault-points.ts"
import { owned, reclaimed } from "./ownership.ts"
import { engineChildren } from "./tree.ts"

export interface Options {
  readonly run: string
  readonly runDir: string
  readonly config: RunConfig
  readonly source: ImageSource
  readonly encoder: FrozenEncoder
  readonly reconstruction: ReconstructionLoss
  readonly statistics: LatentStatistics | null
  readonly emit: (event: Event) => void
}

export class EvaluationFailed extends Schema.TaggedError<EvaluationFailed>()("EvaluationFailed", { reason: Schema.String }) {
  override get message() { return this.reason }
}
const failed = (cause: unknown) => new EvaluationFailed({ reason: cause instanceof Error ? cause.message : String(cause) })

/** [B,3,S,S] in [0,1], rounded to 8 bits as if saved and read: what a picture file would hold. */
const eightBits = (images: Tensor): Tensor => T.div(T.round(T.mul(T.clamp(images, 0, 1), 255)), 255)

export const evaluatorActor = (options: Options) => {
  const { config, emit, encoder, reconstruction, run, runDir, source } = options
  const { batch_size: batchSize, images: wanted, metrics, samples } = config.eval
  const { image_size: size } = config.data
  const count = Math.min(wanted, source.count)

  const originals = async (start: number) => {
    const taken = await Promise.all(Array.from({ length: Math.min(batchSize, count - start) }, (_, i) => source.evaluation(start + i, size)))
    const pixels = new Uint8Array(taken.length * size * size * 3)
    for (const [at, sample] of taken.entries()) pixels.set(sample.pixels, at * size * size * 3)
    return { pixels, count: taken.length }
  }

  /** Writes originals above reconstructions, beside and renamed, so that a reader never sees half a picture. */
  const writePicture = async (step: number, above: Tensor, below: Tensor): Promise<string> => {
    const dir = join(runDir, "eval")
    const path = join(dir, `step-${String(step).padStart(9, "0")}.png`)
    const { height, rgb, width } = picture(above, below)
    await mkdir(dir, { recursive: true })
    await writeFile(`${path}.new`, await sharp(rgb, { raw: { width, height, channels: 3 } }).png().toBuffer())
    await rename(`${path}.new`, path)
    return path
  }

  const measure = (weights: ReadonlyMap<string, Tensor>, images: Tensor) => {
    const z = encoder.features(images, batchSize)
    const recon = eightBits(reconstructWith(weights, config.architecture.decoder, options.statistics, z))
    return {
      recon, psnr: sum(psnr(recon, images)), ssim: sum(ssim(recon, images)),
      lpips: metrics.includes("lpips") ? sum(lpips(reconstruction.weights, recon, images)) : null
    }
  }

  return actor({
    name: "evaluator", capacity: engineChildren.evaluator.capacity,
    init: Effect.gen(function*() {
      yield* reclaimed("evaluator")
      return faultable("evaluator", {
        /** `weights` are float32 and stay the asker's. */
        evaluate: Effect.fnUntraced(function*(step: number, weights: ReadonlyMap<string, Tensor>) {
          const started = performance.now()
          const spec = decoderSpec(config.architecture.decoder)
          // Aliases: what needs no conversion is not copied.
          const working = yield* owned("evaluator", () => frozenWeights(spec, new Map([...weights].map(([name, weight]) => [name, detach(weight)] as const)), config.training.precision))
          let totals = { psnr: 0, ssim: 0, lpips: 0 }
          const shown: Array<{ readonly above: Tensor; readonly below: Tensor }> = []
          for (let start = 0; start < count; start += batchSize) {
            const taken = yield* Effect.tryPromise({ try: () => originals(start), catch: failed })
            const images = yield* owned("evaluator", () => toImages(taken.pixels, taken.count, size))
            const measured = yield* Effect.try({ try: () => withOwner("evaluator", () => scope(() => measure(working, images))), catch: failed })
            totals = { psnr: totals.psnr + measured.psnr, ssim: totals.ssim + measured.ssim, lpips: totals.lpips + (measured.lpips ?? 0) }
            if (start < samples) shown.push({ above: images, below: measured.recon })
            else for (const tensor of [images, measured.recon]) tensor.dispose()
          }
          const path = samples === 0 ? null : yield* Effect.tryPromise({
            try: () => {
              const [above, below] = withOwner("evaluator", () => [T.cat(shown.map((pair) => pair.above), 0), T.cat(shown.map((pair) => pair.below), 0)] as const)
              return writePicture(step, above, below)
            },
            catch: failed
          })
          yield* reclaimed("evaluator")
          emit(event("eval.finished", run, {
            step, images: count, psnr: totals.psnr / count, ssim: totals.ssim / count, lpips: metrics.includes("lpips") ? totals.lpips / count : null,
            seconds: (performance.now() - started) / 1000, picture: path
          }))
        }, Effect.tapError(() => reclaimed("evaluator")))
      })
    })
  })
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)
