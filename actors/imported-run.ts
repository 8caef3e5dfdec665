/** A run that begins with a training state of the PyTorch implementation: its directory, with that state as its one checkpoint. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync } from "node:fs"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { copyPublished, type Checksums } from "../src/checkpoint/published-copy.ts"
import { type ExpectedTensor, NoTrainingState, type PublishedState, readPublished } from "../src/checkpoint/published-file.ts"
import type { Committed } from "../src/checkpoint/commit.ts"
import { entriesIn } from "../src/checkpoint/layout.ts"
import { attempt } from "../src/checkpoint/storage-errors.ts"
import type { OptimizerFacts } from "../src/checkpoint/training-export.ts"
import { openBytes } from "../src/formats/open-bytes.ts"
import { defaultFeatureDir } from "../src/data/feature-cache.ts"
import { readZip } from "../src/formats/zip.ts"
import { openStores } from "./checkpoint-stores.ts"
import { requireRoom } from "./disk-room.ts"
import { Progress } from "./engine-protocol.ts"
import { beginning } from "./progress.ts"
import { optimizerFacts } from "./published-training.ts"
import { describeRun } from "./run-description.ts"
import { enterRunDir } from "./run-directory.ts"
import { countImages } from "./run-forecast.ts"
import * as RunJson from "./run-json.ts"
import type { PlannedVariant, RunPlan } from "./run-plan.ts"
import type { StateTensors } from "./state-tensors.ts"

export class RunIsThere extends Schema.TaggedError<RunIsThere>()("RunIsThere", { dir: Schema.String }) {
  readonly exitCode = 2
  readonly help = "import under another --name"
  override get message() { return `there is a run in ${this.dir} already` }
}

export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", { path: Schema.String, reason: Schema.String }) {
  readonly exitCode = 2
  readonly help = "expected a file that PyTorch saved while it trained"
  override get message() { return `${this.path}: ${this.reason}` }
}

export interface Imported {
  readonly progress: Progress
  readonly committed: Committed
  /** What is not as it was in the file, in words. */
  readonly notes: ReadonlyArray<string>
}

/** Nothing of a run may be there: a directory that an import was killed in is taken. */
export const requireFree = Effect.fnUntraced(function*(plan: RunPlan) {
  const checkpoints = yield* attempt("list", plan.dir, () => entriesIn(join(plan.dir, "checkpoints")))
  if (plan.previous !== null || checkpoints.length > 0) return yield* new RunIsThere({ dir: plan.dir })
})

const read = (path: string, expected: ReadonlyArray<ExpectedTensor>) => Effect.try({
  try: () => {
    using bytes = openBytes(path)
    const published = readPublished(bytes, path, expected)
    const isZip = bytes.read(0, 1)[0] === 0x50
    const checksums: Checksums = new Map(isZip ? [...readZip(bytes).values()].map(({ begin, crc32, size }) => [begin, { bytes: size, crc32 }]) : [])
    return { published, checksums }
  },
  catch: (cause) => cause instanceof NoTrainingState ? cause
    : new FileUnreadable({ path, reason: cause instanceof Error ? cause.message : String(cause) })
})

const encodeProgress = Schema.encodeSync(Schema.toCodecJson(Progress))
const decodeProgress = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.toCodecJson(Progress)))

/** Our own place where the file was exported from here, else the beginning of the epoch, which is where the PyTorch implementation saves. */
const placeOf = (path: string, { counters, epoch, own, step }: PublishedState, stepsPerEpoch: number) => Effect.try({
  try: (): Progress => {
    if (own === null) return { ...beginning, step, epoch, counters }
    const progress = decodeProgress(own)
    const same = progress.step === step && progress.epoch === epoch && Object.entries(counters).every(([name, count]) => progress.counters[name] === count)
    if (!same) throw new Error("its step, epoch or counts of updates are not those of the rest of the file")
    if (progress.position >= stepsPerEpoch) throw new Error(`step ${progress.position} of an epoch, which has ${stepsPerEpoch} with these images and batches`)
    return progress
  },
  catch: (cause) => new NoTrainingState({ path, problems: [`\`rae\`: ${cause instanceof Error ? cause.message : String(cause)}`] })
})

const shown = (value: number | ReadonlyArray<number>) => typeof value === "number" ? String(value) : value.join(", ")
const isSame = (a: number | ReadonlyArray<number>, b: number | ReadonlyArray<number>) => shown(a) === shown(b)

const changedSettings = (saved: PublishedState["hyperparameters"], facts: Readonly<Record<keyof PublishedState["hyperparameters"], OptimizerFacts>>): ReadonlyArray<string> =>
  (["optimizer", "disc_optimizer"] as const).flatMap((key) => {
    const { baseRate, betas, eps, weightDecay } = facts[key]
    return Object.entries({ betas, eps, weight_decay: weightDecay, initial_lr: baseRate }).flatMap(([name, here]) => {
      const there = saved[key][name]
      return there === undefined || isSame(there, here) ? [] : [`${key}: ${name} ${shown(there)} in the file, ${shown(here)} in the config, which counts`]
    })
  })

export interface ImportRequest {
  readonly path: string
  readonly plan: RunPlan
  readonly variant: PlannedVariant
  readonly state: StateTensors
}

/** Checks everything, then makes the run. On failure nothing of it is left. */
export const importRun = Effect.fnUntraced(function*({ path, plan, state, variant }: ImportRequest) {
  const { config } = variant
  const { checksums, published } = yield* read(path, state.tensors)
  const { images } = yield* countImages(variant)
  const stepsPerEpoch = Math.floor(images / config.training.global_batch_size)
  const progress = yield* placeOf(path, published, stepsPerEpoch)
  const needed = state.tensors.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0)
  yield* requireRoom(variant, needed, defaultFeatureDir(process.env))

  const made = !existsSync(plan.dir)
  const write = Effect.gen(function*() {
    yield* enterRunDir(plan, { claimed: false, fresh: false, at: new Date() })
    const [store] = yield* openStores(variant)
    yield* store!.removeLeftovers
    const temporary = yield* store!.begin(progress.step)
    const { damaged, report } = yield* attempt("write", temporary.path, () =>
      copyPublished(path, state.tensors.map((tensor) => ({ ...tensor, from: published.tensors.get(tensor.name) ?? null })), checksums, temporary.path), needed)
    if (damaged.length > 0) return yield* new FileUnreadable({ path, reason: `damaged: ${damaged[0]}${damaged.length > 1 ? ` and ${damaged.length - 1} more` : ""}` })
    const committed = yield* store!.commit(temporary, {
      epoch: progress.epoch, position: progress.position, config_hash: variant.hash, resumed_from: null, frozen: [], report, state: encodeProgress(progress)
    })
    const description = describeRun(plan, variant, { libtorch: state.libtorch, precision: config.training.precision, step: progress.step, steps: stepsPerEpoch * config.training.epochs })
    yield* RunJson.write(plan.dir, { ...description, state: "stopped" })
    return committed
  })
  const committed = yield* write.pipe(Effect.onError(() => made ? Effect.promise(() => rm(plan.dir, { recursive: true, force: true })) : Effect.void))
  const facts = optimizerFacts(config, stepsPerEpoch, { optimizer: 0, disc_optimizer: 0 })
  const behind = progress.step - (progress.epoch * stepsPerEpoch + progress.position)
  const imported: Imported = {
    progress, committed,
    notes: [
      ...published.leftOut, ...changedSettings(published.hyperparameters, facts),
      ...(published.own === null ? [`images, crops and noise follow rae's own order from here on: epoch ${progress.epoch} from its beginning`] : []),
      ...(behind === 0 ? [] : [`step ${progress.step} at the beginning of epoch ${progress.epoch}, with ${stepsPerEpoch} steps an epoch here: other images or another batch there; phases and rates go by the step`])
    ]
  }
  return imported
}, Effect.scoped)
