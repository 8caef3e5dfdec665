/**
 * The discriminator under training: heads on a frozen DINO ViT, their optimiser, and the singular vectors of spectral norm.
 *
 * Spectral norm makes one power iteration per image set (fake, then real) and update, whatever the number of micro-batches.
 */
import { type DiscriminatorLoss, type GeneratorLoss, discriminatorLosses, generatorLosses } from "../losses/adversarial.ts"
import { dinoSpec, dinoTaps } from "../models/dino.ts"
import { type DiscriminatorConfig, discriminatorHeads, headsSpec, spectralPaths } from "../models/dino-discriminator.ts"
import { signed } from "../models/image-space.ts"
import { type SpectralVectors, powerIteration } from "../models/spectral-norm.ts"
import { type Precision, productDtype } from "../nn/precision.ts"
import { frozenWeights } from "../nn/working-copies.ts"
import { detach, enableGrad, grad, leaf } from "../tensor/grad.ts"
import { accumulate, diffaug } from "../tensor/kernels.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import { joined, sliceOf, slices } from "./micro-batches.ts"
import { AdamW, type OptimizerSettings, type Update } from "./optimizer.ts"
import { counter, prefixed, restore } from "./state.ts"
import { TrainableWeights } from "./trainable-weights.ts"

export interface DiscriminatorOptions {
  readonly config: DiscriminatorConfig
  /** The frozen ViT's weights under the names of dinoSpec, in float32; taken over. */
  readonly dino: ReadonlyMap<string, Tensor>
  /** The heads' weights under the names of headsSpec, in float32; taken over. */
  readonly weights: ReadonlyMap<string, Tensor>
  readonly precision: Precision
  readonly loss: DiscriminatorLoss
  readonly generatorLoss: GeneratorLoss
  readonly optimizer: OptimizerSettings
}

export interface Judgement {
  readonly loss: number
  /** ∂loss/∂reconstruction, [B,3,S,S] */
  readonly gradient: Tensor
}

export interface Lesson extends Update {
  readonly loss: number
  readonly logitsFake: Tensor
  readonly logitsReal: Tensor
}

export class Discriminator {
  readonly #options: DiscriminatorOptions
  readonly #dino: ReadonlyMap<string, Tensor>
  readonly #weights: TrainableWeights
  readonly #optimizer: AdamW

  constructor(options: DiscriminatorOptions) {
    this.#options = options
    this.#dino = frozenWeights(dinoSpec(options.config.dino), options.dino, options.precision)
    this.#weights = new TrainableWeights(headsSpec(options.config), options.weights, "fp32")
    this.#optimizer = new AdamW(this.#weights, options.optimizer)
  }

  /** The generator's adversarial loss on reconstructions in [0,1] and its image gradient; `draws` [7,B,1,1] augment. */
  judge(recon: Tensor, draws: Tensor, microBatch: number): Judgement {
    const B = recon.shape[0]!
    return scope(() => {
      const parts = slices(B, microBatch).map((slice) => scope(() => {
        const variable = leaf(sliceOf(recon, slice))
        const loss = enableGrad(() => {
          const logits = this.#logits(this.#taps(signed(variable), sliceOf(draws, slice, 1)), this.#vectors())
          return T.mul(generatorLosses[this.#options.generatorLoss](logits), slice.length / B)
        })
        return { loss: T.item(loss), gradient: gradientOf(loss, [variable])[0]! }
      }))
      return { loss: total(parts), gradient: joined(parts.map(({ gradient }) => gradient)) }
    })
  }

  /** One update from fake images in [-1,1] and real ones in [0,1]. */
  learn(fake: Tensor, images: Tensor, drawsFake: Tensor, drawsReal: Tensor, microBatch: number): Lesson {
    const B = fake.shape[0]!
    return scope(() => {
      const vectorsFake = this.#iterate()
      const vectorsReal = this.#iterate()
      const { leaves } = this.#weights
      const sums = leaves.map((weight) => T.zeros(weight.shape, { device: weight.device }))
      const parts = slices(B, microBatch).map((slice) => scope(() => {
        // nothing below the heads is trained, so the ViT's graph is never built
        const tapsFake = this.#taps(sliceOf(fake, slice), sliceOf(drawsFake, slice, 1))
        const tapsReal = this.#taps(signed(sliceOf(images, slice)), sliceOf(drawsReal, slice, 1))
        const [loss, logitsFake, logitsReal] = enableGrad(() => {
          const logitsFake = this.#logits(tapsFake, vectorsFake)
          const logitsReal = this.#logits(tapsReal, vectorsReal)
          return [T.mul(discriminatorLosses[this.#options.loss](logitsReal, logitsFake), slice.length / B), logitsFake, logitsReal] as const
        })
        accumulate(sums, gradientOf(loss, leaves))
        return { loss: T.item(loss), logitsFake: detach(logitsFake), logitsReal: detach(logitsReal) }
      }))
      const update = this.#optimizer.update(sums)
      return {
        ...update,
        loss: total(parts),
        logitsFake: joined(parts.map(({ logitsFake }) => logitsFake)),
        logitsReal: joined(parts.map(({ logitsReal }) => logitsReal))
      }
    })
  }

  state(): ReadonlyMap<string, Tensor> {
    return new Map([...prefixed("disc.", this.#weights.masters), ...this.#optimizer.state("optimizer.disc.")])
  }

  counters(): Readonly<Record<string, number>> {
    return { "optimizer.disc.step": this.#optimizer.steps }
  }

  load(state: ReadonlyMap<string, Tensor>, counters: Readonly<Record<string, number>>): void {
    restore(this.state(), state)
    this.#optimizer.steps = counter(counters, "optimizer.disc.step")
  }

  dispose(): void {
    this.#optimizer.dispose()
    this.#weights.dispose()
    for (const tensor of this.#dino.values()) tensor.dispose()
  }

  #taps(x: Tensor, draws: Tensor): ReadonlyArray<Tensor> {
    const { dino, heads } = this.#options.config
    return scope(() => dinoTaps(this.#dino, diffaug(x, draws), dino, heads.key_depths))
  }

  #logits(taps: ReadonlyArray<Tensor>, vectors: SpectralVectors): Tensor {
    const { config, precision } = this.#options
    return discriminatorHeads(this.#weights.compute, taps, { config: config.heads, product: productDtype[precision], vectors })
  }

  /** The singular vectors as they are. */
  #vectors(): SpectralVectors {
    const { masters } = this.#weights
    return new Map(spectralPaths(this.#options.config).map((path) => [path, { u: masters.get(`${path}.weight_u`)!, v: masters.get(`${path}.weight_v`)! }]))
  }

  /** One power iteration on every spectral weight: writes the vectors and returns copies, which later iterations leave alone. */
  #iterate(): SpectralVectors {
    return scope(() => new Map(Array.from(this.#vectors(), ([path, { u, v }]) => {
      const next = powerIteration(this.#weights.masters.get(`${path}.weight_orig`)!, u)
      T.copy_(u, next.u)
      T.copy_(v, next.v)
      return [path, next] as const
    })))
  }
}

const total = (parts: ReadonlyArray<{ readonly loss: number }>): number => parts.reduce((sum, { loss }) => sum + loss, 0)

const gradientOf = (loss: Tensor, inputs: ReadonlyArray<Tensor>): ReadonlyArray<Tensor> => scope(() =>
  grad([loss], inputs, [T.full([], 1, { device: loss.device })]))
