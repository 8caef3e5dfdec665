/**
 * Sizes of the four networks, under the key names of their published `config.json` files. In a configuration each is null (the sizes come
 * from the published config or recipe that the other keys name) or a block of its own; in a resolved run all are filled in.
 */
import * as Schema from "effect/Schema"
import * as K from "../keys.ts"

/** Dinov2WithRegistersConfig, ViTMAEConfig or SiglipVisionConfig of Hugging Face transformers; which, `stage_1.params.encoder_cls` says. */
const sizes = {
  hidden_size: K.required(K.count, "width of the tokens"),
  num_hidden_layers: K.required(K.count, "transformer layers"),
  num_attention_heads: K.required(K.count, "attention heads"),
  patch_size: K.required(K.count, "side of a patch", "pixels"),
  image_size: K.required(K.count, "side of the image that the position embeddings were trained for", "pixels"),
  num_register_tokens: K.key(K.natural, 4, "register tokens (DINOv2)"),
  mlp_ratio: K.key(K.positive, 4, "MLP width over token width (DINOv2)")
}
const encoderFields = {
  ...sizes,
  intermediate_size: K.key(K.orNull(K.count), null, "MLP width (MAE and SigLIP); null: `mlp_ratio` times `hidden_size`"),
  layer_norm_eps: K.key(K.orNull(K.positive), null, "epsilon of the layer norms; null: the published one, 1e-6, in MAE 1e-12"),
  qkv_bias: K.key(K.only(true, "nothing else is available"), true, "query, key and value have biases"),
  num_channels: K.key(K.only(3, "red, green, blue"), 3, "colour channels"),
  hidden_act: K.key(K.orNull(K.oneOf("gelu", "gelu_pytorch_tanh")), null, "activation of the MLP; null: the published one, `gelu`, in SigLIP `gelu_pytorch_tanh`"),
  use_swiglu_ffn: K.key(K.only(false, "encoders with a gated MLP are not available"), false, "gated MLP, as in the giant model")
}
export const EncoderArchitecture = Schema.Struct(encoderFields)
export type EncoderArchitecture = typeof EncoderArchitecture.Type

/** What the encoder's pixels are normalised by, and what the decoder's are brought back with: the published preprocessor_config.json. */
const triple = { schema: Schema.Tuple([Schema.Finite, Schema.Finite, Schema.Finite]), expected: "a list of three numbers" }
const pixelSpace = {
  image_mean: K.required(triple, "mean of red, green and blue"),
  image_std: K.required(triple, "deviation of red, green and blue")
}
export const PixelSpace = Schema.Struct(pixelSpace)
export type PixelSpace = typeof PixelSpace.Type

/** The encoder with everything known. */
export const FittedEncoder = Schema.Struct({
  ...sizes,
  ...pixelSpace,
  model_type: K.required(K.oneOf("dinov2_with_registers", "vit_mae", "siglip_vision_model"), "which encoder it is"),
  intermediate_size: K.required(K.count, "MLP width"),
  layer_norm_eps: K.required(K.positive, "epsilon of the layer norms")
})
export type FittedEncoder = typeof FittedEncoder.Type

/** The decoder's part of ViTMAEConfig of Hugging Face transformers. */
const decoderFields = {
  decoder_hidden_size: K.required(K.count, "width of the tokens"),
  decoder_num_hidden_layers: K.required(K.count, "transformer layers"),
  decoder_num_attention_heads: K.required(K.count, "attention heads"),
  decoder_intermediate_size: K.required(K.count, "width of the MLP"),
  layer_norm_eps: K.key(K.positive, 1e-12, "epsilon of the layer norms"),
  qkv_bias: K.key(K.only(true, "nothing else is available"), true, "query, key and value have biases"),
  num_channels: K.key(K.only(3, "red, green, blue"), 3, "colour channels"),
  hidden_act: K.key(K.oneOf("gelu"), "gelu", "activation of the MLP")
}
export const DecoderArchitecture = Schema.Struct(decoderFields)
export type DecoderArchitecture = typeof DecoderArchitecture.Type

/** The frozen DINO vision transformer of the discriminator; its input is always 224 pixels. */
const dinoFields = {
  embed_dim: K.required(K.count, "width of the tokens"),
  depth: K.required(K.count, "transformer layers"),
  num_heads: K.required(K.count, "attention heads"),
  patch_size: K.required(K.count, "side of a patch", "pixels"),
  mlp_ratio: K.key(K.positive, 4, "MLP width over token width")
}
export const DinoArchitecture = Schema.Struct(dinoFields)
export type DinoArchitecture = typeof DinoArchitecture.Type

/** VGG16 with other widths. */
const vggFields = {
  widths: K.required(
    { schema: Schema.Tuple([K.count.schema, K.count.schema, K.count.schema, K.count.schema, K.count.schema]), expected: "a list of five, each a whole number, 1 or more" },
    "channels of the five stages"
  )
}
export const VggArchitecture = Schema.Struct(vggFields)
export type VggArchitecture = typeof VggArchitecture.Type

/** The decoder with what follows from the encoder and `decoder_patch_size`. */
export const FittedDecoder = Schema.Struct({
  ...decoderFields,
  ...pixelSpace,
  hidden_size: K.required(K.count, "width of the latent tokens: the encoder's"),
  patch_size: K.required(K.count, "side of a patch", "pixels"),
  image_size: K.required(K.count, "side of the image: patch times the latent grid", "pixels")
})
export type FittedDecoder = typeof FittedDecoder.Type

/** All sizes of a resolved run. */
export const Architecture = Schema.Struct({ encoder: FittedEncoder, decoder: FittedDecoder, dino: DinoArchitecture, vgg: VggArchitecture })
export type Architecture = typeof Architecture.Type

/** The `architecture` block of a configuration. */
export const architectureBlock = K.block({
  encoder: K.optionalBlock(encoderFields, "sizes of the encoder (its `config.json` keys) in place of those of `stage_1.params.encoder_config_path`"),
  decoder: K.optionalBlock(decoderFields, "sizes of the decoder (ViT-MAE `config.json` keys) in place of those of `stage_1.params.decoder_config_path`"),
  dino: K.optionalBlock(dinoFields, "sizes of the discriminator's DINO network in place of those of `gan.disc.arch.recipe`"),
  vgg: K.optionalBlock(vggFields, "sizes of LPIPS's VGG network in place of VGG16's")
}, "network sizes of one's own, for small trial runs")
