/** Floating-point operations of one training step, from the config: products only, 2 a multiply-add. */
import type { RunConfig } from "../src/config/schema.ts"

/** Linear layers and attention of a transformer's forward pass over `tokens` tokens. */
const transformer = (layers: number, width: number, mlp: number, tokens: number): number => layers * tokens * (2 * (4 * width * width + 2 * width * mlp) + 4 * tokens * width)

/** VGG16's convolutions: pixels of each stage, and how many follow one another. */
const vgg = (widths: ReadonlyArray<number>, side: number): number =>
  [2, 2, 3, 3, 3].reduce((sum, convolutions, stage) => {
    const pixels = (side / 2 ** stage) ** 2
    const width = widths[stage]!
    const inputs = stage === 0 ? 3 : widths[stage - 1]!
    return sum + 2 * 9 * pixels * width * (inputs + (convolutions - 1) * width)
  }, 0)

const dinoSide = 224

/** Forward passes count once, backward passes to inputs or to weights once each. */
export const stepFlops = ({ architecture: { decoder, dino, encoder, vgg: { widths } }, data, gan, stage_1: { params } }: RunConfig, batch: number): number => {
  const latents = (params.encoder_input_size / encoder.patch_size) ** 2
  const encode = transformer(encoder.num_hidden_layers, encoder.hidden_size, encoder.hidden_size * encoder.mlp_ratio, latents + 1 + encoder.num_register_tokens)
    + 2 * latents * encoder.hidden_size * 3 * encoder.patch_size ** 2
  const decode = transformer(decoder.decoder_num_hidden_layers, decoder.decoder_hidden_size, decoder.decoder_intermediate_size, latents + 1)
    + 2 * latents * decoder.decoder_hidden_size * (encoder.hidden_size + 3 * decoder.patch_size ** 2)
  const tokens = (dinoSide / dino.patch_size) ** 2
  const taps = transformer(dino.depth, dino.embed_dim, dino.embed_dim * dino.mlp_ratio, tokens + 1) + 2 * tokens * dino.embed_dim * 3 * dino.patch_size ** 2
  const heads = (gan.disc.arch.key_depths.length + 1) * 2 * tokens * dino.embed_dim * (dino.embed_dim * (1 + gan.disc.arch.ks) + 1)
  return batch * (encode + 4 * decode + 3 * vgg(widths, data.image_size) + 4 * taps + 8 * heads)
}
