/** The published encoders: under which class name, from which key, with which sizes and pixels when their files say nothing. */
import type { FittedEncoder, PixelSpace } from "./blocks/architecture.ts"
import type { ConfigFile } from "./schema.ts"

type Params = ConfigFile["stage_1"]["params"]

export interface PublishedEncoder {
  readonly modelType: FittedEncoder["model_type"]
  /** `model_type` of config.json files that hold it. */
  readonly configTypes: ReadonlyArray<string>
  /** The block of config.json that describes it; null: the whole file. */
  readonly block: string | null
  /** The one of `encoder_params` that names its directory. */
  readonly pathKey: "dinov2_path" | "model_name"
  readonly layerNormEps: number
  readonly activation: "gelu" | "gelu_pytorch_tanh"
  readonly pixels: PixelSpace
  /** What its config class in Hugging Face transformers takes for sizes that a file leaves out; null: files state them all. */
  readonly sizes: string | null
}

const imageNet: PixelSpace = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] }
const half: PixelSpace = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }
const base16 = "{ hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12, intermediate_size: 3072, image_size: 224, patch_size: 16 }"

export const publishedEncoders: Readonly<Record<Params["encoder_cls"], PublishedEncoder>> = {
  Dinov2withNorm: {
    modelType: "dinov2_with_registers", configTypes: ["dinov2_with_registers"], block: null, pathKey: "dinov2_path",
    layerNormEps: 1e-6, activation: "gelu", pixels: imageNet, sizes: null
  },
  MAEwNorm: {
    modelType: "vit_mae", configTypes: ["vit_mae"], block: null, pathKey: "model_name",
    layerNormEps: 1e-12, activation: "gelu", pixels: imageNet, sizes: base16
  },
  SigLIP2wNorm: {
    modelType: "siglip_vision_model", configTypes: ["siglip", "siglip_vision_model"], block: "vision_config", pathKey: "model_name",
    layerNormEps: 1e-6, activation: "gelu_pytorch_tanh", pixels: half, sizes: base16
  }
}

/** Directory of the encoder's weights, and the key that names it. */
export const encoderDirectory = ({ encoder_cls, encoder_config_path, encoder_params }: Params): { readonly key: string; readonly path: string } => {
  const { pathKey } = publishedEncoders[encoder_cls]
  const path = encoder_params[pathKey]
  return path === null ? { key: "stage_1.params.encoder_config_path", path: encoder_config_path } : { key: `stage_1.params.encoder_params.${pathKey}`, path }
}
