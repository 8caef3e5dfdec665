/** Frozen weights in the precision and layout that they are computed in, made once. */
import * as T from "../tensor/ops.ts"
import { keep, scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import type { Spec } from "./parameters.ts"
import { type Precision, productDtype } from "./precision.ts"

/**
 * Takes the weights over: those that products use become `precision` and, for convolutions, channels-last copies whose originals
 * are freed. The result is kept out of all scopes.
 */
export const frozenWeights = (spec: Spec, weights: ReadonlyMap<string, Tensor>, precision: Precision): Map<string, Tensor> => {
  const frozen = new Map<string, Tensor>()
  for (const [name, { use }] of spec.parameters) {
    const weight = weights.get(name)
    if (weight === undefined) throw new Error(`no weight named ${name} for ${spec.model}`)
    if (use !== "product") {
      frozen.set(name, keep(weight))
      continue
    }
    const working = scope(() => {
      const converted = T.to(weight, { dtype: productDtype[precision] })
      return converted.shape.length === 4 ? T.channelsLast(converted) : converted
    })
    // where nothing had to change, both handles name the same memory
    weight.dispose()
    frozen.set(name, keep(working))
  }
  return frozen
}
