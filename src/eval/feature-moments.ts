/**
 * Mean and covariance of features, gathered batch by batch in double.
 *
 * The covariance is kept as a factor F with FᵀF = Σ (x - mean)(x - mean)ᵀ and never multiplied out: of few samples F has few rows, and what
 * is small beside the largest variance keeps its digits. Batches are joined by Chan's update, F is kept short by QR decompositions.
 */
import * as T from "../tensor/ops.ts"
import { keep, scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

/** A covariance's eigenvalues that are negative beyond this part of the largest are no rounding, not even float32's of 2048 × 2048 numbers. */
const mostNegative = 1e-4
const mostAsymmetric = 1e-5

/** Moments of a distribution, in double: mean [D], and F [rows,D] with FᵀF its covariance. */
export interface Moments {
  readonly count: number | null
  readonly mean: Tensor
  readonly factor: Tensor
}

export class InvalidMoments extends Error {
  override readonly name = "InvalidMoments"
}

export class FeatureMoments {
  readonly #width: number
  #count = 0
  #mean: Tensor
  #factor: Tensor

  constructor(width: number) {
    this.#width = width
    this.#mean = keep(T.zeros([width], { dtype: "float64" }))
    this.#factor = keep(T.zeros([0, width], { dtype: "float64" }))
  }

  get count(): number {
    return this.#count
  }

  /** Features [B,D] of any float dtype, on any device; B at least 1. */
  add(features: Tensor): void {
    const added = features.shape[0]!
    const [mean, factor] = scope(() => {
      const x = T.to(features, { dtype: "float64", device: "cpu" })
      const own = T.mean(x, [0])
      const between = T.sub(own, this.#mean)
      const total = this.#count + added
      const step = T.mul(between, Math.sqrt(this.#count * added / total))
      const rows = T.cat([this.#factor, T.sub(x, own), ...(this.#count === 0 ? [] : [T.view(step, [1, this.#width])])], 0)
      return [T.add(this.#mean, T.mul(between, added / total)), rows.shape[0]! > 2 * this.#width ? T.triangularFactor(rows) : rows] as const
    })
    this.#replace(mean, factor)
    this.#count += added
  }

  #replace(mean: Tensor, factor: Tensor): void {
    this.dispose()
    this.#mean = keep(mean)
    this.#factor = keep(factor)
  }

  /** Of the samples so far, with the unbiased covariance (numpy.cov); at least 2 of them. The caller owns the tensors. */
  moments(): Moments {
    if (this.#count < 2) throw new InvalidMoments(`${this.#count} samples, expected at least 2`)
    return { count: this.#count, mean: T.clone(this.#mean), factor: T.div(this.#factor, Math.sqrt(this.#count - 1)) }
  }

  dispose(): void {
    this.#mean.dispose()
    this.#factor.dispose()
  }
}

/** Moments of a published file: mean [D] and covariance [D,D], in double. Throws InvalidMoments where that is no covariance. */
export const momentsOf = (mean: Float64Array, covariance: Float64Array): Moments => {
  const width = mean.length
  if (!mean.every(Number.isFinite) || !covariance.every(Number.isFinite)) throw new InvalidMoments("numbers that are not finite")
  return scope(() => {
    const sigma = T.fromFloat64(covariance, [width, width])
    const asymmetry = T.maxAbs(T.sub(sigma, T.transpose(sigma, 0, 1)))
    if (asymmetry > mostAsymmetric * T.maxAbs(sigma)) throw new InvalidMoments(`a covariance must be symmetric; sigma and its transpose differ by ${asymmetry.toPrecision(3)}`)
    const [values, vectors] = T.eigenSymmetric(sigma)
    const variances = T.toFloat64(values)
    const [least = 0, largest = 0] = [variances[0], variances.at(-1)]
    if (least < -mostNegative * Math.max(largest, 0)) throw new InvalidMoments(`a covariance has no negative variance; sigma has ${least.toPrecision(3)} beside ${largest.toPrecision(3)}`)
    // below this a variance is what rounding left of zero: the covariance of N samples has N - 1 others
    const noise = width * Number.EPSILON * largest
    const deviations = variances.map((variance) => variance > noise ? Math.sqrt(variance) : 0)
    return { count: null, mean: T.fromFloat64(mean, [width]), factor: T.transpose(T.mul(vectors, T.fromFloat64(deviations, [1, width])), 0, 1) }
  })
}

/** FᵀF: the covariance [D,D]. */
export const covarianceOf = ({ factor }: Moments): Tensor => scope(() => T.matmul(T.transpose(factor, 0, 1), factor))
