/**
 * Weights by path, under the published state-dict names: `weights.at("decoder_layers.0").get("output.dense.weight")`.
 *
 * A view, not an owner. What is stored under a name is the tensor to compute with: a bf16 working copy, an fp32 master, or an
 * autograd leaf of either; the layers only see its dtype (precision.ts).
 */
import type { Tensor } from "../tensor/tensor.ts"

export class Weights {
  readonly #tensors: ReadonlyMap<string, Tensor>
  readonly path: string

  constructor(tensors: ReadonlyMap<string, Tensor>, path = "") {
    this.#tensors = tensors
    this.path = path
  }

  at(path: string | number): Weights {
    return new Weights(this.#tensors, `${this.path}${path}.`)
  }

  /** Weights are checked against their specification when they are loaded, so an absent name is a defect. */
  get(name: string): Tensor {
    const tensor = this.#tensors.get(this.path + name)
    if (tensor === undefined) throw new Error(`no weight named ${this.path}${name}`)
    return tensor
  }

  maybe(name: string): Tensor | null {
    return this.#tensors.get(this.path + name) ?? null
  }
}
