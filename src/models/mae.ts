/**
 * The encoder of a masked autoencoder, as a frozen encoder that masks nothing.
 *
 * He et al., "Masked Autoencoders Are Scalable Vision Learners" (2022). Names and configuration as in Hugging Face's
 * ViTMAEForPreTraining (facebook/vit-mae-base), whose decoder is not read. Representation autoencoders use the patch tokens after the
 * last layer norm without its affine part.
 *
 * Expected: tests/golden/mae (saved by the Hugging Face library) within 1e-5 at the trained size and at an interpolated one.
 * Base has 85.8 M weights: 12 layers, 768 wide, 12 heads, patch 16.
 */
import { attention, conv2d, layerNorm, linear, linears } from "../nn/layers.ts"
import { type Spec, SpecBuilder } from "../nn/parameters.ts"
import { Weights } from "../nn/weights.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import { resizedPositions } from "./patch-positions.ts"

/** The published config.json, the part that matters. */
export interface MaeConfig {
  readonly hidden_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly intermediate_size: number
  readonly patch_size: number
  /** Side of the images that the position embeddings are for. */
  readonly image_size: number
  readonly layer_norm_eps: number
}

export const maeSpec = (config: MaeConfig): Spec => {
  const { hidden_size: C, intermediate_size: M, patch_size: P } = config
  const spec = new SpecBuilder()
  spec.add("vit.embeddings.cls_token", [1, 1, C], { kind: "normal", std: 0.5 })
  spec.add("vit.embeddings.position_embeddings", [1, 1 + Math.floor(config.image_size / P) ** 2, C], { kind: "normal", std: 0.5 })
  spec.conv("vit.embeddings.patch_embeddings.projection", C, 3, [P, P], 1 / Math.sqrt(3 * P * P))
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const p = `vit.encoder.layer.${i}`
    for (const name of ["query", "key", "value"]) spec.linear(`${p}.attention.attention.${name}`, C, C)
    spec.linear(`${p}.attention.output.dense`, C, C)
    spec.linear(`${p}.intermediate.dense`, M, C)
    spec.linear(`${p}.output.dense`, C, M)
    spec.norm(`${p}.layernorm_before`, C)
    spec.norm(`${p}.layernorm_after`, C)
  }
  return {
    model: "vit-mae", parameters: spec.parameters, ignored: [/^decoder\./, /^vit\.layernorm\.(weight|bias)$/],
    // ViTMAEModel saved without its pre-training head
    aliases: [[/^(?=embeddings\.|encoder\.|layernorm\.)/, "vit."]]
  }
}

const block = (w: Weights, x_BNC: Tensor, config: MaeConfig): Tensor => {
  const eps = config.layer_norm_eps
  const y = layerNorm(w.at("layernorm_before"), x_BNC, eps)
  const qkv = w.at("attention.attention")
  const [q, k, v] = linears([qkv.at("query"), qkv.at("key"), qkv.at("value")], y) as [Tensor, Tensor, Tensor]
  const x = T.add(x_BNC, linear(w.at("attention.output.dense"), attention(q, k, v, config.num_attention_heads)))
  const m = T.gelu(linear(w.at("intermediate.dense"), layerNorm(w.at("layernorm_after"), x, eps)), "none")
  return T.add(x, linear(w.at("output.dense"), m))
}

/** Normalised pixels [B,3,S,S] to patch tokens [B,N,C] in float32. */
export const mae = (weights: ReadonlyMap<string, Tensor>, x_B3SS: Tensor, config: MaeConfig): Tensor => scope(() => {
  const w = new Weights(weights).at("vit")
  const [B, , height, width] = x_B3SS.shape as [number, number, number, number]
  const { hidden_size: C, patch_size: P } = config
  let x_BNC = scope(() => {
    const e = w.at("embeddings")
    const patches = T.to(T.transpose(T.flatten(conv2d(e.at("patch_embeddings.projection"), x_B3SS, { stride: P }), 2), 1, 2), { dtype: "float32" })
    const trained = e.get("position_embeddings")
    const grid = resizedPositions(T.narrow(trained, 1, 1, trained.shape[1]! - 1), Math.floor(height / P), Math.floor(width / P), false)
    const first = T.add(e.get("cls_token"), T.narrow(trained, 1, 0, 1))
    return T.cat([T.expand(first, [B, 1, C]), T.add(patches, grid)], 1)
  })
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const before = x_BNC
    x_BNC = scope(() => block(w.at("encoder.layer").at(i), before, config))
    before.dispose()
  }
  return T.layerNorm(T.narrow(x_BNC, 1, 1, x_BNC.shape[1]! - 1), C, null, null, config.layer_norm_eps)
})
