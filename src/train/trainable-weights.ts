/**
 * Weights under training: float32 masters, bf16 working copies of those that products use, and the autograd leaves to compute with.
 *
 * A leaf shares the memory of its working copy (or master), and the optimiser writes in place: leaves are made once and follow.
 */
import type { Spec } from "../nn/parameters.ts"
import { type Precision, productDtype } from "../nn/precision.ts"
import { leaf } from "../tensor/grad.ts"
import * as T from "../tensor/ops.ts"
import { keep } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

export class TrainableWeights {
  /** Every weight, constants too, in float32. */
  readonly masters: ReadonlyMap<string, Tensor>
  /** Names of the trained ones; `working` and `leaves` are in this order. */
  readonly names: ReadonlyArray<string>
  readonly working: ReadonlyArray<Tensor | null>
  readonly leaves: ReadonlyArray<Tensor>
  /** What the layers compute with: leaves, and constants as they are. */
  readonly compute: ReadonlyMap<string, Tensor>

  /** Takes over the tensors of `weights`, which are float32 under the names of the specification. */
  constructor(spec: Spec, weights: ReadonlyMap<string, Tensor>, precision: Precision) {
    const entries = [...spec.parameters].map(([name, parameter]) => {
      const master = weights.get(name)
      if (master === undefined) throw new Error(`no weight named ${name} for ${spec.model}`)
      const copied = parameter.constant !== true && parameter.use === "product" && precision !== "fp32"
      return { name, trained: parameter.constant !== true, master: keep(master), working: copied ? keep(T.to(master, { dtype: productDtype[precision] })) : null }
    })
    const trained = entries.filter(({ trained }) => trained)
    this.masters = new Map(entries.map(({ name, master }) => [name, master]))
    this.names = trained.map(({ name }) => name)
    this.working = trained.map(({ working }) => working)
    this.leaves = trained.map(({ master, working }) => keep(leaf(working ?? master)))
    this.compute = new Map([...this.masters, ...trained.map(({ name }, i) => [name, this.leaves[i]!] as const)])
  }

  trainedMasters(): ReadonlyArray<Tensor> {
    return this.names.map((name) => this.masters.get(name)!)
  }

  /** Writes the working copies anew; wanted after the masters were written by anything but the optimiser. */
  refresh(): void {
    for (const [i, name] of this.names.entries()) {
      const working = this.working[i]
      if (working) T.copy_(working, this.masters.get(name)!)
    }
  }

  dispose(): void {
    for (const tensor of [...this.masters.values(), ...this.working, ...this.leaves]) tensor?.dispose()
  }
}
