/**
 * The vision encoder of SigLIP and of SigLIP 2 at fixed resolution, frozen.
 *
 * Zhai et al., "Sigmoid Loss for Language Image Pre-Training" (2023); Tschannen et al., "SigLIP 2" (2025). Names and configuration as in
 * Hugging Face's SiglipModel (google/siglip2-base-patch16-256), whose text tower and pooling head are not read. Representation
 * autoencoders use the patch tokens after the last layer norm without its affine part.
 *
 * Expected: tests/golden/siglip (saved by the Hugging Face library) within 1e-5 at the trained size and at an interpolated one.
 * Base has 85.8 M weights: 12 layers, 768 wide, 12 heads, patch 16.
 */
import { attention, conv2d, layerNorm, linear, linears } from "../nn/layers.ts"
import { type Spec, SpecBuilder } from "../nn/parameters.ts"
import { Weights } from "../nn/weights.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import { resizedPositions } from "./patch-positions.ts"

/** `vision_config` of the published config.json, the part that matters. */
export interface SiglipConfig {
  readonly hidden_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly intermediate_size: number
  readonly patch_size: number
  /** Side of the images that the position embeddings were trained on. */
  readonly image_size: number
  readonly layer_norm_eps: number
}

export const siglipSpec = (config: SiglipConfig): Spec => {
  const { hidden_size: C, intermediate_size: M, patch_size: P } = config
  const spec = new SpecBuilder()
  spec.conv("vision_model.embeddings.patch_embedding", C, 3, [P, P], 1 / Math.sqrt(3 * P * P))
  spec.add("vision_model.embeddings.position_embedding.weight", [Math.floor(config.image_size / P) ** 2, C], { kind: "normal", std: 0.5 })
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const p = `vision_model.encoder.layers.${i}`
    for (const name of ["q_proj", "k_proj", "v_proj", "out_proj"]) spec.linear(`${p}.self_attn.${name}`, C, C)
    spec.norm(`${p}.layer_norm1`, C)
    spec.norm(`${p}.layer_norm2`, C)
    spec.linear(`${p}.mlp.fc1`, M, C)
    spec.linear(`${p}.mlp.fc2`, C, M)
  }
  return {
    model: "siglip-vision", parameters: spec.parameters,
    ignored: [/^text_model\./, /^logit_(scale|bias)$/, /^vision_model\.head\./, /^vision_model\.post_layernorm\.(weight|bias)$/, /^vision_model\.embeddings\.position_ids$/]
  }
}

const block = (w: Weights, x_BNC: Tensor, config: SiglipConfig): Tensor => {
  const eps = config.layer_norm_eps
  const at = w.at("self_attn")
  const y = layerNorm(w.at("layer_norm1"), x_BNC, eps)
  const [q, k, v] = linears([at.at("q_proj"), at.at("k_proj"), at.at("v_proj")], y) as [Tensor, Tensor, Tensor]
  const x = T.add(x_BNC, linear(at.at("out_proj"), attention(q, k, v, config.num_attention_heads)))
  const m = T.gelu(linear(w.at("mlp.fc1"), layerNorm(w.at("layer_norm2"), x, eps)), "tanh")
  return T.add(x, linear(w.at("mlp.fc2"), m))
}

/** Normalised pixels [B,3,S,S] to patch tokens [B,N,C] in float32; there is no class token. */
export const siglip = (weights: ReadonlyMap<string, Tensor>, x_B3SS: Tensor, config: SiglipConfig): Tensor => scope(() => {
  const w = new Weights(weights).at("vision_model")
  const [, , height, width] = x_B3SS.shape as [number, number, number, number]
  const { hidden_size: C, patch_size: P } = config
  let x_BNC = scope(() => {
    const e = w.at("embeddings")
    const patches = T.transpose(T.flatten(conv2d(e.at("patch_embedding"), x_B3SS, { stride: P }), 2), 1, 2)
    const grid = resizedPositions(T.unsqueeze(e.get("position_embedding.weight"), 0), Math.floor(height / P), Math.floor(width / P), false)
    return T.add(T.to(patches, { dtype: "float32" }), grid)
  })
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const before = x_BNC
    x_BNC = scope(() => block(w.at("encoder.layers").at(i), before, config))
    before.dispose()
  }
  return T.layerNorm(x_BNC, C, null, null, config.layer_norm_eps)
})
