/** The exponential moving average of the generator's weights: what is evaluated and published. */
import type { Spec } from "../nn/parameters.ts"
import { ema, gradStats } from "../tensor/kernels.ts"
import * as T from "../tensor/ops.ts"
import { keep, scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import { prefixed, restore } from "./state.ts"

export class Ema {
  readonly #decay: number
  readonly #average: ReadonlyMap<string, Tensor>
  /** Names that are averaged; a constant stays as it is. */
  readonly #names: ReadonlyArray<string>

  /** Starts as a copy of `weights`, those of the generator that `spec` describes. */
  constructor(spec: Spec, weights: ReadonlyMap<string, Tensor>, decay: number) {
    this.#decay = decay
    this.#average = new Map(Array.from(weights, ([name, weight]) => [name, keep(T.clone(weight))]))
    this.#names = [...spec.parameters].filter(([, { constant }]) => constant !== true).map(([name]) => name)
  }

  /** average = decay · average + (1 - decay) · weights */
  follow(weights: ReadonlyMap<string, Tensor>): void {
    const named = (all: ReadonlyMap<string, Tensor>) => this.#names.map((name) => all.get(name)!)
    ema(named(this.#average), named(weights), this.#decay)
  }

  /** ‖average - weights‖ / ‖weights‖ over all that is averaged. */
  distance(weights: ReadonlyMap<string, Tensor>): number {
    let apart = 0, whole = 0
    for (const name of this.#names) {
      const [average, weight] = [this.#average.get(name)!, weights.get(name)!]
      apart += scope(() => gradStats([T.sub(average, weight)]).sumSquares)
      whole += gradStats([weight]).sumSquares
    }
    return Math.sqrt(apart / whole)
  }

  /** The averaged weights under the generator's names; they stay this role's. */
  weights(): ReadonlyMap<string, Tensor> {
    return this.#average
  }

  state(): ReadonlyMap<string, Tensor> {
    return new Map(prefixed("ema.", this.#average))
  }

  counters(): Readonly<Record<string, number>> {
    return {}
  }

  load(state: ReadonlyMap<string, Tensor>): void {
    restore(this.state(), state)
  }

  dispose(): void {
    for (const tensor of this.#average.values()) tensor.dispose()
  }
}
