/**
 * The ViT decoder: latent tokens to an image.
 *
 * Zheng et al., "Diffusion Transformers with Representation Autoencoders" (2025), after the decoder of He et al., "Masked
 * Autoencoders Are Scalable Vision Learners" (2022). Names and configuration as in the published decoder configs (ViT-MAE keys).
 *
 * Expected: tests/golden/stage1_tiny, reconstruction within 1e-4 relative. ViT-XL (1152 wide, 28 layers, 16 heads, MLP 4096) on
 * 768-wide latents at 256 px has 415 M trainable weights.
 */
import { attention, layerNorm, linear, linears } from "../nn/layers.ts"
import { type Spec, SpecBuilder } from "../nn/parameters.ts"
import { Weights } from "../nn/weights.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import type { PixelSpace } from "./image-space.ts"

/** The published config.json of a decoder, the part that matters, and the space of the pixels that it draws: its encoder's. */
export interface DecoderConfig extends PixelSpace {
  /** Width of the latent tokens. */
  readonly hidden_size: number
  readonly decoder_hidden_size: number
  readonly decoder_num_hidden_layers: number
  readonly decoder_num_attention_heads: number
  readonly decoder_intermediate_size: number
  readonly patch_size: number
  /** Side of the images that come out. */
  readonly image_size: number
  readonly layer_norm_eps: number
}

/** The weight whose gradient norms set the adaptive weight of the adversarial loss: the last layer's. */
export const lastLayer = "decoder_pred.weight"

/** ViT-MAE's initialiser range. */
const STD = 0.02

/** 2-D sine-cosine position embedding (He et al. 2022) with a zero row for the class token, computed in double: [1, 1+g², C]. */
const sineCosine = (C: number, grid: number): Float32Array => {
  const quarter = C / 4
  const out = new Float32Array((1 + grid * grid) * C)
  for (let n = 0; n < grid * grid; n++) {
    const row = (1 + n) * C
    for (let i = 0; i < quarter; i++) {
      const frequency = 1 / 10000 ** (i / quarter)
      const column = (n % grid) * frequency
      const line = Math.floor(n / grid) * frequency
      out[row + i] = Math.sin(column)
      out[row + quarter + i] = Math.cos(column)
      out[row + 2 * quarter + i] = Math.sin(line)
      out[row + 3 * quarter + i] = Math.cos(line)
    }
  }
  return out
}

export const decoderSpec = (config: DecoderConfig): Spec => {
  const { hidden_size: latent, decoder_hidden_size: C, decoder_intermediate_size: M, patch_size: P } = config
  const grid = config.image_size / P
  const spec = new SpecBuilder()
  spec.add("trainable_cls_token", [1, 1, C], { kind: "normal", std: STD })
  spec.parameters.set("decoder_pos_embed", {
    shape: [1, 1 + grid * grid, C], use: "other", init: { kind: "values", values: () => sineCosine(C, grid) }, constant: true
  })
  spec.linear("decoder_embed", C, latent, STD)
  for (let i = 0; i < config.decoder_num_hidden_layers; i++) {
    const p = `decoder_layers.${i}`
    for (const name of ["query", "key", "value"]) spec.linear(`${p}.attention.attention.${name}`, C, C, STD)
    spec.linear(`${p}.attention.output.dense`, C, C, STD)
    spec.linear(`${p}.intermediate.dense`, M, C, STD)
    spec.linear(`${p}.output.dense`, C, M, STD)
    spec.norm(`${p}.layernorm_before`, C)
    spec.norm(`${p}.layernorm_after`, C)
  }
  spec.norm("decoder_norm", C)
  spec.linear("decoder_pred", P * P * 3, C, STD)
  // a checkpoint of the whole autoencoder holds the encoder too, and the decoder under its own name
  return { model: "vit-decoder", parameters: spec.parameters, ignored: [/^encoder\./], aliases: [[/^decoder\./, ""]] }
}

const block = (w: Weights, x_BNC: Tensor, config: DecoderConfig): Tensor => {
  const eps = config.layer_norm_eps
  const y = layerNorm(w.at("layernorm_before"), x_BNC, eps)
  const qkv = w.at("attention.attention")
  const [q, k, v] = linears([qkv.at("query"), qkv.at("key"), qkv.at("value")], y) as [Tensor, Tensor, Tensor]
  const a = attention(q, k, v, config.decoder_num_attention_heads)
  const x = T.add(x_BNC, linear(w.at("attention.output.dense"), a))
  const m = T.gelu(linear(w.at("intermediate.dense"), layerNorm(w.at("layernorm_after"), x, eps)), "none")
  return T.add(x, linear(w.at("output.dense"), m))
}

/** Latents [B,N,latent] to what the last layer reads, [B,1+N,C] in float32, the class token first: everything but the last layer. */
export const decoderTrunk = (weights: ReadonlyMap<string, Tensor>, z_BNC: Tensor, config: DecoderConfig): Tensor => scope(() => {
  const w = new Weights(weights)
  const B = z_BNC.shape[0]!
  const C = config.decoder_hidden_size
  let x_BNC = scope(() => {
    const latents = T.to(linear(w.at("decoder_embed"), z_BNC), { dtype: "float32" })
    return T.add(T.cat([T.expand(w.get("trainable_cls_token"), [B, 1, C]), latents], 1), w.get("decoder_pos_embed"))
  })
  for (let i = 0; i < config.decoder_num_hidden_layers; i++) {
    const before = x_BNC
    x_BNC = scope(() => block(w.at("decoder_layers").at(i), before, config))
    before.dispose()
  }
  return layerNorm(w.at("decoder_norm"), x_BNC, config.layer_norm_eps)
})

/** The last layer: trunk output [B,1+N,C] to pixels [B,3,S,S] in encoder-normalised space. */
export const decoderHead = (weights: ReadonlyMap<string, Tensor>, h_BNC: Tensor, config: DecoderConfig): Tensor => scope(() => {
  const P = config.patch_size
  const g = config.image_size / P
  const B = h_BNC.shape[0]!
  // dropped after the product, as published: fewer rows would round otherwise, and 8-bit rounding later makes that visible
  const patches_BNF = T.narrow(linear(new Weights(weights).at("decoder_pred"), h_BNC), 1, 1, g * g)
  const grid_BghPPc = T.reshape(T.to(patches_BNF, { dtype: "float32" }), [B, g, g, P, P, 3])
  return T.reshape(T.permute(grid_BghPPc, [0, 5, 1, 3, 2, 4]), [B, 3, g * P, g * P])
})
