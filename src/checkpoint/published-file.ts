/**
 * A training state that the PyTorch implementation saved, under the names that it has here: what lies where in the file, and every
 * difference from what this run's config expects, before anything is copied.
 */
import * as Schema from "effect/Schema"
import type { ByteSource } from "../formats/byte-source.ts"
import type { Dict } from "../formats/pickle.ts"
import { NoStateDict, withoutWrappers } from "../formats/state-dict.ts"
import { type PlacedTensor, readTorchFile, type TorchFile } from "../formats/torch-file.ts"
import type { Part, TensorView, TorchValue } from "../formats/torch-vocabulary.ts"
import { moments, numberedParameters, type TrainedPart, trainedParts } from "./published-state.ts"
import { isRowMajor } from "./weight-places.ts"

/** A tensor of a checkpoint, as the run's config has it; all are float32. */
export interface ExpectedTensor {
  readonly name: string
  readonly shape: ReadonlyArray<number>
}

/** What an optimiser was saved with, where it says so. */
export type Hyperparameters = Readonly<Record<string, number | ReadonlyArray<number>>>

export interface PublishedState {
  readonly step: number
  readonly epoch: number
  /** Our own state.json, where the file was exported from here. */
  readonly own: string | null
  /** By their names here; null: all zeros, the moments of an optimiser that has made no update. */
  readonly tensors: ReadonlyMap<string, PlacedTensor | null>
  /** Updates made. */
  readonly counters: Readonly<Record<string, number>>
  readonly hyperparameters: Readonly<Record<TrainedPart["optimizer"], Hyperparameters>>
  /** What the file holds and a run here does not take over. */
  readonly leftOut: ReadonlyArray<string>
}

export class NoTrainingState extends Schema.TaggedError<NoTrainingState>()("NoTrainingState", { path: Schema.String, problems: Schema.Array(Schema.String) }) {
  readonly exitCode = 2
  readonly help = "a file that the PyTorch implementation saved while it trained (ep-….pt), with a config of the same sizes; `pretrained_decoder_path` takes a decoder alone"
  override get message() { return [`${this.path} is no training state of this config`, ...this.problems.map((problem) => `  ${problem}`)].join("\n") }
}

const known: ReadonlySet<unknown> = new Set(["step", "epoch", "model", "ema", "disc", "optimizer", "disc_optimizer", "scheduler", "disc_scheduler", "rae"])
/** Of the settings of an optimiser, those that decide what an update is. */
const compared = ["betas", "eps", "weight_decay", "initial_lr"]
const shownNames = 5

const listed = (title: string, items: ReadonlyArray<string>): ReadonlyArray<string> =>
  items.length === 0 ? [] : [`${title}: ${items.slice(0, shownNames).join(", ")}${items.length > shownNames ? ` and ${items.length - shownNames} more` : ""}`]

const isTensor = (value: TorchValue | undefined): value is TensorView => typeof value === "object" && value !== null && "kind" in value && value.kind === "tensor"
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const dictIn = (dict: Dict<Part>, key: string): Dict<Part> | undefined => {
  const value = dict.get(key)
  return value instanceof Map ? value : undefined
}

class Reader {
  readonly #file: TorchFile
  readonly #bytes: ByteSource
  readonly #expected: ReadonlyMap<string, ExpectedTensor>
  readonly missing: Array<string> = []
  readonly unexpected: Array<string> = []
  readonly misfits: Array<string> = []
  readonly wrong: Array<string> = []
  readonly tensors = new Map<string, PlacedTensor | null>()

  constructor(file: TorchFile, bytes: ByteSource, expected: ReadonlyArray<ExpectedTensor>) {
    this.#file = file
    this.#bytes = bytes
    this.#expected = new Map(expected.map((tensor) => [tensor.name, tensor]))
  }

  namesAfter(prefix: string): ReadonlyArray<string> {
    return [...this.#expected.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length))
  }

  /** Takes over one tensor: `where` in the file, `name` here. */
  take(name: string, where: string, value: TorchValue | undefined): void {
    const { shape } = this.#expected.get(name)!
    if (!isTensor(value)) return void this.missing.push(where)
    const tensor = this.#file.place(where, value)
    if (tensor.dtype !== "F32" || tensor.shape.join() !== shape.join()) this.misfits.push(`${where} (expected F32 [${shape}], got ${tensor.dtype} [${tensor.shape}])`)
    else if (!isRowMajor(tensor)) this.misfits.push(`${where} (expected row-major order, got strides [${tensor.strides}])`)
    else this.tensors.set(name, tensor)
  }

  /** A state dict whose names are ours after a prefix; gives what lies there under the one that is not ours. */
  weights(dict: Dict<Part>, key: string, prefix: string, own: string, foreign: string | null): number {
    const found = dictIn(dict, key)
    if (found === undefined) {
      this.missing.push(`\`${key}\``)
      return 0
    }
    const named = withoutWrappers(new Map([...found].flatMap(([name, value]) => typeof name === "string" ? [[name, value] as const] : [])))
    for (const name of this.namesAfter(own)) this.take(own + name, `${key}: ${prefix}${name}`, named.get(prefix + name))
    const others = [...named.keys()].filter((name) => !(name.startsWith(prefix) && this.#expected.has(own + name.slice(prefix.length))))
    const left = others.filter((name) => foreign !== null && name.startsWith(foreign))
    this.unexpected.push(...others.filter((name) => !left.includes(name)).map((name) => `${key}: ${name}`))
    return left.length
  }

  #updates(where: string, value: TorchValue | undefined): number | null {
    if (isCount(value)) return value
    if (isTensor(value)) {
      const { begin, dtype, shape } = this.#file.place(where, value)
      if (shape.reduce((a, b) => a * b, 1) === 1 && (dtype === "F32" || dtype === "I64")) {
        const bytes = this.#bytes.read(begin, dtype === "F32" ? 4 : 8)
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
        const read = dtype === "F32" ? view.getFloat32(0, true) : Number(view.getBigInt64(0, true))
        if (isCount(read)) return read
      }
    }
    this.wrong.push(`${where}: expected a count of updates`)
    return null
  }

  /** Moments by the numbers of their parameters; gives the updates made, and what was saved of settings. */
  optimizer(dict: Dict<Part>, { moments: own, optimizer: key, own: weights }: TrainedPart): { readonly updates: number; readonly settings: Hyperparameters; readonly left: ReadonlyArray<string> } {
    const found = dictIn(dict, key)
    const state = found && dictIn(found, "state")
    const groups = found?.get("param_groups")
    if (state === undefined || !Array.isArray(groups) || !groups.every((group) => group instanceof Map)) {
      this.missing.push(found === undefined ? `\`${key}\`` : `${key}: state and param_groups`)
      return { updates: 0, settings: {}, left: [] }
    }
    const names = numberedParameters(this.namesAfter(weights))
    const numbers = groups.flatMap((group: Dict<Part>) => group.get("params") as ReadonlyArray<TorchValue>)
    if (numbers.length !== names.length || !numbers.every(isCount)) {
      this.wrong.push(`${key}: expected ${names.length} parameters, got ${numbers.length}`)
      return { updates: 0, settings: {}, left: [] }
    }
    const counts = new Set<number>()
    const left: Array<string> = []
    for (const [i, name] of names.entries()) {
      const number = numbers[i] as number
      const one = state.get(number)
      const where = `${key}: ${number} (${name})`
      const trained = this.#expected.has(`${own}m.${name}`)
      if (!trained) {
        if (one instanceof Map) left.push(`${key}: moments of ${name}, which stays as it is here`)
      } else if (state.size === 0) for (const [, ours] of moments) this.tensors.set(`${own}${ours}${name}`, null)
      else if (!(one instanceof Map)) this.missing.push(where)
      else {
        if (one.has("max_exp_avg_sq")) this.wrong.push(`${where}: saved with amsgrad, which AdamW here does not have`)
        for (const [theirs, ours] of moments) this.take(`${own}${ours}${name}`, `${where} ${theirs}`, one.get(theirs))
        const updates = this.#updates(`${where} step`, one.get("step"))
        if (updates !== null) counts.add(updates)
      }
    }
    if (counts.size > 1) this.wrong.push(`${key}: expected one count of updates for all parameters, got ${[...counts].slice(0, shownNames).join(", ")}`)
    return { updates: [...counts][0] ?? 0, settings: settingsOf(groups[0] as Dict<Part>), left }
  }
}

const settingsOf = (group: Dict<Part>): Hyperparameters => Object.fromEntries(compared.flatMap((key) => {
  const value = group.get(key)
  const items = typeof value === "object" && value !== null && "items" in value ? value.items : value
  return typeof items === "number" || Array.isArray(items) && items.every((item) => typeof item === "number") ? [[key, items as number | ReadonlyArray<number>]] : []
}))

/** Throws NoTrainingState with every difference, and InvalidTorchFile for what is no PyTorch file. `path` only names it. */
export const readPublished = (bytes: ByteSource, path: string, expected: ReadonlyArray<ExpectedTensor>): PublishedState => {
  const file = readTorchFile(bytes)
  const refuse = (problems: ReadonlyArray<string>): never => {
    throw new NoTrainingState({ path, problems })
  }
  const { value } = file
  if (!(value instanceof Map)) return refuse(["expected a dict"])
  const [step, epoch, own = null] = ["step", "epoch", "rae"].map((key) => value.get(key))
  const reader = new Reader(file, bytes, expected)
  try {
    for (const [key, count] of [["step", step], ["epoch", epoch]] as const) if (!isCount(count)) reader.missing.push(`\`${key}\`, a count`)
    const encoder = reader.weights(value, "model", "decoder.", "decoder.", "encoder.")
    reader.weights(value, "ema", "decoder.", "ema.", "encoder.")
    reader.weights(value, "disc", "", "disc.", null)
    const optimizers = trainedParts.map((part) => ({ part, saved: reader.optimizer(value, part) }))
    const problems = [
      ...listed("missing", reader.missing), ...listed("unexpected", reader.unexpected), ...listed("wrong shape or dtype", reader.misfits), ...reader.wrong
    ]
    if (problems.length > 0 || !isCount(step) || !isCount(epoch)) return refuse(problems)
    const schedulers = optimizers.flatMap(({ part: { scheduler }, saved: { updates } }) => {
      const position = dictIn(value, scheduler)?.get("last_epoch")
      return position === undefined || position === updates ? [] : [`${scheduler} at ${String(position)}: the rate goes by the ${updates} updates of its optimiser`]
    })
    const others = [...value.keys()].filter((key) => !known.has(key)).map((key) => `\`${String(key)}\``)
    return {
      step, epoch, own: typeof own === "string" ? own : null, tensors: reader.tensors,
      counters: Object.fromEntries(optimizers.map(({ part, saved }) => [part.counter, saved.updates])),
      hyperparameters: Object.fromEntries(optimizers.map(({ part, saved }) => [part.optimizer, saved.settings])) as PublishedState["hyperparameters"],
      leftOut: [
        ...(encoder === 0 ? [] : [`\`encoder.…\` in model and ema (${encoder} tensors): the encoder is the config's, and frozen`]),
        ...optimizers.flatMap(({ saved }) => saved.left), ...schedulers, ...listed("unknown keys", others)
      ]
    }
  } catch (error) {
    if (error instanceof NoStateDict) return refuse([error.problem])
    throw error
  }
}
