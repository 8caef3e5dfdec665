/**
 * Which operation runs in which precision.
 *
 * | operation                                            | fp32 | bf16                                  |
 * |------------------------------------------------------|------|---------------------------------------|
 * | linear, convolution, attention, gelu                 | fp32 | bf16 (products accumulate in fp32)    |
 * | residual stream, layer norm, layer scale             | fp32 | fp32                                  |
 * | discriminator heads: norms, spectral norm, logits    | fp32 | fp32                                  |
 * | losses, image gradients, adaptive weight             | fp32 | fp32                                  |
 * | master weights, AdamW, EMA, sums over micro-batches  | fp32 | fp32                                  |
 *
 * There is no autocast: the dtype of a weight decides. A product's input is converted to the dtype of its weight; what meets
 * the residual stream is converted back by the addition.
 */
import type { Dtype } from "../tensor/dtype.ts"

export type Precision = "fp32" | "bf16"

/** The dtype that products compute in. */
export const productDtype: Readonly<Record<Precision, Dtype>> = { fp32: "float32", bf16: "bfloat16" }
