/**
 * Mean and variance of latents over a set of images, position by position and channel by channel, in float64.
 *
 * Batches are merged by Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance" (1983): no difference of large sums, and
 * every image has the same weight. The published program keeps a moving average instead, which the last images dominate.
 */
import * as T from "../tensor/ops.ts"
import { keep, scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

export class LatentMoments {
  #count: number
  #mean: Tensor
  #squares: Tensor

  /** `mean` and `squares` (sums of squared deviations), [N,C] in float64 on the CPU, of `count` images; taken over. */
  constructor(count: number, mean: Tensor, squares: Tensor) {
    this.#count = count
    this.#mean = keep(mean)
    this.#squares = keep(squares)
  }

  static empty(tokens: number, width: number): LatentMoments {
    return new LatentMoments(0, T.zeros([tokens, width], { dtype: "float64" }), T.zeros([tokens, width], { dtype: "float64" }))
  }

  get count(): number {
    return this.#count
  }

  /** Adds a batch of latents [B,N,C]. */
  add(z_BNC: Tensor): void {
    const added = z_BNC.shape[0]!
    const total = this.#count + added
    const [mean, squares] = scope(() => {
      const z = T.to(z_BNC, { dtype: "float64", device: "cpu" })
      const own = T.mean(z, [0])
      const ownSquares = T.sum(T.square(T.sub(z, own)), [0])
      const apart = T.sub(own, this.#mean)
      return [
        T.add(this.#mean, T.mul(apart, added / total)),
        T.add(T.add(this.#squares, ownSquares), T.mul(T.square(apart), this.#count * added / total))
      ] as const
    })
    this.dispose()
    this.#mean = keep(mean)
    this.#squares = keep(squares)
    this.#count = total
  }

  /** What a later process goes on from: [N,C] in float64, still this object's. */
  state(): { readonly mean: Tensor; readonly squares: Tensor } {
    return { mean: this.#mean, squares: this.#squares }
  }

  /** The published layout: mean and population variance [C,H,W] in float32; the caller owns them. */
  statistics(): { readonly mean: Tensor; readonly var: Tensor } {
    const [tokens, width] = this.#mean.shape as [number, number]
    const side = Math.round(Math.sqrt(tokens))
    const layout = (t: Tensor) => T.to(T.reshape(T.contiguous(T.transpose(t, 0, 1)), [width, side, side]), { dtype: "float32" })
    return scope(() => ({ mean: keep(layout(this.#mean)), var: keep(layout(T.div(this.#squares, this.#count))) }))
  }

  dispose(): void {
    this.#mean.dispose()
    this.#squares.dispose()
  }
}
