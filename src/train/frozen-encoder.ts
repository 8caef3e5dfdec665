/** The frozen encoder: images to clean latents. */
import { type EncoderConfig, encode, encoderSpec } from "../models/encoder.ts"
import { normalise } from "../models/image-space.ts"
import { type LatentStatistics, standardise } from "../models/latent-statistics.ts"
import type { Precision } from "../nn/precision.ts"
import { frozenWeights } from "../nn/working-copies.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import { joined, sliceOf, slices } from "./micro-batches.ts"

export interface FrozenEncoderOptions {
  readonly config: EncoderConfig
  /** Under the published names, in float32; taken over. */
  readonly weights: ReadonlyMap<string, Tensor>
  readonly precision: Precision
  /** Side that images are resized to (bicubic). */
  readonly inputSize: number
  readonly statistics?: LatentStatistics | null
}

export class FrozenEncoder {
  readonly #options: FrozenEncoderOptions
  readonly #weights: ReadonlyMap<string, Tensor>

  constructor(options: FrozenEncoderOptions) {
    this.#options = options
    this.#weights = frozenWeights(encoderSpec(options.config), options.weights, options.precision)
  }

  /** Images [B,3,S,S] in [0,1] to latents [B,N,C] in float32, standardised where the encoder has statistics. */
  features(images: Tensor, microBatch: number): Tensor {
    return scope(() => joined(slices(images.shape[0]!, microBatch).map((slice) => this.#encode(sliceOf(images, slice)))))
  }

  #encode(images: Tensor): Tensor {
    const { config, inputSize, statistics } = this.#options
    return scope(() => {
      const sized = images.shape.at(-1) === inputSize && images.shape.at(-2) === inputSize ? images : T.interpolate(images, [inputSize, inputSize], "bicubic")
      const z = encode(this.#weights, normalise(sized, config), config)
      return statistics ? standardise(z, statistics) : z
    })
  }

  dispose(): void {
    for (const tensor of this.#weights.values()) tensor.dispose()
  }
}
