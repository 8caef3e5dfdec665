/** Rules that hold between keys, each reported at the key that one would change. */
import { publishedEncoders } from "./encoders.ts"
import type { Path } from "./tree.ts"
import type { RunConfig } from "./schema.ts"

export interface Broken {
  readonly path: Path
  readonly message: string
  readonly help: string
}

/** Side of the image that the discriminator's DINO sees, as published. */
const dinoInput = 224
/** Group norm's groups in the discriminator's heads, as published. */
const normGroups = 32

type Rule = (config: RunConfig) => Broken | undefined

const divisible = (
  whole: number, part: number, path: ReadonlyArray<string>, what: string, partName: string
): Broken | undefined =>
  whole % part === 0 ? undefined : { path, message: `${what} (${whole}) must be a multiple of ${partName} (${part})`, help: `${nearestMultiples(whole, part)} would do` }

const nearestMultiples = (whole: number, part: number): string => {
  const below = Math.floor(whole / part) * part
  return below === 0 ? `${part}` : `${below} or ${below + part}`
}

const rules: ReadonlyArray<Rule> = [
  ({ stage_1: { params: { encoder_cls, encoder_params } } }) => {
    const { pathKey } = publishedEncoders[encoder_cls]
    const other = pathKey === "model_name" ? "dinov2_path" : "model_name"
    return encoder_params[other] === null ? undefined : {
      path: ["stage_1", "params", "encoder_params", other],
      message: `\`${encoder_cls}\` takes \`${pathKey}\`, not \`${other}\``,
      help: `\`${other}: null\` takes back what an extended file says`
    }
  },
  ({ stage_1: { params: { encoder_cls, encoder_params } } }) => encoder_params.num_tokens === null || encoder_cls === "SigLIP2wNorm" ? undefined : {
    path: ["stage_1", "params", "encoder_params", "num_tokens"],
    message: `\`${encoder_cls}\` takes no \`num_tokens\``,
    help: "only `SigLIP2wNorm` does"
  },
  ({ stage_1: { params }, architecture: { encoder } }) =>
    divisible(params.encoder_input_size, encoder.patch_size, ["stage_1", "params", "encoder_input_size"], "`encoder_input_size`", "the encoder's patch"),
  ({ data, stage_1: { params }, architecture: { decoder, encoder } }) =>
    params.encoder_input_size % encoder.patch_size !== 0 || decoder.image_size === data.image_size ? undefined : {
      path: ["data", "image_size"],
      message: `\`data.image_size\` is ${data.image_size}, but the decoder draws ${decoder.image_size} pixels`,
      help: `${params.encoder_input_size / encoder.patch_size} tokens a side (\`encoder_input_size\` ${params.encoder_input_size} / encoder patch ${encoder.patch_size}) times \`decoder_patch_size\` ${params.decoder_patch_size}`
    },
  ({ architecture: { encoder } }) =>
    divisible(encoder.hidden_size, encoder.num_attention_heads, ["architecture", "encoder", "hidden_size"], "the encoder's `hidden_size`", "`num_attention_heads`"),
  ({ architecture: { decoder } }) =>
    divisible(decoder.decoder_hidden_size, decoder.decoder_num_attention_heads, ["architecture", "decoder", "decoder_hidden_size"], "`decoder_hidden_size`", "`decoder_num_attention_heads`"),
  ({ architecture: { decoder } }) =>
    divisible(decoder.decoder_hidden_size, 4, ["architecture", "decoder", "decoder_hidden_size"], "`decoder_hidden_size`", "4, for sine and cosine of two axes"),
  ({ architecture: { dino } }) =>
    divisible(dino.embed_dim, dino.num_heads, ["architecture", "dino", "embed_dim"], "DINO's `embed_dim`", "`num_heads`"),
  ({ architecture: { dino } }) =>
    dinoInput % dino.patch_size === 0 ? undefined : {
      path: ["architecture", "dino", "patch_size"],
      message: `DINO's \`patch_size\` (${dino.patch_size}) must divide its input of ${dinoInput} pixels`,
      help: "published sizes are 8 and 16"
    },
  ({ gan: { disc: { arch } }, architecture: { dino } }) =>
    arch.norm_type === "gn"
      ? divisible(dino.embed_dim, normGroups, ["gan", "disc", "arch", "norm_type"], "with `norm_type: gn`, DINO's width", "the number of groups")
      : undefined,
  ({ gan: { disc: { arch } } }) =>
    arch.ks % 2 === 1 ? undefined : { path: ["gan", "disc", "arch", "ks"], message: `\`gan.disc.arch.ks\` must be odd, got ${arch.ks}`, help: "the convolution pads ks / 2 tokens on both sides" },
  ({ gan: { disc: { arch: { key_depths: depths } } }, architecture: { dino } }) => {
    const path = ["gan", "disc", "arch", "key_depths"]
    const beyond = depths.findIndex((depth) => depth >= dino.depth)
    if (beyond !== -1) return { path: [...path, beyond], message: `\`key_depths\` names layer ${depths[beyond]}, but DINO has ${dino.depth} layers`, help: `layers count from 0 to ${dino.depth - 1}` }
    const unordered = depths.findIndex((depth, i) => i > 0 && depth <= (depths[i - 1] ?? 0))
    return unordered === -1 ? undefined : { path: [...path, unordered], message: "`key_depths` must rise from layer to layer", help: "heads are numbered in this order" }
  },
  ({ training }) =>
    divisible(training.global_batch_size, training.batch_size, ["training", "global_batch_size"], "`global_batch_size`", "`batch_size`"),
  ({ gan: { loss } }) =>
    loss.disc_weight === 0 || loss.disc_upd_start <= loss.disc_start ? undefined : {
      path: ["gan", "loss", "disc_upd_start"],
      message: `the discriminator would start to learn (epoch ${loss.disc_upd_start}) after the decoder starts to follow it (epoch ${loss.disc_start})`,
      help: "`disc_upd_start` must not be later than `disc_start`"
    },
  ({ eval: evaluation }) =>
    evaluation.samples <= evaluation.images ? undefined : { path: ["eval", "samples"], message: `\`eval.samples\` (${evaluation.samples}) is more than \`eval.images\` (${evaluation.images})`, help: "the picture shows images that are evaluated" },
  (config) => scheduleOrder(config.training.scheduler, ["training", "scheduler"]),
  (config) => scheduleOrder(config.gan.disc.scheduler, ["gan", "disc", "scheduler"])
]

const scheduleOrder = (scheduler: RunConfig["training"]["scheduler"], path: ReadonlyArray<string>): Broken | undefined => {
  const { type, warmup_epochs: warmup, warmup_steps: warmupSteps, decay_end_epoch: end, decay_end_steps: endSteps } = scheduler
  const help = "the decay runs from the end of the warm-up to there"
  if (type === "constant") return undefined
  if (warmupSteps !== null && endSteps !== null) {
    return endSteps >= warmupSteps ? undefined : { path: [...path, "decay_end_steps"], message: `the decay ends at step ${endSteps}, before the warm-up does (${warmupSteps})`, help }
  }
  if (warmupSteps !== null || endSteps !== null || end === null || end >= warmup) return undefined
  return { path: [...path, "decay_end_epoch"], message: `the decay ends in epoch ${end}, before the warm-up does (${warmup})`, help }
}

export const brokenRules = (config: RunConfig): ReadonlyArray<Broken> =>
  rules.map((rule) => rule(config)).filter((broken) => broken !== undefined)
