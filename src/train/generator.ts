/**
 * The generator: the ViT decoder under training, its optimiser, and the graph of the reconstruction at hand.
 *
 * The graph never leaves: what crosses are images and gradients with respect to images. A batch larger than a micro-batch keeps
 * the graph of its last slice alone; the trunk of the others is computed again in `backward`.
 */
import { denormalise, signed } from "../models/image-space.ts"
import { type LatentStatistics, unstandardise } from "../models/latent-statistics.ts"
import { type DecoderConfig, decoderHead, decoderSpec, decoderTrunk, lastLayer } from "../models/vit-decoder.ts"
import type { Precision } from "../nn/precision.ts"
import { detach, enableGrad, grad } from "../tensor/grad.ts"
import { accumulate, quantize8 } from "../tensor/kernels.ts"
import * as T from "../tensor/ops.ts"
import { keep, scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import { type Slice, joined, sliceOf, slices } from "./micro-batches.ts"
import { AdamW, type OptimizerSettings, type Update } from "./optimizer.ts"
import { counter, prefixed, restore } from "./state.ts"
import { TrainableWeights } from "./trainable-weights.ts"

export interface GeneratorOptions {
  readonly config: DecoderConfig
  /** Under the names of decoderSpec, in float32; taken over. */
  readonly weights: ReadonlyMap<string, Tensor>
  readonly precision: Precision
  readonly optimizer: OptimizerSettings
  /** What the encoder standardised the latents by. */
  readonly statistics?: LatentStatistics | null
}

/** Noise on the latents of a batch: sigma [B,1,1] · normal [B,N,C]. */
export interface LatentNoise {
  readonly sigma: Tensor
  readonly normal: Tensor
}

/** One slice of the batch that `forward` was given last. */
interface Pending {
  readonly slice: Slice
  readonly z: Tensor
  /** What the last layer reads; carries the graph of the trunk if `graph`. */
  readonly trunk: Tensor
  readonly graph: boolean
}

/** Keeps the adaptive weight finite where the adversarial gradient vanishes (Esser et al. 2021). */
const WEIGHT_EPS = 1e-6

export class Generator {
  readonly #options: GeneratorOptions
  readonly #weights: TrainableWeights
  readonly #optimizer: AdamW
  #pending: ReadonlyArray<Pending> = []
  #gradients: ReadonlyArray<Tensor> = []

  constructor(options: GeneratorOptions) {
    this.#options = options
    this.#weights = new TrainableWeights(decoderSpec(options.config), options.weights, options.precision)
    this.#optimizer = new AdamW(this.#weights, options.optimizer)
  }

  /** Clean latents [B,N,C] to reconstructions [B,3,S,S] in [0,1] (unclamped), ready for `adaptiveWeight` and `backward`. */
  forward(z: Tensor, noise: LatentNoise | null, microBatch: number): Tensor {
    this.#forget()
    return scope(() => {
      const parts = slices(z.shape[0]!, microBatch)
      // One by one: where memory ends in the middle, what is kept already must be known.
      const pending: Array<Pending> = []
      this.#pending = pending
      for (const [i, slice] of parts.entries()) {
        const graph = i === parts.length - 1
        pending.push(scope(() => {
          const noisy = detach(this.#latents(sliceOf(z, slice), noise === null ? null : { sigma: sliceOf(noise.sigma, slice), normal: sliceOf(noise.normal, slice) }))
          const trunk = graph ? enableGrad(() => this.#trunk(noisy)) : this.#trunk(noisy)
          return { slice, z: keep(noisy), trunk: keep(trunk), graph }
        }))
      }
      return joined(this.#pending.map(({ trunk }) => this.#pixels(detach(trunk))))
    })
  }

  /** ‖∂rec/∂W_last‖ / ‖∂adv/∂W_last‖ of the whole batch, from the two gradients with respect to its reconstructions. */
  adaptiveWeight(gRec: Tensor, gAdv: Tensor, max: number): number {
    return scope(() => {
      const last = this.#weights.compute.get(lastLayer)!
      const sums = [gRec, gAdv].map(() => T.zeros(last.shape, { device: last.device }))
      for (const { slice, trunk } of this.#pending) {
        const pixels = enableGrad(() => this.#pixels(detach(trunk)))
        for (const [i, g] of [gRec, gAdv].entries()) T.add_(sums[i]!, grad([pixels], [last], [sliceOf(g, slice)], { retainGraph: true })[0]!)
      }
      const [rec, adv] = sums.map((sum) => T.item(T.norm(sum))) as [number, number]
      return Math.min(max, rec / (adv + WEIGHT_EPS))
    })
  }

  /** Gradients of the weights from that of the reconstructions; frees the graph. */
  backward(gRecon: Tensor): void {
    this.#dropGradients()
    const { leaves } = this.#weights
    const many = this.#pending.length > 1
    const sums = many ? scope(() => leaves.map((weight) => T.zeros(weight.shape, { device: weight.device }))).map(keep) : []
    this.#gradients = sums
    for (const { slice, z, trunk, graph } of [...this.#pending].reverse()) {
      scope(() => {
        const pixels = enableGrad(() => this.#pixels(graph ? trunk : this.#trunk(z)))
        if (graph) trunk.dispose()
        const gradients = grad([pixels], leaves, [sliceOf(gRecon, slice)])
        if (many) accumulate(sums, gradients)
        else this.#gradients = gradients.map(keep)
      })
    }
    this.#forget()
  }

  /** The gradients that `update` will take, by name. */
  gradients(): ReadonlyMap<string, Tensor> {
    return new Map(this.#weights.names.map((name, i) => [name, this.#gradients[i]!]))
  }

  update(): Update {
    const update = this.#optimizer.update(this.#gradients)
    this.#dropGradients()
    return update
  }

  /** Clean latents to images in [-1,1] with the present weights, without noise, rounded to 8 bits as if saved and read. */
  reconstruct(z: Tensor, microBatch: number): Tensor {
    return scope(() => joined(slices(z.shape[0]!, microBatch).map((slice) =>
      scope(() => quantize8(signed(this.#pixels(this.#trunk(this.#latents(sliceOf(z, slice), null)))))))))
  }

  /** Aliases of the float32 weights, constants too; the caller frees them. */
  weights(): ReadonlyMap<string, Tensor> {
    return new Map(Array.from(this.#weights.masters, ([name, master]) => [name, detach(master)]))
  }

  state(): ReadonlyMap<string, Tensor> {
    return new Map([...prefixed("decoder.", this.#weights.masters), ...this.#optimizer.state("optimizer.decoder.")])
  }

  counters(): Readonly<Record<string, number>> {
    return { "optimizer.decoder.step": this.#optimizer.steps }
  }

  /** Takes over saved values. Given its own `state()`, written to from outside, it follows that. */
  load(state: ReadonlyMap<string, Tensor>, counters: Readonly<Record<string, number>>): void {
    restore(this.state(), state)
    this.#optimizer.steps = counter(counters, "optimizer.decoder.step")
    this.#weights.refresh()
    this.abandon()
  }

  /** Lets go of a step that broke off, wherever it did: its graph and its gradients. */
  abandon(): void {
    this.#forget()
    this.#dropGradients()
  }

  dispose(): void {
    this.abandon()
    this.#optimizer.dispose()
    this.#weights.dispose()
  }

  #latents(z: Tensor, noise: LatentNoise | null): Tensor {
    return scope(() => {
      const { statistics } = this.#options
      const clean = statistics ? unstandardise(z, statistics) : z
      // drawn on the CPU, the same on every device
      return noise === null ? clean : T.add(clean, T.to(T.mul(noise.normal, noise.sigma), { device: clean.device }))
    })
  }

  #trunk(z: Tensor): Tensor {
    return decoderTrunk(this.#weights.compute, z, this.#options.config)
  }

  #pixels(trunk: Tensor): Tensor {
    return denormalise(decoderHead(this.#weights.compute, trunk, this.#options.config), this.#options.config)
  }

  #forget(): void {
    for (const { z, trunk } of this.#pending) {
      z.dispose()
      trunk.dispose()
    }
    this.#pending = []
  }

  #dropGradients(): void {
    for (const gradient of this.#gradients) gradient.dispose()
    this.#gradients = []
  }
}
