/** `reconstruct.json`: what the reconstructions beside it were made from. An interrupted call goes on only with the same. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Schema from "effect/Schema"
import packageJson from "../package.json" with { type: "json" }
import type { LoadedAutoencoder } from "./autoencoder.ts"
import type { ReconstructionRequest } from "./image-reconstruction-request.ts"
import { Refused } from "./process-failure.ts"

export const recordFile = "reconstruct.json"

const MadeFrom = Schema.Struct({
  schema: Schema.Literal(1),
  rae: Schema.String,
  /** For people; the hashes below decide. */
  weights: Schema.String,
  decoder: Schema.String,
  encoder: Schema.String,
  statistics: Schema.NullOr(Schema.String),
  /** Of the networks' sizes and the encoder's input size. */
  networks: Schema.String,
  image_size: Schema.Int,
  precision: Schema.String,
  device: Schema.String,
  /** It decides last bits. */
  batch: Schema.Int,
  images: Schema.Struct({ from: Schema.String, count: Schema.Int, names: Schema.String })
})
export type MadeFrom = typeof MadeFrom.Type

const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32)

export const describe = ({ autoencoder: { config, weights }, batchSize, device, from }: ReconstructionRequest, images: { readonly root: string; readonly paths: ReadonlyArray<string> }, { hashes }: Pick<LoadedAutoencoder, "hashes">): MadeFrom => ({
  schema: 1,
  rae: packageJson.version,
  weights: from.step === null ? from.name : `${from.name} at step ${from.step}, ${weights}`,
  ...hashes,
  networks: digest([config.architecture.encoder, config.architecture.decoder, config.stage_1.params.encoder_input_size]),
  image_size: config.data.image_size,
  precision: config.training.precision,
  device: device.split(":")[0]!,
  batch: batchSize,
  images: { from: images.root, count: images.paths.length, names: digest(images.paths) }
})

const decode = Schema.decodeUnknownSync(MadeFrom)

/** Null where there is none. Throws Refused for one that cannot be read. */
export const readRecord = (dir: string): MadeFrom | null => {
  const path = join(dir, recordFile)
  try {
    return decode(JSON.parse(readFileSync(path, "utf8")))
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return null
    throw new Refused(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`, "--fresh makes everything anew, -o names another folder")
  }
}

export const writeRecord = async (dir: string, record: MadeFrom): Promise<void> => {
  const path = join(dir, recordFile)
  await writeFile(`${path}.new`, `${JSON.stringify(record, null, 2)}\n`, { flush: true })
  await rename(`${path}.new`, path)
}

/** One line for each thing that is not as it was; the program's version does not count. */
export const differences = (was: MadeFrom, is: MadeFrom): ReadonlyArray<string> => {
  const line = (name: string, before: unknown, now: unknown) => (before === now ? [] : [`${name}: was ${String(before)}, is ${String(now)}`])
  return [
    ...(was.decoder === is.decoder ? [] : [`weights: was ${was.weights} (${was.decoder.slice(0, 8)}), is ${is.weights} (${is.decoder.slice(0, 8)})`]),
    ...line("encoder weights", was.encoder, is.encoder),
    ...line("latent statistics", was.statistics ?? "none", is.statistics ?? "none"),
    ...line("networks", was.networks, is.networks),
    ...line("image size", was.image_size, is.image_size),
    ...line("precision", was.precision, is.precision),
    ...line("device", was.device, is.device),
    ...line("batch", was.batch, is.batch),
    ...line("images from", was.images.from, is.images.from),
    ...line("images", was.images.count, is.images.count),
    ...(was.images.count === is.images.count ? line("names of the images", was.images.names, is.images.names) : [])
  ]
}
