/** The pretrained files of a run, where they are published and where they go. */
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { extname, join } from "node:path"
import { locate, placeFor, shownPath } from "./places.ts"
import { ConfigInvalid, problemAt, type Problem } from "./problem.ts"
import type { RunConfig } from "./schema.ts"
import { spanOf } from "./tree.ts"
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
    S_8: "https://huggingface.co/timm/vit_small_patch8_224.dino (model.safetensors)",
    S_16: "https://huggingface.co/timm/vit_small_patch16_224.dino (model.safetensors)",
    B_16: "https://huggingface.co/timm/vit_base_patch16_224.dino (model.safetensors)"
  },
  vgg: "https://huggingface.co/timm/vgg16.tv_in1k (model.safetensors)",
  lpips: "https://github.com/richzhang/PerceptualSimilarity, lpips/weights/v0.1/vgg.pth, saved as safetensors under the same key names",
  decoder: "https://huggingface.co/nyu-visionx/RAE-collections, saved as safetensors under the same key names",
  stats: "https://huggingface.co/nyu-visionx/RAE-collections, saved as safetensors under the same key names"
} as const

/** A path that is not set still has a place of its own, so that the message can name it. */
const fileAt = (key: string, what: string, path: string, where: string): RequiredFile =>
  ({ key, what, path: locate(path) ?? placeFor(path), published: where })

export const requiredFiles = (config: RunConfig): ReadonlyArray<RequiredFile> => {
  const { params } = config.stage_1
  const started = [
    ...(params.pretrained_decoder_path === null ? [] : [fileAt("stage_1.params.pretrained_decoder_path", "decoder weights", params.pretrained_decoder_path, published.decoder)]),
    ...(params.normalization_stat_path === null ? [] : [fileAt("stage_1.params.normalization_stat_path", "latent statistics", params.normalization_stat_path, published.stats)])
  ]
  if (config.weights.source === "random") return started
  const { arch } = config.gan.disc
  const encoder = params.encoder_params.dinov2_path
  const encoderDir = encoder ?? params.encoder_config_path
  return [
    fileAt(encoder === null ? "stage_1.params.encoder_config_path" : "stage_1.params.encoder_params.dinov2_path", "encoder weights",
      join(encoderDir, "model.safetensors"), `https://huggingface.co/${encoderDir} (config.json, model.safetensors)`),
    fileAt("gan.disc.arch.dino_ckpt_path", "DINO network of the discriminator", arch.dino_ckpt_path ?? `discs/dino_${arch.recipe}.safetensors`, published.dino[arch.recipe]),
    fileAt("lpips.vgg_path", "VGG16 of LPIPS", config.lpips.vgg_path ?? "lpips/vgg16.safetensors", published.vgg),
    fileAt("lpips.lin_path", "linear layers of LPIPS", config.lpips.lin_path ?? "lpips/vgg_lin.safetensors", published.lpips),
    ...started
  ]
}

const formats = new Set([".pth", ".pt", ".bin", ".ckpt", ".pkl"])

const problemWith = (file: RequiredFile, { tree }: Variant): Problem | undefined => {
  const span = spanOf(tree, file.key.split("."))
  const at = shownPath(file.path)
  if (formats.has(extname(file.path))) {
    return problemAt(span, `${file.what}: PyTorch's \`${extname(file.path)}\` files cannot be read yet, expected safetensors`,
      `wanted: ${at.slice(0, -extname(at).length)}.safetensors, with the same key names\npublished: ${file.published}`)
  }
  return existsSync(file.path) ? undefined : problemAt(span, `${file.what}: no file ${at}`,
    `published: ${file.published}\nput it at ${at}, or try the run with random weights: --random-weights`)
}

/** Everything that a study reads must be there before it starts: pretrained files of every variant, and images from somewhere. */
export const requireInputs = Effect.fnUntraced(function*(study: Study): Effect.fn.Return<void, ConfigInvalid> {
  const problems = study.variants.flatMap((variant) => {
    const { data } = variant.config
    const noImages = data.path === null && data.synthetic === null
      ? [problemAt(spanOf(variant.tree, ["data", "path"]), "no images to train on", "give a folder of class folders of images: --data DIR")]
      : []
    return [...noImages, ...requiredFiles(variant.config).map((file) => problemWith(file, variant)).filter((problem) => problem !== undefined)]
  })
  const different = [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
  if (different.length > 0) return yield* new ConfigInvalid({ problems: different })
})
