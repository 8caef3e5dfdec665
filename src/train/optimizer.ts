/** AdamW (Loshchilov and Hutter 2019) over a role's weights, with its schedule and gradient clipping. */
import { adamw, gradStats } from "../tensor/kernels.ts"
import * as T from "../tensor/ops.ts"
import { keep } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import { type Schedule, rateAt } from "./schedule.ts"
import { prefixed } from "./state.ts"
import type { TrainableWeights } from "./trainable-weights.ts"

export interface OptimizerSettings {
  readonly schedule: Schedule
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly weightDecay: number
  /** Largest L2 norm of the whole gradient; null: no clipping. */
  readonly clipNorm: number | null
}

export interface Update {
  /** False where a gradient was not finite: then nothing was written. */
  readonly applied: boolean
  /** L2 norm of the whole gradient before clipping. */
  readonly gradNorm: number
  readonly lr: number
}

/**
 * A gradient of a larger norm counts as not finite: float32 cannot hold its square. Below it every value that an update writes is finite where
 * those before were: the moments are means of what is bounded, a weight moves by little more than the learning rate, and the average of the
 * weights lies between them. So one look at losses and gradients, in the pass that the norm needs anyway, answers for the whole state.
 */
const LARGEST_NORM = 1e18
/** Added to the norm that a gradient is clipped by, as in the usual clip_grad_norm_. */
const CLIP_EPS = 1e-6

export class AdamW {
  readonly #weights: TrainableWeights
  readonly #settings: OptimizerSettings
  readonly #first: ReadonlyArray<Tensor>
  readonly #second: ReadonlyArray<Tensor>
  /** Updates made. */
  steps = 0

  constructor(weights: TrainableWeights, settings: OptimizerSettings) {
    const moments = () => weights.trainedMasters().map((master) => keep(T.zeros(master.shape, { device: master.device })))
    this.#weights = weights
    this.#settings = settings
    this.#first = moments()
    this.#second = moments()
  }

  /** One update from gradients in the order of the weights' names. */
  update(gradients: ReadonlyArray<Tensor>): Update {
    const { schedule, betas: [beta1, beta2], eps, weightDecay, clipNorm } = this.#settings
    const lr = rateAt(schedule, this.steps)
    const { sumSquares, finite } = gradStats(gradients)
    const gradNorm = Math.sqrt(sumSquares)
    if (!finite || !(gradNorm < LARGEST_NORM)) return { applied: false, gradNorm: Number.NaN, lr }
    this.steps += 1
    const gradScale = clipNorm === null ? 1 : Math.min(1, clipNorm / (gradNorm + CLIP_EPS))
    const options = { lr, beta1, beta2, eps, weightDecay, step: this.steps, gradScale }
    const masters = this.#weights.trainedMasters()
    const { working } = this.#weights
    for (const copied of [true, false]) {
      const chosen = <A>(all: ReadonlyArray<A>) => all.filter((_, i) => (working[i] !== null) === copied)
      const copies = copied ? working.filter((copy) => copy !== null) : null
      adamw(chosen(masters), chosen(gradients), chosen(this.#first), chosen(this.#second), copies, options)
    }
    return { applied: true, gradNorm, lr }
  }

  state(prefix: string): ReadonlyArray<readonly [string, Tensor]> {
    const named = (moments: ReadonlyArray<Tensor>) => this.#weights.names.map((name, i) => [name, moments[i]!] as const)
    return [...prefixed(`${prefix}m.`, named(this.#first)), ...prefixed(`${prefix}v.`, named(this.#second))]
  }

  dispose(): void {
    for (const tensor of [...this.#first, ...this.#second]) tensor.dispose()
  }
}
