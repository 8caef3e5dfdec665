/** What a planned run will take, as far as it is known before anything is loaded: images, steps, sizes of networks, memory, disk. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { listImageFolder } from "../src/data/image-folder.ts"
import { splitHeldOut } from "../src/data/held-out.ts"
import type { RunConfig } from "../src/config/schema.ts"
import { kept } from "../src/checkpoint/retention.ts"
import type { ModelSizes } from "./model-sizes.ts"
import type { PlannedVariant } from "./run-plan.ts"

export interface Forecast {
  readonly run: string
  readonly images: number
  readonly held_out: number
  readonly steps_per_epoch: number
  readonly steps: number
  readonly sizes: ModelSizes
  /** Weights, moments, averages, gradients on the device, in bytes; what a micro-batch's activations take comes on top, and the dry step finds out. */
  readonly device_bytes: number
  /** On the host, whatever the device: the copy that checkpoints are written from. */
  readonly buffer_bytes: number
  /** All checkpoints that are kept at a time, and the one that is being written. */
  readonly disk_bytes: number
  /** Most that the cache of latents grows to; shared by all runs. */
  readonly cache_bytes: number
}

/** The addon, or libtorch below it, does not load: sizes of networks are not known. */
export class SizesUnknown extends Schema.TaggedError<SizesUnknown>()("SizesUnknown", { reason: Schema.String }) {
  readonly exitCode = 1
  readonly help = "rae doctor shows what is wrong with the addon"
  override get message() { return `sizes of the networks are not known: ${this.reason}` }
}

const entry = join(import.meta.dirname, "model-sizes.ts")

const askSizes = (config: RunConfig) => Effect.tryPromise({
  try: async () => {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", entry], { stdio: ["pipe", "pipe", "pipe"] })
    const ended = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
      child.once("error", reject)
      child.once("close", (code, signal) => resolve(signal ?? code))
    })
    child.stdin.on("error", () => undefined).end(JSON.stringify(config)) // one that ends before it has read is told by its end
    const [stdout, stderr, end] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    if (end !== 0) throw new Error(stderr.trim().split("\n").find((line) => /^\w*error: /i.test(line)) ?? `ended with ${end}`)
    return JSON.parse(stdout) as ModelSizes
  },
  catch: (cause) => new SizesUnknown({ reason: cause instanceof Error ? cause.message : String(cause) })
})

/** Images to train on, and those held out. */
export const countImages = ({ config }: PlannedVariant) => Effect.promise(async () => {
  const { data, eval: evaluation } = config
  if (data.path === null) return { images: data.synthetic?.images ?? 0, held_out: evaluation.images }
  const { paths } = await listImageFolder(data.path)
  if (evaluation.data_path !== null) return { images: paths.length, held_out: (await listImageFolder(evaluation.data_path)).paths.length }
  const { heldOut, training } = splitHeldOut(paths)
  return { images: training.length, held_out: heldOut.length }
})

export const forecast = Effect.fnUntraced(function*(variant: PlannedVariant) {
  const { checkpoint, feature_cache, training } = variant.config
  const { held_out, images } = yield* countImages(variant)
  const sizes = yield* askSizes(variant.config)
  const perEpoch = Math.floor(images / training.global_batch_size)
  const steps = perEpoch * training.epochs
  const forever = checkpoint.keep_every === 0 ? 0 : Math.floor(steps / checkpoint.keep_every)
  const found: Forecast = {
    run: variant.run, images, held_out, steps_per_epoch: perEpoch, steps, sizes,
    device_bytes: sizes.frozen_bytes + sizes.state_bytes + sizes.gradient_bytes, buffer_bytes: sizes.state_bytes,
    disk_bytes: (kept({ keep_last: checkpoint.keep_last, keep_every: null }) + 1 + forever) * sizes.state_bytes,
    cache_bytes: feature_cache.mode === "off" ? 0 : feature_cache.max_bytes
  }
  return found
})
