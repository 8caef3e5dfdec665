/** Which file of a checkpoint a tensor belongs to, by its name. */
export const fileOf = (name: string): string =>
  name.startsWith("decoder.") ? "decoder.safetensors"
    : name.startsWith("ema.") ? "ema.safetensors"
    : name.startsWith("disc.") ? "discriminator.safetensors"
    : "optimizer.safetensors"
