/** A checkpoint as one file that the PyTorch implementation goes on from (its layout: published-state.ts). */
import { open, type FileHandle } from "node:fs/promises"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import { OrderedDict, type Saved, SavedFloat, type SavedStorage, SavedTensor, savedTensor, SavedTuple } from "../formats/pickle-writer.ts"
import { layOutTorchValue } from "../formats/torch-writer.ts"
import type { Written } from "./decoder-export.ts"
import { pieces, tensorsOf, writeAt, writeStored } from "./file-pieces.ts"
import type { Manifest } from "./manifest.ts"
import { inRegistrationOrder, moments, numberedParameters, type TrainedPart, trainedParts } from "./published-state.ts"
import type { PlacedWeight } from "./weight-places.ts"

/** What the config says of an optimiser and its schedule, and no tensor. */
export interface OptimizerFacts {
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly weightDecay: number
  readonly baseRate: number
  /** Of the next update. */
  readonly rate: number
  /** Whether the rate follows a schedule there: a constant one has none. */
  readonly scheduled: boolean
}

export interface TrainingState {
  /** Of the checkpoint. */
  readonly directory: string
  readonly manifest: Manifest
  /** The content of state.json; `counters` are its counts of updates. */
  readonly state: string
  readonly counters: Readonly<Record<string, number>>
  readonly optimizers: Readonly<Record<TrainedPart["optimizer"], OptimizerFacts>>
  /** The frozen encoder under its names in the autoencoder; empty where the run drew it. */
  readonly encoder: ReadonlyArray<PlacedWeight>
}

/** Where the numbers of a storage come from. */
type Source = { readonly path: string; readonly begin: number; readonly end: number } | Uint8Array

const float32 = (value: number) => new Uint8Array(Float32Array.of(value).buffer)

/** LambdaLR's state; the function itself is the config's. */
const schedulerState = ({ baseRate, rate, scheduled }: OptimizerFacts, updates: number): Saved => scheduled
  ? new Map<string, Saved>([
    ["base_lrs", [new SavedFloat(baseRate)]], ["last_epoch", updates], ["verbose", false], ["_step_count", updates + 1], ["_get_lr_called_within_step", false],
    ["_last_lr", [new SavedFloat(rate)]], ["lr_lambdas", [null]]
  ])
  : null

/** One group, as AdamW has it. Which of its implementations runs is left to the program that loads it. */
const parameterGroup = ({ baseRate, betas, eps, rate, weightDecay }: OptimizerFacts, count: number): Saved => new Map<string, Saved>([
  ["lr", new SavedFloat(rate)], ["betas", new SavedTuple(betas.map((beta) => new SavedFloat(beta)))], ["eps", new SavedFloat(eps)], ["weight_decay", new SavedFloat(weightDecay)],
  ["amsgrad", false], ["maximize", false], ["foreach", null], ["capturable", false], ["differentiable", false], ["fused", null], ["initial_lr", new SavedFloat(baseRate)],
  ["params", Array.from({ length: count }, (_, i) => i)]
])

class Composer {
  /** Of every storage. */
  readonly sources = new Map<SavedStorage, Source>()
  readonly #state: TrainingState
  readonly #places: ReadonlyMap<string, PlacedWeight>

  constructor(state: TrainingState, places: ReadonlyMap<string, PlacedWeight>) {
    this.#state = state
    this.#places = places
  }

  #tensor({ dtype, shape }: Pick<PlacedWeight, "dtype" | "shape">, source: Source): SavedTensor {
    const tensor = savedTensor(dtype, shape)
    this.sources.set(tensor.storage, source)
    return tensor
  }
  #own(name: string): SavedTensor {
    const place = this.#places.get(name)
    if (place === undefined) throw new Error(`the checkpoint has no tensor ${name}`)
    return this.#tensor(place, place)
  }
  #namesAfter(prefix: string): ReadonlyArray<string> {
    return inRegistrationOrder([...this.#places.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)))
  }
  #weights(own: string, prefix: string): ReadonlyArray<readonly [string, Saved]> {
    return this.#namesAfter(own).map((name) => [prefix + name, this.#own(own + name)] as const)
  }

  /** An optimiser that has made no update has no moments yet; nor has what is not trained here. */
  #optimizer({ counter, moments: own, optimizer, own: weights }: TrainedPart): Saved {
    const updates = this.#state.counters[counter] ?? 0
    const parameters = numberedParameters(this.#namesAfter(weights))
    const state = parameters.flatMap((name, i): ReadonlyArray<readonly [number, Saved]> => updates === 0 || !this.#places.has(`${own}m.${name}`) ? [] : [[i, new Map<string, Saved>([
      // of each its own: they are counted up in place
      ["step", this.#tensor({ dtype: "F32", shape: [] }, float32(updates))],
      ...moments.map(([theirs, ours]) => [theirs, this.#own(`${own}${ours}${name}`)] as const)
    ])]])
    return new Map<string, Saved>([["state", new Map(state)], ["param_groups", [parameterGroup(this.#state.optimizers[optimizer], parameters.length)]]])
  }

  value(): Saved {
    const { counters, encoder, manifest: { epoch, step }, optimizers, state } = this.#state
    // one storage for both: it is the same, frozen
    const frozen = encoder.map((weight) => [weight.name, this.#tensor(weight, weight)] as const)
    const entries = new Map<string, Saved>([["step", step], ["epoch", epoch]])
    for (const part of trainedParts) {
      const { counter, optimizer, own, prefix, scheduler, weights } = part
      entries.set(weights, new OrderedDict(new Map([...(weights === "model" ? frozen : []), ...this.#weights(own, prefix)])))
      if (weights === "model") entries.set("ema", new OrderedDict(new Map([...frozen, ...this.#weights("ema.", prefix)])))
      entries.set(optimizer, this.#optimizer(part))
      entries.set(scheduler, schedulerState(optimizers[optimizer], counters[counter] ?? 0))
    }
    // what the layout has no place for: it reads past this key
    entries.set("rae", state)
    return entries
  }
}

const placesIn = async (directory: string, { files }: Manifest): Promise<ReadonlyMap<string, PlacedWeight>> => {
  const places = await Promise.all(files.filter(({ name }) => name.endsWith(".safetensors")).map(async ({ name: file }) => {
    const path = join(directory, file)
    await using source = await open(path, "r")
    return (await tensorsOf(source)).tensors.map(({ begin, dtype, end, name, shape }) => ({ name, dtype, shape, path, begin, end }))
  }))
  return new Map(places.flat().map((place) => [place.name, place]))
}

/** Writes the file, which must not exist; its checkpoint has been verified. */
export const exportTraining = async (state: TrainingState, to: string): Promise<Written> => {
  const composer = new Composer(state, await placesIn(state.directory, state.manifest))
  const { rest, storages } = layOutTorchValue(composer.value(), crc32)
  await using opened = new AsyncDisposableStack()
  const sources = new Map<string, FileHandle>()
  const fileAt = async (path: string) => {
    const file = sources.get(path) ?? opened.use(await open(path, "r"))
    sources.set(path, file)
    return file
  }
  const target = opened.use(await open(to, "wx"))
  const checksums: Array<number> = []
  for (const { begin, storage } of storages) {
    const source = composer.sources.get(storage)!
    checksums.push(await writeStored(target, source instanceof Uint8Array ? [source] : pieces(await fileAt(source.path), source.path, source.begin, source.end), begin))
  }
  for (const { at, bytes } of rest(checksums)) await writeAt(target, bytes, at)
  await target.sync()
  return { tensors: storages.length, bytes: (await target.stat()).size }
}
