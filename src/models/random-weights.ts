/** Deterministic random weights under the published names: every tensor is keyed by its own name. */
import type { Init, Spec } from "../nn/parameters.ts"
import { keyOf } from "../random/draws.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

const draw = (init: Init, shape: readonly number[], name: string, seed: number): Tensor => {
  const key = keyOf(seed, `weights/${name}`)
  switch (init.kind) {
    case "normal": return scope(() => T.add(T.mul(T.randomNormal(key, shape), init.std), init.mean ?? 0))
    case "uniform": return scope(() => T.mul(T.randomUniform(key, shape), init.to))
    case "unit": return scope(() => {
      const x = T.randomNormal(key, shape)
      return T.div(x, T.norm(x))
    })
    case "constant": return T.full(shape, init.value)
    case "values": return T.fromFloat32(init.values(), shape)
  }
}

/** The caller owns the tensors. */
export const randomWeights = (spec: Spec, seed: number): Map<string, Tensor> =>
  new Map([...spec.parameters].map(([name, { shape, init }]) => [name, draw(init, shape, `${spec.model}/${name}`, seed)]))
