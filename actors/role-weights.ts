/** Where a run's weights come from: published files, checked before anything is read, or draws keyed by seed and name. */
import { requiredFiles } from "../src/config/required-files.ts"
import type { RunConfig } from "../src/config/schema.ts"
import { checkWeights, type FoundTensor, nameInModel } from "../src/models/check-weights.ts"
import { type LatentStatistics, latentStatistics } from "../src/models/latent-statistics.ts"
import { randomWeights } from "../src/models/random-weights.ts"
import type { Spec } from "../src/nn/parameters.ts"
import * as T from "../src/tensor/ops.ts"
import { keep, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { openWeights, type WeightFile } from "../src/tensor/weight-files.ts"
import { hashTensor } from "../src/tensor/weights.ts"
import { checkPublishedHash } from "./published-hashes.ts"

export type Weights = ReadonlyMap<string, Tensor>
type Device = "cpu" | `cuda:${number}`

/** The files of the config that hold this key's weights; empty where they are drawn. */
export const filesOf = (config: RunConfig, ...keys: ReadonlyArray<string>): ReadonlyArray<string> =>
  keys.flatMap((prefix) => requiredFiles(config).filter(({ key }) => key.startsWith(prefix)).map(({ path }) => path))

interface Source {
  readonly file: WeightFile
  /** Name in the file by name in the model. */
  readonly names: ReadonlyMap<string, string>
}

/**
 * Reads a model's weights as float32; throws InvalidWeights that lists every difference, or TensorError for a file that holds no weights.
 * `nestings`: as openWeights has them.
 */
const readWeights = (spec: Spec, files: ReadonlyArray<string>, device: Device, nestings?: ReadonlyArray<string>): Weights => {
  using opened = new DisposableStack()
  const sources = files.map((path): Source => {
    const file = opened.use(openWeights(path, nestings))
    checkPublishedHash(path)
    return { file, names: new Map([...file.tensors.keys()].map((name) => [nameInModel(spec, name), name])) }
  })
  const found = new Map<string, FoundTensor>(sources.flatMap(({ file, names }) => [...names].map(([name, own]) => [name, file.tensors.get(own)!] as const)))
  checkWeights(spec, found, files.join(", "))
  return new Map([...spec.parameters.keys()].map((name) => {
    const { file, names } = sources.find((source) => source.names.has(name))!
    return [name, keep(file.read(names.get(name)!, { dtype: "float32", device }))] as const
  }))
}

/** The latents' statistics that a run standardises them by; null where it does not. The caller owns them. */
export const readStatistics = (config: RunConfig, device: Device): LatentStatistics | null => {
  const files = filesOf(config, "stage_1.params.normalization_stat_path")
  if (files.length === 0) return null
  const { architecture: { encoder }, stage_1: { params } } = config
  const side = params.encoder_input_size / encoder.patch_size
  const shape = [encoder.hidden_size, side, side]
  const parameter = { shape, use: "other", init: { kind: "constant", value: 0 } } as const
  const read = readWeights({ model: "the latents' statistics", parameters: new Map([["mean", parameter], ["var", parameter]]), ignored: [] }, files, device)
  try {
    return latentStatistics(read.get("mean")!, read.get("var")!, params.eps)
  } finally {
    for (const tensor of read.values()) tensor.dispose()
  }
}

/** Weights of a model from its files, or drawn where there are none. The caller owns them. */
export const initialWeights = (spec: Spec, files: ReadonlyArray<string>, seed: number, device: Device, nestings?: ReadonlyArray<string>): Weights => {
  if (files.length > 0) return readWeights(spec, files, device, nestings)
  const drawn = randomWeights(spec, seed)
  for (const weight of drawn.values()) keep(weight)
  if (device === "cpu") return drawn
  return new Map([...drawn].map(([name, weight]) => {
    const moved = keep(T.to(weight, { device }))
    weight.dispose()
    return [name, moved] as const
  }))
}

/** Memory for weights that are filled from elsewhere. */
export const emptyWeights = (spec: Spec, device: Device): Weights =>
  new Map([...spec.parameters].map(([name, { shape }]) => [name, keep(T.zeros(shape, { device }))] as const))

/** Names a set of weights by its content: XXH3-128 of every tensor, in the order of names. */
export const hashWeights = (weights: Weights): string =>
  scope(() => {
    const lines = [...weights].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, weight]) => `${name} ${hashTensor(weight)}`)
    return hashTensor(T.fromUint8(new TextEncoder().encode(lines.join("\n")), [lines.join("\n").length]))
  })
