/** The pretrained files of a run, where they are published and where they go. */
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { encoderDirectory } from "./encoders.ts"
import { locate, locateWeights, placeFor, shownPath } from "./places.ts"
import { ConfigInvalid, problemAt, type Problem } from "./problem.ts"
import type { RunConfig } from "./schema.ts"
import { lookUp, spanOf } from "./tree.ts"
import type { Study, Variant } from "./load.ts"

export interface RequiredFile {
  /** The key that names it. */
  readonly key: string
  readonly what: string
  /** Absolute: where it is, or where to put it. */
  readonly path: string
  readonly published: string
}

const published = {
  dino: {
    S_8: "https://huggingface.co/nyu-visionx/RAE-collections (discs/dino_vit_small_patch8_224.pth), or https://huggingface.co/timm/vit_small_patch8_224.dino (model.safetensors)",
    S_16: "https://huggingface.co/timm/vit_small_patch16_224.dino (model.safetensors)",
    B_16: "https://huggingface.co/timm/vit_base_patch16_224.dino (model.safetensors)"
  },
  vgg: "https://download.pytorch.org/models/vgg16-397923af.pth, or https://huggingface.co/timm/vgg16.tv_in1k (model.safetensors)",
  lpips: "https://github.com/richzhang/PerceptualSimilarity (lpips/weights/v0.1/vgg.pth)",
  inception: "https://github.com/mseitzer/pytorch-fid/releases (fid_weights, pt_inception-2015-12-05-6726825d.pth), or https://github.com/toshas/torch-fidelity/releases (v0.2.0, weights-inception-2015-12-05-6726825d.pth)",
  decoder: "https://huggingface.co/nyu-visionx/RAE-collections",
  stats: "https://huggingface.co/nyu-visionx/RAE-collections"
} as const

/** File names under which the networks are published, in the order in which they are looked for where the configuration names none. */
const usualNames = {
  dino: {
    S_8: ["models/discs/dino_vit_small_patch8_224.pth", "models/discs/dino_vit_small_patch8_224.safetensors"],
    S_16: ["models/discs/dino_vit_small_patch16_224.pth", "models/discs/dino_vit_small_patch16_224.safetensors"],
    B_16: ["models/discs/dino_vit_base_patch16_224.pth", "models/discs/dino_vit_base_patch16_224.safetensors"]
  },
  vgg: ["models/lpips/vgg16-397923af.pth", "models/lpips/vgg16.safetensors"],
  lpips: ["models/lpips/vgg.pth", "models/lpips/vgg_lin.safetensors"]
} as const

/** Both programs that publish it put the same bytes under names of their own. */
const inceptionNames = ["pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth"]

/** Where torchvision and its like put what they fetch. */
const torchHub = (name: string): string => join(process.env["TORCH_HOME"] || join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "torch"), "hub/checkpoints", name)

export const requiredFiles = (config: RunConfig): ReadonlyArray<RequiredFile> => {
  const { eval: evaluation, stage_1: { ckpt, params }, weights: { models_dir: modelsDir, source } } = config
  /** A path that is not set still has a place of its own, so that the message can name it. */
  const fileAt = (key: string, what: string, named: string | null, usual: ReadonlyArray<string>, where: string): RequiredFile => {
    const names = named === null ? usual : [named]
    const found = names.map((name) => locate(name, { modelsDir })).find((path) => path !== undefined)
    return { key, what, path: found ?? placeFor(names[0]!, modelsDir), published: where }
  }
  const started = [
    ...(ckpt !== null ? [fileAt("stage_1.ckpt", "decoder weights", ckpt, [], published.decoder)]
      : params.pretrained_decoder_path === null ? []
      : [fileAt("stage_1.params.pretrained_decoder_path", "decoder weights", params.pretrained_decoder_path, [], published.decoder)]),
    ...(params.normalization_stat_path === null ? [] : [fileAt("stage_1.params.normalization_stat_path", "latent statistics", params.normalization_stat_path, [], published.stats)])
  ]
  const measuring = evaluation.metrics.includes("rfid")
    ? [fileAt("eval.metrics", "Inception network of rFID", null, [...inceptionNames.map((name) => `models/inception/${name}`), ...inceptionNames.map(torchHub)], published.inception)] : []
  // it measures and trains nothing: where it is there, runs of random weights are measured with it too
  if (source === "random") return [...started, ...measuring.filter(({ path }) => existsSync(path))]
  const { arch } = config.gan.disc
  const encoder = encoderDirectory(params)
  return [
    {
      key: encoder.key, what: "encoder weights", path: locateWeights(encoder.path, modelsDir) ?? join(placeFor(encoder.path, modelsDir), "model.safetensors"),
      published: `https://huggingface.co/${encoder.path} (config.json, preprocessor_config.json, model.safetensors)`
    },
    fileAt("gan.disc.arch.dino_ckpt_path", "DINO network of the discriminator", arch.dino_ckpt_path, usualNames.dino[arch.recipe], published.dino[arch.recipe]),
    fileAt("lpips.vgg_path", "VGG16 of LPIPS", config.lpips.vgg_path, [...usualNames.vgg, torchHub("vgg16-397923af.pth")], published.vgg),
    fileAt("lpips.lin_path", "linear layers of LPIPS", config.lpips.lin_path, usualNames.lpips, published.lpips),
    ...started,
    ...measuring
  ]
}

const problemWith = (file: RequiredFile, { tree }: Variant): Problem | undefined => {
  if (existsSync(file.path)) return undefined
  const at = shownPath(file.path)
  return problemAt(spanOf(tree, file.key.split(".")), `${file.what}: no file ${at}`,
    `published: ${file.published}\nput it at ${at}, or try the run with random weights: --random-weights`)
}

/** Everything that a study reads must be there before it starts: pretrained files of every variant, and images from somewhere. */
export const requireInputs = Effect.fnUntraced(function*(study: Study): Effect.fn.Return<void, ConfigInvalid> {
  const problems = study.variants.flatMap((variant) => {
    const { data } = variant.config
    const nothingToTrain = lookUp(variant.tree, ["training"]) === undefined
      ? [problemAt(variant.tree.at, "no `training` block: this describes an autoencoder to use, not to train", "add `training` and `gan`, or `extends:` a configuration that has them")]
      : []
    const noImages = data.path === null && data.synthetic === null
      ? [problemAt(spanOf(variant.tree, ["data", "path"]), "no images to train on", "give a folder of class folders of images: --data DIR")]
      : []
    return [...nothingToTrain, ...noImages, ...requiredFiles(variant.config).map((file) => problemWith(file, variant)).filter((problem) => problem !== undefined)]
  })
  const different = [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
  if (different.length > 0) return yield* new ConfigInvalid({ problems: different })
})
