/** The frozen encoder, whichever it is: told apart by the `model_type` of its published config.json. */
import type { Spec } from "../nn/parameters.ts"
import type { Tensor } from "../tensor/tensor.ts"
import { type Dinov2Config, dinov2, dinov2Spec } from "./dinov2.ts"
import type { PixelSpace } from "./image-space.ts"
import { type MaeConfig, mae, maeSpec } from "./mae.ts"
import { type SiglipConfig, siglip, siglipSpec } from "./siglip.ts"

export type EncoderConfig = PixelSpace & (
  | Dinov2Config & { readonly model_type?: "dinov2_with_registers" }
  | MaeConfig & { readonly model_type: "vit_mae" }
  | SiglipConfig & { readonly model_type: "siglip_vision_model" }
)

export const encoderSpec = (config: EncoderConfig): Spec => {
  switch (config.model_type) {
    case "vit_mae": return maeSpec(config)
    case "siglip_vision_model": return siglipSpec(config)
    default: return dinov2Spec(config)
  }
}

/** Normalised pixels [B,3,S,S] to patch tokens [B,N,C] in float32, after a last layer norm without its affine part. */
export const encode = (weights: ReadonlyMap<string, Tensor>, x_B3SS: Tensor, config: EncoderConfig): Tensor => {
  switch (config.model_type) {
    case "vit_mae": return mae(weights, x_B3SS, config)
    case "siglip_vision_model": return siglip(weights, x_B3SS, config)
    default: return dinov2(weights, x_B3SS, config)
  }
}
