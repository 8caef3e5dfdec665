/**
 * The discriminator's trainable part: small convolutional heads on the tokens of a frozen DINO ViT (dino.ts).
 *
 * Sauer et al., "StyleGAN-T: Unlocking the Power of GANs for Fast Large-Scale Text-to-Image Synthesis" (2023), with the heads of
 * the published representation autoencoders.
 *
 * Expected: tests/golden/stage1_tiny, logits within 1e-4 relative.
 */
import { cast } from "../nn/layers.ts"
import { type Spec, SpecBuilder } from "../nn/parameters.ts"
import { Weights } from "../nn/weights.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Dtype } from "../tensor/dtype.ts"
import type { Tensor } from "../tensor/tensor.ts"
import type { DinoConfig } from "./dino.ts"
import { type SpectralVectors, spectralSigma } from "./spectral-norm.ts"

export interface HeadsConfig {
  /** Blocks whose output a head reads, besides the last block's. */
  readonly key_depths: ReadonlyArray<number>
  /** Kernel size of each head's residual block. */
  readonly ks: number
  /** `bn`: local batch norm, statistics over the tokens of one image; `gn`: group norm in 32 groups. */
  readonly norm_type: "bn" | "gn"
  readonly norm_eps: number
  readonly using_spec_norm: boolean
}

export interface DiscriminatorConfig {
  readonly dino: DinoConfig
  readonly heads: HeadsConfig
}

export const publishedHeads: HeadsConfig = { key_depths: [2, 5, 8, 11], ks: 9, norm_type: "bn", norm_eps: 1e-6, using_spec_norm: true }

const NORM_GROUPS = 32
const SLOPE = 0.2

interface Convolution {
  readonly path: string
  readonly outputs: number
  readonly inputs: number
  readonly kernel: number
}

/** All convolutions, three to a head: pointwise, the residual block's, and the one to a logit. */
const convolutions = ({ dino: { embed_dim: C }, heads: { key_depths, ks } }: DiscriminatorConfig): ReadonlyArray<Convolution> =>
  [-1, ...key_depths].flatMap((_, h) => [
    { path: `heads.${h}.0.0`, outputs: C, inputs: C, kernel: 1 },
    { path: `heads.${h}.1.fn.0`, outputs: C, inputs: C, kernel: ks },
    { path: `heads.${h}.2`, outputs: 1, inputs: C, kernel: 1 }
  ])

/** Paths of the convolutions under spectral norm. */
export const spectralPaths = (config: DiscriminatorConfig): ReadonlyArray<string> =>
  config.heads.using_spec_norm ? convolutions(config).map(({ path }) => path) : []

export const headsSpec = (config: DiscriminatorConfig): Spec => {
  const spec = new SpecBuilder()
  const spectral = config.heads.using_spec_norm
  for (const { path, outputs, inputs, kernel } of convolutions(config)) {
    // the variance of a convolution's usual uniform initialisation
    const std = 1 / Math.sqrt(3 * inputs * kernel)
    spec.add(`${path}.${spectral ? "weight_orig" : "weight"}`, [outputs, inputs, kernel], { kind: "normal", std })
    spec.add(`${path}.bias`, [outputs], { kind: "constant", value: 0 })
    if (spectral) {
      for (const [name, length] of [["weight_u", outputs], ["weight_v", inputs * kernel]] as const) {
        spec.parameters.set(`${path}.${name}`, { shape: [length], use: "other", init: { kind: "unit" }, constant: true })
      }
    }
  }
  for (let h = 0; h <= config.heads.key_depths.length; h++) {
    spec.norm(`heads.${h}.0.1`, config.dino.embed_dim)
    spec.norm(`heads.${h}.1.fn.1`, config.dino.embed_dim)
  }
  return { model: "dino-discriminator", parameters: spec.parameters, ignored: [] }
}

export interface HeadOptions {
  readonly config: HeadsConfig
  /** What the convolutions compute in. */
  readonly product: Dtype
  /** Singular vectors by path; read only where the configuration has spectral norm. */
  readonly vectors: SpectralVectors
}

/** A convolution's weight: divided by its largest singular value where the configuration says so. */
const convolutionWeight = (w: Weights, { config, vectors }: HeadOptions): Tensor => {
  if (!config.using_spec_norm) return w.get("weight")
  const weight = w.get("weight_orig")
  return T.div(weight, spectralSigma(weight, vectors.get(w.path.slice(0, -1))!))
}

/** Convolution over the tokens with circular padding: [B,C,L] to [B,outputs,L], in float32. */
const tokenConvolution = (w: Weights, x_BCL: Tensor, options: HeadOptions): Tensor => {
  const weight = cast(convolutionWeight(w, options), options.product)
  const half = Math.floor(weight.shape[2]! / 2)
  const x = cast(x_BCL, options.product)
  const padded = half === 0 ? x : T.pad(x, [half, half], "circular")
  return cast(T.conv1d(padded, weight, cast(w.get("bias"), options.product)), "float32")
}

/** Norm of [B,C,L] over the tokens of each image, with scale and shift by channel. */
const tokenNorm = (w: Weights, x_BCL: Tensor, config: HeadsConfig): Tensor => {
  if (config.norm_type === "gn") return T.groupNorm(x_BCL, NORM_GROUPS, w.get("weight"), w.get("bias"), config.norm_eps)
  const channel = (name: string) => T.view(w.get(name), [1, x_BCL.shape[1]!, 1])
  const deviation = T.sqrt(T.add(T.variance(x_BCL, [2], { unbiased: false, keepdim: true }), config.norm_eps))
  return T.add(T.mul(T.div(T.sub(x_BCL, T.mean(x_BCL, [2], true)), deviation), channel("weight")), channel("bias"))
}

const head = (w: Weights, x_BCL: Tensor, options: HeadOptions): Tensor => {
  const layer = (path: string, x: Tensor) => {
    const at = w.at(path)
    return T.leakyRelu(tokenNorm(at.at("1"), tokenConvolution(at.at("0"), x, options), options.config), SLOPE)
  }
  const x = layer("0", x_BCL)
  const y = T.div(T.add(layer("1.fn", x), x), Math.SQRT2)
  return T.flatten(tokenConvolution(w.at("2"), y, options), 1)
}

/** Tokens (dinoTaps) to logits [B, heads · L] in float32. */
export const discriminatorHeads = (weights: ReadonlyMap<string, Tensor>, taps: ReadonlyArray<Tensor>, options: HeadOptions): Tensor => scope(() => {
  const w = new Weights(weights).at("heads")
  return T.cat(taps.map((tap, h) => scope(() => head(w.at(h), T.transpose(tap, 1, 2), options))), 1)
})
