/** Finds every network's sizes: from the `architecture` block, the published `config.json` files, or the discriminator's recipe. */
import type * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { basename, join } from "node:path"
import {
  DecoderArchitecture, EncoderArchitecture, type Architecture, type DinoArchitecture, type VggArchitecture
} from "./blocks/architecture.ts"
import { decode } from "./decode.ts"
import { checkout, locate, shownPath } from "./places.ts"
import { problemAt } from "./problem.ts"
import type { ConfigFile } from "./schema.ts"
import { spanOf, type Node, type Path } from "./tree.ts"
import { readYamlMap, type Read } from "./yaml-source.ts"

/** Sizes of the DINO networks by published recipe name (facebookresearch/dino: ViT-S/8, ViT-S/16, ViT-B/16). */
const recipes: Readonly<Record<ConfigFile["gan"]["disc"]["arch"]["recipe"], DinoArchitecture>> = {
  S_8: { embed_dim: 384, depth: 12, num_heads: 6, patch_size: 8, mlp_ratio: 4 },
  S_16: { embed_dim: 384, depth: 12, num_heads: 6, patch_size: 16, mlp_ratio: 4 },
  B_16: { embed_dim: 768, depth: 12, num_heads: 12, patch_size: 16, mlp_ratio: 4 }
}

const vgg16: VggArchitecture = { widths: [64, 128, 256, 512, 512] }

/** Reads `config.json` of the directory that the key at `path` names. */
const readConfigJson = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, tree: Node, path: Path, name: string): Read<S["Type"]> => {
  // sizes of encoders on the Hub are published facts and ship with the project, so that trials need no download
  const dir = locate(name, "config.json") ?? locate(join(checkout, "configs/encoder", basename(name)), "config.json")
  const problem = (message: string) => ({ ok: false as const, problems: [problemAt(spanOf(tree, path), message, `expected a directory with config.json at \`${name}\` or \`models/${name}\``)] })
  if (dir === undefined) return problem(`no config.json for \`${name}\``)
  const file = join(dir, "config.json")
  let text: string
  try {
    text = readFileSync(file, "utf8")
  } catch (cause) {
    return problem(`cannot read ${shownPath(file)}: ${(cause as NodeJS.ErrnoException).code}`)
  }
  const read = readYamlMap({ name: shownPath(file), text })
  return read.ok ? decode(schema, read.value, { excess: "ignore" }) : read
}

export const architectureOf = (config: ConfigFile, tree: Node): Read<Architecture> => {
  const { params } = config.stage_1
  const { encoder, decoder, dino, vgg } = config.architecture
  const encoderRead: Read<EncoderArchitecture> = encoder !== null
    ? { ok: true, value: encoder }
    : readConfigJson(EncoderArchitecture, tree, ["stage_1", "params", "encoder_config_path"], params.encoder_config_path)
  const decoderRead: Read<DecoderArchitecture> = decoder !== null
    ? { ok: true, value: decoder }
    : readConfigJson(DecoderArchitecture, tree, ["stage_1", "params", "decoder_config_path"], params.decoder_config_path)
  if (!encoderRead.ok || !decoderRead.ok) {
    return { ok: false, problems: [encoderRead, decoderRead].flatMap((read) => read.ok ? [] : read.problems) }
  }
  const grid = Math.floor(params.encoder_input_size / encoderRead.value.patch_size)
  return {
    ok: true,
    value: {
      encoder: encoderRead.value,
      decoder: {
        ...decoderRead.value,
        hidden_size: encoderRead.value.hidden_size,
        patch_size: params.decoder_patch_size,
        image_size: params.decoder_patch_size * grid
      },
      dino: dino ?? recipes[config.gan.disc.arch.recipe],
      vgg: vgg ?? vgg16
    }
  }
}
