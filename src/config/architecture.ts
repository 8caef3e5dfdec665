/** Finds every network's sizes: from the `architecture` block, the published `config.json` files, or the discriminator's recipe. */
import { existsSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import {
  DecoderArchitecture, EncoderArchitecture, type Architecture, type DinoArchitecture, type FittedEncoder, type PixelSpace, type VggArchitecture
} from "./blocks/architecture.ts"
import { decode } from "./decode.ts"
import { publishedEncoders, type PublishedEncoder } from "./encoders.ts"
import { checkout, locate, shownPath } from "./places.ts"
import { problemAt, problemOf } from "./problem.ts"
import type { ConfigFile } from "./schema.ts"
import { mergeMaps, spanOf, toPlain, type Branch, type Node, type Path } from "./tree.ts"
import { readYamlMap, type Read } from "./yaml-source.ts"

/** Sizes of the DINO networks by published recipe name (facebookresearch/dino: ViT-S/8, ViT-S/16, ViT-B/16). */
const recipes: Readonly<Record<ConfigFile["gan"]["disc"]["arch"]["recipe"], DinoArchitecture>> = {
  S_8: { embed_dim: 384, depth: 12, num_heads: 6, patch_size: 8, mlp_ratio: 4 },
  S_16: { embed_dim: 384, depth: 12, num_heads: 6, patch_size: 16, mlp_ratio: 4 },
  B_16: { embed_dim: 768, depth: 12, num_heads: 12, patch_size: 16, mlp_ratio: 4 }
}

const vgg16: VggArchitecture = { widths: [64, 128, 256, 512, 512] }

const readJson = (file: string): Read<Branch> => {
  let text: string
  try {
    text = readFileSync(file, "utf8")
  } catch (cause) {
    return { ok: false, problems: [problemOf(shownPath(file), `cannot be read: ${(cause as NodeJS.ErrnoException).code}`)] }
  }
  return readYamlMap({ name: shownPath(file), text })
}

/** Reads `config.json` of the directory that the key at `path` names. */
const readConfigJson = (tree: Node, path: Path, name: string, modelsDir: string | null): Read<{ readonly dir: string; readonly json: Branch }> => {
  // sizes of encoders on the Hub are published facts and ship with the project, so that trials need no download
  const dir = locate(name, { inside: "config.json", modelsDir }) ?? locate(join(checkout, "configs/encoder", basename(name)), { inside: "config.json" })
  if (dir === undefined) return { ok: false, problems: [problemAt(spanOf(tree, path), `no config.json for \`${name}\``, `expected a directory with config.json at \`${name}\`, \`models/${name}\`, under --models-dir or in the Hub's cache (HF_HOME)`)] }
  const read = readJson(join(dir, "config.json"))
  return read.ok ? { ok: true, value: { dir, json: read.value } } : read
}

const triple = (json: Branch, key: string): readonly [number, number, number] | undefined => {
  const plain = toPlain(json) as Readonly<Record<string, unknown>>
  const value = plain[key]
  return Array.isArray(value) && value.length === 3 && value.every((x) => typeof x === "number" && Number.isFinite(x)) ? value as [number, number, number] : undefined
}

/** Mean and deviation of the pixels: preprocessor_config.json beside the config.json, else as published. */
const pixelsOf = (dir: string | undefined, published: PixelSpace): Read<PixelSpace> => {
  const file = dir === undefined ? undefined : join(dir, "preprocessor_config.json")
  if (file === undefined || !existsSync(file)) return { ok: true, value: published }
  const read = readJson(file)
  if (!read.ok) return read
  const image_mean = triple(read.value, "image_mean")
  const image_std = triple(read.value, "image_std")
  if (image_mean !== undefined && image_std !== undefined && image_std.every((x) => x > 0)) return { ok: true, value: { image_mean, image_std } }
  return { ok: false, problems: [problemOf(shownPath(file), "expected `image_mean` and `image_std`, three numbers each")] }
}

/** What the file says of the encoder: its own block of it, over what its config class takes for what is left out. */
const encoderBlock = (json: Branch, { block, configTypes, sizes }: PublishedEncoder, cls: string): Read<Branch> => {
  const type = json.entries.get("model_type")
  const name = type?.node.kind === "value" ? type.node.value : undefined
  if (type !== undefined && !configTypes.includes(String(name))) {
    return { ok: false, problems: [problemAt(type.node.at, `\`model_type\` is ${JSON.stringify(name)}, but \`encoder_cls: ${cls}\` reads ${configTypes.map((known) => `\`${known}\``).join(" and ")}`, "name the directory of that encoder, or another `encoder_cls`")] }
  }
  const inner = block === null ? undefined : json.entries.get(block)?.node
  const own = inner?.kind === "map" ? inner : json
  if (sizes === null) return { ok: true, value: own }
  const published = readYamlMap({ name: "published sizes", text: sizes })
  return published.ok ? { ok: true, value: mergeMaps(published.value, own) } : published
}

const encoderOf = (config: ConfigFile, tree: Node): Read<FittedEncoder> => {
  const { encoder_cls, encoder_config_path } = config.stage_1.params
  const path = ["stage_1", "params", "encoder_config_path"]
  const published = publishedEncoders[encoder_cls]
  const own = config.architecture.encoder
  const found = readConfigJson(tree, path, encoder_config_path, config.weights.models_dir)
  let read: Read<EncoderArchitecture>
  if (own !== null) read = { ok: true, value: own }
  else if (!found.ok) return found
  else {
    const block = encoderBlock(found.value.json, published, encoder_cls)
    read = block.ok ? decode(EncoderArchitecture, block.value, { excess: "ignore" }) : block
  }
  if (!read.ok) return read
  const pixels = pixelsOf(found.ok ? found.value.dir : undefined, published.pixels)
  if (!pixels.ok) return pixels
  const { hidden_act, hidden_size, image_size, intermediate_size, layer_norm_eps, mlp_ratio, num_attention_heads, num_hidden_layers, num_register_tokens, patch_size } = read.value
  if (hidden_act !== null && hidden_act !== published.activation) {
    const at = own === null ? path : ["architecture", "encoder", "hidden_act"]
    return { ok: false, problems: [problemAt(spanOf(tree, at), `\`hidden_act\` is \`${hidden_act}\`, but \`${encoder_cls}\` has \`${published.activation}\``)] }
  }
  return {
    ok: true,
    value: {
      model_type: published.modelType, hidden_size, num_hidden_layers, num_attention_heads, patch_size, image_size, num_register_tokens, mlp_ratio,
      intermediate_size: intermediate_size ?? Math.round(mlp_ratio * hidden_size), layer_norm_eps: layer_norm_eps ?? published.layerNormEps, ...pixels.value
    }
  }
}

const decoderOf = (config: ConfigFile, tree: Node): Read<DecoderArchitecture> => {
  const { decoder_config_path } = config.stage_1.params
  if (config.architecture.decoder !== null) return { ok: true, value: config.architecture.decoder }
  const found = readConfigJson(tree, ["stage_1", "params", "decoder_config_path"], decoder_config_path, config.weights.models_dir)
  return found.ok ? decode(DecoderArchitecture, found.value.json, { excess: "ignore" }) : found
}

export const architectureOf = (config: ConfigFile, tree: Node): Read<Architecture> => {
  const { params } = config.stage_1
  const { dino, vgg } = config.architecture
  const encoder = encoderOf(config, tree)
  const decoder = decoderOf(config, tree)
  if (!encoder.ok || !decoder.ok) return { ok: false, problems: [encoder, decoder].flatMap((read) => read.ok ? [] : read.problems) }
  const { hidden_size, image_mean, image_std, patch_size } = encoder.value
  return {
    ok: true,
    value: {
      encoder: encoder.value,
      decoder: {
        ...decoder.value, hidden_size, image_mean, image_std,
        patch_size: params.decoder_patch_size,
        image_size: params.decoder_patch_size * Math.floor(params.encoder_input_size / patch_size)
      },
      dino: dino ?? recipes[config.gan.disc.arch.recipe],
      vgg: vgg ?? vgg16
    }
  }
}
