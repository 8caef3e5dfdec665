/** Encoder and decoder as one: images to their reconstructions, as evaluation measures and shows them. */
import { inEightBits } from "../models/image-space.ts"
import type { LatentStatistics } from "../models/latent-statistics.ts"
import type { DecoderConfig } from "../models/vit-decoder.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import type { FrozenEncoder } from "../train/frozen-encoder.ts"
import { reconstructWith } from "../train/reconstruct.ts"

export interface Autoencoder {
  readonly encoder: FrozenEncoder
  readonly decoder: {
    readonly config: DecoderConfig
    /** Under the published names, in the dtypes that they are computed in. */
    readonly weights: ReadonlyMap<string, Tensor>
  }
  readonly statistics: LatentStatistics | null
}

/** Images [B,3,S,S] in [0,1] to their reconstructions [B,3,S,S] in whole steps of 1/255, all of them at once; without noise or graph. */
export const reconstruct = ({ decoder, encoder, statistics }: Autoencoder, images: Tensor): Tensor => scope(() => {
  const z_BNC = encoder.features(images, images.shape[0]!)
  return inEightBits(reconstructWith(decoder.weights, decoder.config, statistics, z_BNC))
})
