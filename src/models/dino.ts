/**
 * DINO ViT: the frozen feature network of the discriminator.
 *
 * Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (2021). Names as in the published checkpoints.
 *
 * Expected: tests/golden/stage1_tiny, through the discriminator's logits. S_8 has 21.7 M weights.
 */
import { attention, conv2d, layerNorm, linear } from "../nn/layers.ts"
import { type Spec, SpecBuilder } from "../nn/parameters.ts"
import { Weights } from "../nn/weights.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

export interface DinoConfig {
  readonly embed_dim: number
  readonly depth: number
  readonly num_heads: number
  readonly patch_size: number
  readonly mlp_ratio: number
}

/** Pixels a side that DINO is shown. */
const SIDE = 224
const EPS = 1e-6

/** The published recipes: width and patch. */
export const dinoRecipes = {
  S_8: { embed_dim: 384, depth: 12, num_heads: 6, patch_size: 8, mlp_ratio: 4 },
  S_16: { embed_dim: 384, depth: 12, num_heads: 6, patch_size: 16, mlp_ratio: 4 },
  B_16: { embed_dim: 768, depth: 12, num_heads: 12, patch_size: 16, mlp_ratio: 4 }
} as const satisfies Record<string, DinoConfig>

export const dinoSpec = (config: DinoConfig): Spec => {
  const { embed_dim: C, patch_size: P } = config
  const spec = new SpecBuilder()
  spec.add("cls_token", [1, 1, C], { kind: "normal", std: 0.5 })
  spec.add("pos_embed", [1, (SIDE / P) ** 2 + 1, C], { kind: "normal", std: 0.5 })
  spec.conv("patch_embed.proj", C, 3, [P, P], 1 / Math.sqrt(3 * P * P))
  for (let i = 0; i < config.depth; i++) {
    const p = `blocks.${i}`
    spec.norm(`${p}.norm1`, C)
    spec.linear(`${p}.attn.qkv`, 3 * C, C)
    spec.linear(`${p}.attn.proj`, C, C)
    spec.norm(`${p}.norm2`, C)
    spec.linear(`${p}.mlp.fc1`, C * config.mlp_ratio, C)
    spec.linear(`${p}.mlp.fc2`, C, C * config.mlp_ratio)
  }
  return { model: `dino-vit-${C}-${P}`, parameters: spec.parameters, ignored: [/^norm\.(weight|bias)$/, /^head\./], aliases: [[/^backbone\./, ""]] }
}

/** [-1,1] to ImageNet-normalised. */
const normalised = (x_B3HW: Tensor): Tensor => {
  const std = [0.229, 0.224, 0.225]
  const scale = Float32Array.from(std, (s) => 0.5 / s)
  const shift = Float32Array.from([0.485, 0.456, 0.406], (mean, i) => (0.5 - mean) / std[i]!)
  const channel = (values: Float32Array) => T.to(T.fromFloat32(values, [1, 3, 1, 1]), { device: x_B3HW.device })
  return T.add(T.mul(x_B3HW, channel(scale)), channel(shift))
}

const block = (w: Weights, x_BNC: Tensor, config: DinoConfig): Tensor => {
  const [q, k, v] = T.chunk(linear(w.at("attn.qkv"), layerNorm(w.at("norm1"), x_BNC, EPS)), 3, -1) as [Tensor, Tensor, Tensor]
  const x = T.add(x_BNC, linear(w.at("attn.proj"), attention(q, k, v, config.num_heads)))
  const m = T.gelu(linear(w.at("mlp.fc1"), layerNorm(w.at("norm2"), x, EPS)), "tanh")
  return T.add(x, linear(w.at("mlp.fc2"), m))
}

/** Images in [-1,1] to tokens [B,L,C] without the class token: the last block's, then those of the blocks in `depths`. */
export const dinoTaps = (weights: ReadonlyMap<string, Tensor>, x_B3HW: Tensor, config: DinoConfig, depths: ReadonlyArray<number>): ReadonlyArray<Tensor> => scope(() => {
  const w = new Weights(weights)
  const C = config.embed_dim
  let x_BNC = scope(() => {
    const x = normalised(T.interpolate(x_B3HW, [SIDE, SIDE], "bilinear"))
    const patches = T.transpose(T.flatten(conv2d(w.at("patch_embed.proj"), x, { stride: config.patch_size }), 2), 1, 2)
    const tokens = T.cat([T.expand(w.get("cls_token"), [x.shape[0]!, 1, C]), T.to(patches, { dtype: "float32" })], 1)
    return T.add(tokens, w.get("pos_embed"))
  })
  const count = x_BNC.shape[1]! - 1
  const patchTokens = () => T.narrow(x_BNC, 1, 1, count)
  const taps: Array<Tensor> = []
  for (let i = 0; i < config.depth; i++) {
    const before = x_BNC
    x_BNC = scope(() => block(w.at("blocks").at(i), before, config))
    before.dispose()
    if (depths.includes(i)) taps.push(patchTokens())
  }
  return [patchTokens(), ...taps]
})
