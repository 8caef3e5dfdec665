/**
 * How the PyTorch implementation lays out a whole training state (https://github.com/bytetriper/RAE, `save_checkpoint` of src/train_stage1.py):
 * `torch.save` of one dict.
 *
 *     step, epoch            updates made; the epoch that begins (it saves where one does)
 *     model, ema             state dicts of the autoencoder: `encoder.…`, frozen, and `decoder.…`
 *     disc                   state dict of the heads; the frozen network below them is kept out of it
 *     optimizer              of AdamW over all of the decoder's parameters, by their number in the order of `named_parameters`
 *     disc_optimizer         of AdamW over the heads' parameters, likewise
 *     scheduler, disc_scheduler   of LambdaLR, or None
 */

/** A network under training: where its state lies there, and under which prefixes here. */
export interface TrainedPart {
  readonly weights: "model" | "disc"
  /** Before the names in its state dict there. */
  readonly prefix: string
  readonly optimizer: "optimizer" | "disc_optimizer"
  readonly scheduler: "scheduler" | "disc_scheduler"
  readonly own: string
  /** Before `m.` and `v.` and the name of a weight. */
  readonly moments: string
  /** Counts its updates. */
  readonly counter: string
}
export const trainedParts: ReadonlyArray<TrainedPart> = [
  { weights: "model", prefix: "decoder.", optimizer: "optimizer", scheduler: "scheduler", own: "decoder.", moments: "optimizer.decoder.", counter: "optimizer.decoder.step" },
  { weights: "disc", prefix: "", optimizer: "disc_optimizer", scheduler: "disc_scheduler", own: "disc.", moments: "optimizer.disc.", counter: "optimizer.disc.step" }
]

/** AdamW's names of the two moments, and ours. */
export const moments = [["exp_avg", "m."], ["exp_avg_sq", "v."]] as const

/** Singular vectors of spectral norm are buffers. */
const isBuffer = (name: string) => /\.weight_[uv]$/.test(name)

/**
 * Names in the order in which modules register them: parameters of a module itself come before its children's, and spectral norm registers
 * its weight anew, after the bias.
 */
const registered = [
  "decoder_pos_embed", "trainable_cls_token", "decoder_embed", "decoder_layers", "decoder_norm", "decoder_pred",
  "attention", "intermediate", "output", "layernorm_before", "layernorm_after", "query", "key", "value", "weight", "bias", "weight_orig", "weight_u", "weight_v"
]

const compared = (a: string, b: string): number => {
  const others = b.split(".")
  for (const [i, part] of a.split(".").entries()) {
    const other = others[i]
    if (part === other) continue
    if (other === undefined) return 1
    return /^\d+$/.test(part) && /^\d+$/.test(other) ? Number(part) - Number(other) : registered.indexOf(part) - registered.indexOf(other)
  }
  return -1
}

export const inRegistrationOrder = (names: Iterable<string>): ReadonlyArray<string> => [...names].toSorted(compared)

/**
 * The parameters that an optimiser numbers, from the names of the whole state dict. All of the decoder's are among them, the position
 * embedding too: it is declared fixed, but the training program asks for the gradient of every parameter of the decoder. Here it stays fixed.
 */
export const numberedParameters = (names: Iterable<string>): ReadonlyArray<string> => inRegistrationOrder([...names].filter((name) => !isBuffer(name)))
