/**
 * DINOv2 with registers: the frozen encoder.
 *
 * Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision" (2023); Darcet et al., "Vision Transformers Need
 * Registers" (2023). Names and configuration as in Hugging Face's Dinov2WithRegistersModel (facebook/dinov2-with-registers-base).
 * Representation autoencoders use the patch tokens after a last layer norm without its affine part.
 *
 * Expected: tests/golden/dinov2 (saved by the Hugging Face library) within 1e-5 at the trained size and at an interpolated one.
 * Base has 86.6 M weights: 12 layers, 768 wide, 12 heads, patch 14.
 */
import { attention, conv2d, layerNorm, linear, linears } from "../nn/layers.ts"
import { type Spec, SpecBuilder } from "../nn/parameters.ts"
import { Weights } from "../nn/weights.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import { resizedPositions } from "./patch-positions.ts"

/** The published config.json, the part that matters. */
export interface Dinov2Config {
  readonly hidden_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly patch_size: number
  /** Side of the images that the position embeddings were trained on. */
  readonly image_size: number
  readonly num_register_tokens: number
  readonly mlp_ratio: number
  readonly layer_norm_eps: number
}

export const dinov2Spec = (config: Dinov2Config): Spec => {
  const { hidden_size: C, patch_size: P } = config
  const spec = new SpecBuilder()
  const tokens = Math.floor(config.image_size / P) ** 2
  spec.conv("embeddings.patch_embeddings.projection", C, 3, [P, P], 1 / Math.sqrt(3 * P * P))
  spec.add("embeddings.cls_token", [1, 1, C], { kind: "normal", std: 0.5 })
  spec.add("embeddings.register_tokens", [1, config.num_register_tokens, C], { kind: "normal", std: 0.5 })
  spec.add("embeddings.position_embeddings", [1, tokens + 1, C], { kind: "normal", std: 0.5 })
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const p = `encoder.layer.${i}`
    spec.norm(`${p}.norm1`, C)
    for (const name of ["query", "key", "value"]) spec.linear(`${p}.attention.attention.${name}`, C, C)
    spec.linear(`${p}.attention.output.dense`, C, C)
    spec.add(`${p}.layer_scale1.lambda1`, [C], { kind: "constant", value: 1 })
    spec.norm(`${p}.norm2`, C)
    spec.linear(`${p}.mlp.fc1`, C * config.mlp_ratio, C)
    spec.linear(`${p}.mlp.fc2`, C, C * config.mlp_ratio)
    spec.add(`${p}.layer_scale2.lambda1`, [C], { kind: "constant", value: 1 })
  }
  return { model: "dinov2-with-registers", parameters: spec.parameters, ignored: [/^embeddings\.mask_token$/, /^layernorm\.(weight|bias)$/] }
}

/** Position embeddings for a grid of h × w patches: those of the class token and the patches. */
const positions = (w: Weights, h: number, width: number): Tensor => {
  const trained = w.get("position_embeddings")
  const grid = resizedPositions(T.narrow(trained, 1, 1, trained.shape[1]! - 1), h, width, true)
  return T.cat([T.narrow(trained, 1, 0, 1), grid], 1)
}

const block = (w: Weights, x_BNC: Tensor, config: Dinov2Config): Tensor => {
  const eps = config.layer_norm_eps
  const y = layerNorm(w.at("norm1"), x_BNC, eps)
  const qkv = w.at("attention.attention")
  const [q, k, v] = linears([qkv.at("query"), qkv.at("key"), qkv.at("value")], y) as [Tensor, Tensor, Tensor]
  const a = attention(q, k, v, config.num_attention_heads)
  const x = T.add(x_BNC, T.mul(linear(w.at("attention.output.dense"), a), w.get("layer_scale1.lambda1")))
  const m = linear(w.at("mlp.fc2"), T.gelu(linear(w.at("mlp.fc1"), layerNorm(w.at("norm2"), x, eps)), "none"))
  return T.add(x, T.mul(m, w.get("layer_scale2.lambda1")))
}

/** Normalised pixels [B,3,S,S] to patch tokens [B,N,C] in float32. */
export const dinov2 = (weights: ReadonlyMap<string, Tensor>, x_B3SS: Tensor, config: Dinov2Config): Tensor => scope(() => {
  const w = new Weights(weights)
  const [B, , height, width] = x_B3SS.shape as [number, number, number, number]
  const { hidden_size: C, patch_size: P, num_register_tokens: R } = config
  let x_BNC = scope(() => {
    const e = w.at("embeddings")
    const patches = T.transpose(T.flatten(conv2d(e.at("patch_embeddings.projection"), x_B3SS, { stride: P }), 2), 1, 2)
    const tokens = T.cat([T.expand(e.get("cls_token"), [B, 1, C]), T.to(patches, { dtype: "float32" })], 1)
    const placed = T.add(tokens, positions(e, Math.floor(height / P), Math.floor(width / P)))
    const count = placed.shape[1]! - 1
    return T.cat([T.narrow(placed, 1, 0, 1), T.expand(e.get("register_tokens"), [B, R, C]), T.narrow(placed, 1, 1, count)], 1)
  })
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const before = x_BNC
    x_BNC = scope(() => block(w.at("encoder.layer").at(i), before, config))
    before.dispose()
  }
  const patches = T.narrow(x_BNC, 1, 1 + R, x_BNC.shape[1]! - 1 - R)
  return T.layerNorm(patches, C, null, null, config.layer_norm_eps)
})
