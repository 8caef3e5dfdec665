/** Loads encoder and decoder from where an AutoencoderSource says; every file is checked against the config's sizes, a checkpoint against its hashes. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { manifestFile } from "../src/checkpoint/layout.ts"
import * as Manifest from "../src/checkpoint/manifest.ts"
import { CheckpointDamaged, errnoOf, type Problem } from "../src/checkpoint/storage-errors.ts"
import type { RunConfig } from "../src/config/schema.ts"
import type { Autoencoder } from "../src/eval/autoencoder.ts"
import { checkWeights } from "../src/models/check-weights.ts"
import { encoderSpec } from "../src/models/encoder.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import { frozenWeights } from "../src/nn/working-copies.ts"
import type { Device } from "../src/tensor/dtype.ts"
import { TensorError } from "../src/tensor/errors.ts"
import * as T from "../src/tensor/ops.ts"
import { keep } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { hashTensors, openSafetensors } from "../src/tensor/weights.ts"
import { FrozenEncoder } from "../src/train/frozen-encoder.ts"
import type { AutoencoderSource } from "./autoencoder-source.ts"
import { filesOf, hashWeights, initialWeights, readStatistics, type Weights } from "./role-weights.ts"

export interface LoadedAutoencoder extends Autoencoder {
  /** By the network's name: of the weights as they are loaded, wherever they came from. */
  readonly hashes: { readonly encoder: string; readonly decoder: string; readonly statistics: string | null }
  readonly dispose: () => void
}

const decoderKeys = ["stage_1.ckpt", "stage_1.params.pretrained_decoder_path"]
/** The config's files of decoder weights; none where it names none. */
export const decoderFiles = (config: RunConfig): ReadonlyArray<string> => filesOf(config, ...decoderKeys)

const damaged = (path: string, where: string, problem: string, expected: string | null = null, got: string | null = null) =>
  new CheckpointDamaged({ path, problems: [{ where, problem, expected, got } satisfies Problem] })

const readManifest = (dir: string): Manifest.Manifest => {
  try {
    return Manifest.decode(readFileSync(join(dir, manifestFile)))
  } catch (error) {
    throw damaged(dir, manifestFile, error instanceof Manifest.ManifestInvalid ? error.problem : errnoOf(error))
  }
}

/** The decoder of a checkpoint, each tensor's bytes as its manifest has them. Throws CheckpointDamaged and InvalidWeights. */
const readCheckpoint = (dir: string, config: RunConfig, role: "decoder" | "ema", device: Device): Weights => {
  const { tensors } = readManifest(dir)
  const name = `${role}.safetensors`
  const spec = decoderSpec(config.architecture.decoder)
  try {
    using file = openSafetensors(join(dir, name))
    const own = new Map([...file.tensors].map(([saved, entry]) => [saved.slice(`${role}.`.length), entry]))
    checkWeights(spec, own, file.path)
    const hashes = new Map(tensors.map((tensor) => [tensor.name, tensor.hash]))
    const read = new Map([...spec.parameters.keys()].map((each) => [`${role}.${each}`, keep(file.read(`${role}.${each}`))] as const))
    for (const [saved, got] of hashTensors(read)) {
      const expected = hashes.get(saved)
      if (expected !== got) throw damaged(dir, `${name}#${saved}`, "other bytes", expected ?? "no such tensor", got)
    }
    return new Map([...read].map(([saved, tensor]) => [saved.slice(`${role}.`.length), onDevice(tensor, device)]))
  } catch (error) {
    if (error instanceof TensorError && (error.code === "io" || error.code === "invalid")) throw damaged(dir, name, error.message)
    throw error
  }
}

const onDevice = (tensor: Tensor, device: Device): Tensor => {
  if (device === "cpu") return tensor
  const moved = keep(T.to(tensor, { device }))
  tensor.dispose()
  return moved
}

/** The caller disposes it. Throws InvalidWeights, CheckpointDamaged, and TensorError for files that hold no weights. */
export const loadAutoencoder = ({ checkpoint, config, weights }: AutoencoderSource, device: Device): LoadedAutoencoder => {
  const { architecture, stage_1: { params }, training: { global_seed: seed, precision } } = config
  const decoderWeights = checkpoint === null
    ? initialWeights(decoderSpec(architecture.decoder), decoderFiles(config), seed, device, weights === "ema" ? undefined : ["model", "state_dict", "ema"])
    : readCheckpoint(checkpoint, config, weights === "ema" ? "ema" : "decoder", device)
  const encoderWeights = initialWeights(encoderSpec(architecture.encoder), filesOf(config, "stage_1.params.encoder"), seed, device)
  const statistics = readStatistics(config, device)
  const hashes = {
    encoder: hashWeights(encoderWeights), decoder: hashWeights(decoderWeights),
    statistics: statistics === null ? null : hashWeights(new Map(Object.entries(statistics)))
  }
  const encoder = new FrozenEncoder({ config: architecture.encoder, weights: encoderWeights, precision, inputSize: params.encoder_input_size, statistics })
  const decoder = { config: architecture.decoder, weights: frozenWeights(decoderSpec(architecture.decoder), decoderWeights, precision) }
  return {
    encoder, decoder, statistics, hashes,
    dispose: () => {
      encoder.dispose()
      for (const tensor of [...decoder.weights.values(), ...(statistics === null ? [] : [statistics.mean, statistics.deviation])]) tensor.dispose()
    }
  }
}
