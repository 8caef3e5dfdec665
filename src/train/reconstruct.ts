/** Latents to images with a given set of decoder weights, without noise or graph: what evaluation needs of the averaged weights. */
import { denormalise } from "../models/image-space.ts"
import { type LatentStatistics, unstandardise } from "../models/latent-statistics.ts"
import { type DecoderConfig, decoderHead, decoderTrunk } from "../models/vit-decoder.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

/** Latents [B,N,C] to images [B,3,S,S] in [0,1], unclamped; `weights` in the dtypes that they are computed in. */
export const reconstructWith = (weights: ReadonlyMap<string, Tensor>, config: DecoderConfig, statistics: LatentStatistics | null, z: Tensor): Tensor =>
  scope(() => denormalise(decoderHead(weights, decoderTrunk(weights, statistics === null ? z : unstandardise(z, statistics), config), config), config))
