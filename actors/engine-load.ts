/**
 * `Load`: everything that a run needs, made and checked in the order in which wrong input is cheapest to find; nothing is created on disk.
 *
 * device → images → frozen weights → training state (begun anew, or filled from a checkpoint) → copy in the buffer → dry step.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Manifest from "../src/checkpoint/manifest.ts"
import { errnoOf } from "../src/checkpoint/storage-errors.ts"
import type { RunConfig } from "../src/config/schema.ts"
import { DataFolderInvalid } from "../src/data/image-folder.ts"
import { makeSampler, NotEnoughImages, type Sampler } from "../src/data/sampler.ts"
import { InvalidWeights as WeightsDoNotFit } from "../src/models/check-weights.ts"
import { encoderSpec } from "../src/models/encoder.ts"
import type { LatentStatistics } from "../src/models/latent-statistics.ts"
import { lpipsSpec } from "../src/models/lpips.ts"
import { memoryStats, requireDevice, resetPeakMemory } from "../src/tensor/device.ts"
import { TensorError } from "../src/tensor/errors.ts"
import * as T from "../src/tensor/ops.ts"
import { reclaim, scope, withOwner } from "../src/tensor/scope.ts"
import { direct, runDirect } from "../src/train/direct.ts"
import { drawsFor } from "../src/train/draws.ts"
import { FrozenEncoder } from "../src/train/frozen-encoder.ts"
import { ReconstructionLoss } from "../src/train/reconstruction-loss.ts"
import { trainStep } from "../src/train/step.ts"
import * as Protocol from "./engine-protocol.ts"
import { inceptionFiles, loadInception } from "./inception-weights.ts"
import { type ImageSources, openSources } from "./image-sources.ts"
import { isOutOfMemory } from "./ownership.ts"
import { beginning } from "./progress.ts"
import { filesOf, hashWeights, initialWeights, readStatistics } from "./role-weights.ts"
import { type TrainedRoles, TrainingState } from "./training-state.ts"
import { setup as makeSetup, type Setup } from "./training-setup.ts"

type Device = "cpu" | `cuda:${number}`

export interface Frozen {
  readonly encoder: FrozenEncoder
  readonly reconstruction: ReconstructionLoss
  readonly statistics: LatentStatistics | null
  /** Hashes of the frozen weights, by the network's name. */
  readonly hashes: Readonly<Record<string, string>>
}

export interface Prepared {
  readonly request: Protocol.LoadRequest
  readonly device: Device
  readonly sources: ImageSources
  readonly stepsPerEpoch: number
  readonly sampler: Sampler
  readonly setup: Setup
  readonly frozen: Frozen
  readonly state: TrainingState
  readonly latentShape: readonly [tokens: number, width: number]
  readonly parameters: number
  /** Images that go through the networks together: the config's, or fewer where the dry step found too little memory. */
  readonly microBatch: number
  readonly drySeconds: number
  /** The most memory that tensors took in the dry step, state and frozen networks included. */
  readonly dryBytes: number
}

const checkDevice = (device: Device) => Effect.try({
  try: () => requireDevice(device),
  catch: (cause) => new Protocol.NoDevice({ device, reason: cause instanceof Error ? cause.message : String(cause), help: "use --device cpu; a GPU needs NVIDIA's driver, and an addon built by nvcc against a libtorch with CUDA (LIBTORCH=… scripts/setup)" })
})

const openImages = Effect.fnUntraced(function*(request: Protocol.LoadRequest) {
  const { config, data, eval_data } = request
  const path = data._tag === "Folder" ? data.path : "drawn pictures"
  return yield* Effect.tryPromise({
    try: async () => {
      const sources = await openSources(data, eval_data, config)
      const sampler = makeSampler({ seed: config.training.global_seed, count: sources.training.count, batch: config.training.global_batch_size })
      return { sources, sampler }
    },
    catch: (cause) => new Protocol.InvalidData({
      path, reason: cause instanceof Error ? cause.message : String(cause),
      help: cause instanceof DataFolderInvalid ? cause.help
        : cause instanceof NotEnoughImages ? "add images, or lower training.global_batch_size (held-out images are not trained on)" : "check the path and its permissions"
    })
  })
})

/** What reading weights may throw, as the supervisor shall know it. */
const weightsError = (path: string, step: number) => (cause: unknown) => {
  if (cause instanceof Protocol.CheckpointDamaged) return cause
  if (cause instanceof WeightsDoNotFit) return new Protocol.InvalidWeights({ path: cause.file, problems: cause.message.split("\n").slice(1).map((line) => line.trim()), help: "use the published file of this size, or other sizes in the config" })
  if (cause instanceof TensorError && cause.code === "out_of_memory") return new Protocol.TrainingFailed({ kind: Protocol.noMemoryToLoad, reason: `not even one image at a time finds memory: ${cause.message}`, step })
  if (cause instanceof TensorError) return new Protocol.InvalidWeights({ path, problems: [cause.message], help: "fetch the file again; it must be a whole file of weights, safetensors or PyTorch" })
  throw cause
}

export const makeFrozen = (config: RunConfig, device: Device): Frozen => withOwner("feature_cache", () => {
  const { architecture, training: { global_seed: seed, precision } } = config
  const encoderWeights = initialWeights(encoderSpec(architecture.encoder), filesOf(config, "stage_1.params.encoder"), seed, device)
  const lpipsWeights = initialWeights(lpipsSpec(architecture.vgg), filesOf(config, "lpips."), seed, device)
  const statistics = readStatistics(config, device)
  // what an evaluation would find out hours later
  if (inceptionFiles(config).length > 0) loadInception(config, "cpu").dispose()
  const hashes = {
    encoder: hashWeights(encoderWeights), lpips: hashWeights(lpipsWeights),
    ...(statistics === null ? {} : { statistics: hashWeights(new Map(Object.entries(statistics))) })
  }
  return {
    encoder: new FrozenEncoder({ config: architecture.encoder, weights: encoderWeights, precision, inputSize: config.stage_1.params.encoder_input_size, statistics }),
    reconstruction: new ReconstructionLoss({ config: architecture.vgg, weights: lpipsWeights, precision }),
    statistics, hashes
  }
})

const dispose = ({ discriminator, ema, generator }: TrainedRoles) => { for (const role of [generator, discriminator, ema]) role.dispose() }

/** One whole step with every phase on, on noise, by roles that are thrown away: what it would run out of in epoch 8, it runs out of now. */
const dryStep = (roles: TrainedRoles, frozen: Frozen, config: RunConfig, setup: Setup, device: Device, tokens: number, width: number, microBatch: number): void => {
  const { data: { image_size: size }, training: { global_batch_size: count } } = config
  const draws = drawsFor({ seed: 0, step: 0, samples: Array.from({ length: count }, (_, i) => i), tokens, width, noiseTau: config.stage_1.params.noise_tau, discUpdates: config.gan.loss.disc_updates })
  const images = T.to(T.randomUniform([0, 0, 0, 0], [count, 3, size, size]), { device })
  runDirect(trainStep(direct({ ...roles, encoder: frozen.encoder, reconstruction: frozen.reconstruction }), { images, latents: null, draws }, setup.allPhases, { ...setup.hyperparameters, microBatch }))
}

/** The largest micro-batch, halved from the config's, that memory suffices for; the roles are gone afterwards. Throws where one image is too many. */
const largestThatFits = (wanted: number, begun: TrainedRoles, state: TrainingState, tryStep: (roles: TrainedRoles, microBatch: number) => void) => {
  let roles = begun
  for (let microBatch = wanted; ; microBatch = Math.ceil(microBatch / 2)) {
    resetPeakMemory()
    const started = performance.now()
    try {
      tryStep(roles, microBatch)
      dispose(roles)
      return { microBatch, drySeconds: (performance.now() - started) / 1000, dryBytes: memoryStats().peak }
    } catch (error) {
      // Of a step that broke off, roles may be left with anything in them.
      reclaim("load")
      if (!isOutOfMemory(error) || microBatch === 1) throw error
    }
    roles = { generator: state.generator(), discriminator: state.discriminator(), ema: state.ema() }
  }
}

export const prepare = Effect.fnUntraced(function*(request: Protocol.LoadRequest) {
  const { config } = request
  // What an earlier try had made, when it found its checkpoint damaged.
  for (const owner of ["feature_cache", "load"]) reclaim(owner)
  const device = (request.device === "cuda" ? "cuda:0" : request.device) as Device
  yield* checkDevice(device)
  const { sampler, sources } = yield* openImages(request)
  const setup = makeSetup(config, sampler.batchesPerEpoch)
  const { encoder } = config.architecture
  const tokens = (config.stage_1.params.encoder_input_size / encoder.patch_size) ** 2
  const width = encoder.hidden_size

  const frozen = yield* Effect.try({ try: () => makeFrozen(config, device), catch: weightsError("the frozen networks", 0) })
  const state = new TrainingState({ config, setup, device, statistics: frozen.statistics })
  const saved = request.resume === null ? null : yield* readPlace(request.resume)
  return yield* Effect.try({
    try: (): Prepared => withOwner("load", () => {
      const begun = saved === null ? state.initial() : state.empty()
      if (saved !== null) state.fill(begun, saved.dir, saved.manifest, saved.progress)
      state.capture(begun, saved?.progress ?? beginning)
      const parameters = [...begun.generator.state()].filter(([name]) => name.startsWith("optimizer.decoder.m.")).reduce((sum, [, tensor]) => sum + tensor.size, 0)
      const dry = largestThatFits(config.training.batch_size, begun, state, (roles, microBatch) =>
        scope(() => dryStep(roles, frozen, config, setup, device, tokens, width, microBatch)))
      return { request, device, sources, stepsPerEpoch: sampler.batchesPerEpoch, sampler, setup, frozen, state, latentShape: [tokens, width], parameters, ...dry }
    }),
    catch: weightsError("the decoder", saved?.progress.step ?? 0)
  })
})

/** Manifest and place of a checkpoint; the supervisor has verified both, so anything else is damage since then. */
const readPlace = (dir: string) => Effect.try({
  try: () => ({
    dir, manifest: Manifest.decode(readFileSync(join(dir, "manifest.json"))),
    progress: decodeProgress(JSON.parse(readFileSync(join(dir, "state.json"), "utf8")))
  }),
  catch: (cause) => new Protocol.CheckpointDamaged({ path: dir, reason: cause instanceof Error ? cause.message : String(cause), unread: errnoOf(cause) === "EIO" })
})
const decodeProgress = Schema.decodeUnknownSync(Schema.toCodecJson(Protocol.Progress))
