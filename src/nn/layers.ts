/** Layers without state: a path of weights and an input. Shapes: B batch, N tokens, C channels, H heads, D channels of a head. */
import * as T from "../tensor/ops.ts"
import type { Dtype } from "../tensor/dtype.ts"
import type { Tensor } from "../tensor/tensor.ts"
import type { Weights } from "./weights.ts"

/** The tensor itself where it already has the dtype. */
export const cast = (x: Tensor, dtype: Dtype): Tensor => (x.dtype === dtype ? x : T.to(x, { dtype }))

/** x weightᵀ + bias in the dtype of the weight. */
export const linear = (w: Weights, x: Tensor): Tensor => {
  const weight = w.get("weight")
  return T.linear(cast(x, weight.dtype), weight, w.maybe("bias"))
}

export const conv2d = (w: Weights, x_BCHW: Tensor, options: { readonly stride?: number; readonly padding?: number } = {}): Tensor => {
  const weight = w.get("weight")
  return T.conv2d(cast(x_BCHW, weight.dtype), weight, w.maybe("bias"), options)
}

/** Over the last dimension, in float32. */
export const layerNorm = (w: Weights, x: Tensor, eps: number): Tensor =>
  T.layerNorm(cast(x, "float32"), x.shape.at(-1)!, w.maybe("weight"), w.maybe("bias"), eps)

/** Linear layers that read one input: it is converted to their dtype once. */
export const linears = (layers: ReadonlyArray<Weights>, x: Tensor): Tensor[] => {
  const input = cast(x, layers[0]!.get("weight").dtype)
  return layers.map((layer) => linear(layer, input))
}

/** Multi-head attention of projected queries, keys and values, [B,N,C] each. */
export const attention = (q_BNC: Tensor, k_BNC: Tensor, v_BNC: Tensor, heads: number): Tensor => {
  const [B, N, C] = q_BNC.shape as [number, number, number]
  const split = (t: Tensor) => T.transpose(T.view(t, [B, N, heads, C / heads]), 1, 2)
  return T.reshape(T.transpose(T.attention(split(q_BNC), split(k_BNC), split(v_BNC)), 1, 2), [B, N, C])
}
