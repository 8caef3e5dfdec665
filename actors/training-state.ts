/**
 * The training state: how generator, discriminator and EMA come to be, and the last good copy of all three in one host buffer.
 *
 * Every incarnation is built the same way, the first too: empty roles, filled from the buffer. So their weights always belong to the same
 * step, whoever died, and the dry step (on roles of its own) cannot leave a bit behind.
 */
import type { RunConfig } from "../src/config/schema.ts"
import { dinoSpec } from "../src/models/dino.ts"
import { headsSpec } from "../src/models/dino-discriminator.ts"
import type { LatentStatistics } from "../src/models/latent-statistics.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import { TensorError } from "../src/tensor/errors.ts"
import { openSafetensors } from "../src/tensor/weights.ts"
import { Snapshot } from "../src/tensor/snapshot.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { Discriminator } from "../src/train/discriminator.ts"
import { Ema } from "../src/train/ema.ts"
import { Generator } from "../src/train/generator.ts"
import type { Manifest } from "../src/checkpoint/manifest.ts"
import { fileOf } from "../src/checkpoint/state-files.ts"
import { join } from "node:path"
import { CheckpointDamaged, type Progress } from "./engine-protocol.ts"
import { beginning } from "./progress.ts"
import { emptyWeights, filesOf, initialWeights, type Weights } from "./role-weights.ts"
import { discriminatorConfig, type Setup } from "./training-setup.ts"

export interface StateOptions {
  readonly config: RunConfig
  readonly setup: Setup
  readonly device: "cpu" | `cuda:${number}`
  readonly statistics: LatentStatistics | null
}

interface Role {
  readonly state: () => ReadonlyMap<string, Tensor>
  readonly counters: () => Readonly<Record<string, number>>
  readonly load: (state: ReadonlyMap<string, Tensor>, counters: Readonly<Record<string, number>>) => void
}
export interface TrainedRoles {
  readonly generator: Generator
  readonly discriminator: Discriminator
  readonly ema: Ema
}

export class TrainingState {
  readonly #options: StateOptions
  #snapshot: Snapshot | null = null
  #progress: Progress = beginning

  constructor(options: StateOptions) {
    this.#options = options
  }

  /** Place in the data that the buffer's copy belongs to. */
  get progress(): Progress {
    return this.#progress
  }

  /** Bytes of the tensors that the buffer holds. */
  get bytes(): number {
    return this.snapshot.bytes
  }

  /** A checkpoint is being written from the buffer, which must stay as it is. */
  get isBeingWritten(): boolean {
    return this.#snapshot?.isBeingWritten ?? false
  }

  get snapshot(): Snapshot {
    if (this.#snapshot === null) throw new Error("no snapshot was taken yet")
    return this.#snapshot
  }

  buildGenerator(weights: Weights): Generator {
    const { config, setup, statistics } = this.#options
    return new Generator({ config: config.architecture.decoder, weights, precision: config.training.precision, optimizer: setup.generatorOptimizer, statistics })
  }

  buildDiscriminator(weights: Weights): Discriminator {
    const { config, device, setup } = this.#options
    return new Discriminator({
      config: discriminatorConfig(config), weights, precision: config.training.precision, optimizer: setup.discriminatorOptimizer,
      dino: initialWeights(dinoSpec(config.architecture.dino), filesOf(config, "gan.disc.arch.dino_ckpt_path"), config.training.global_seed, device),
      loss: config.gan.loss.disc_loss, generatorLoss: config.gan.loss.gen_loss
    })
  }

  buildEma(weights: Weights): Ema {
    const { architecture, training } = this.#options.config
    return new Ema(decoderSpec(architecture.decoder), weights, training.ema_decay)
  }

  /** Roles as a run begins with: published or drawn decoder weights, fresh heads, an average equal to the weights. */
  initial(): TrainedRoles {
    const { config, device } = this.#options
    const seed = config.training.global_seed
    return this.#roles(
      initialWeights(decoderSpec(config.architecture.decoder), filesOf(config, "stage_1.ckpt", "stage_1.params.pretrained_decoder_path"), seed, device),
      initialWeights(headsSpec(discriminatorConfig(config)), [], seed, device))
  }

  /** Roles of zeros, to be filled from a checkpoint. */
  empty(): TrainedRoles {
    const { config, device } = this.#options
    return this.#roles(emptyWeights(decoderSpec(config.architecture.decoder), device), emptyWeights(headsSpec(discriminatorConfig(config)), device))
  }

  #roles(decoder: Weights, heads: Weights): TrainedRoles {
    const generator = this.buildGenerator(decoder)
    const discriminator = this.buildDiscriminator(heads)
    const aliases = generator.weights()
    const ema = this.buildEma(aliases)
    for (const alias of aliases.values()) alias.dispose()
    return { generator, discriminator, ema }
  }

  /** Empty roles, each filled from the buffer by its own actor. */
  generator(): Generator {
    return this.#filled(this.buildGenerator(emptyWeights(decoderSpec(this.#options.config.architecture.decoder), this.#options.device)))
  }

  discriminator(): Discriminator {
    return this.#filled(this.buildDiscriminator(emptyWeights(headsSpec(discriminatorConfig(this.#options.config)), this.#options.device)))
  }

  ema(): Ema {
    const empty = emptyWeights(decoderSpec(this.#options.config.architecture.decoder), this.#options.device)
    const ema = this.#filled(this.buildEma(empty))
    for (const weight of empty.values()) weight.dispose()
    return ema
  }

  #filled<R extends Role>(role: R): R {
    this.restore(role)
    return role
  }

  /** Fills a role from the buffer. */
  restore(role: Role): void {
    const state = role.state()
    this.snapshot.restore(state)
    role.load(state, this.#progress.counters)
  }

  /** Fills roles from a checkpoint's files; every tensor's bytes must be those that the manifest names. Throws CheckpointDamaged. */
  fill(roles: TrainedRoles, dir: string, manifest: Manifest, progress: Progress): void {
    try {
      this.#fill(roles, dir, manifest, progress)
    } catch (error) {
      // Its files were whole once: one that cannot be read as safetensors any more is as damaged as one with other bytes.
      if (error instanceof TensorError && (error.code === "io" || error.code === "invalid")) throw new CheckpointDamaged({ path: dir, reason: error.message, unread: error.errno === "EIO" })
      throw error
    }
  }

  #fill(roles: TrainedRoles, dir: string, manifest: Manifest, progress: Progress): void {
    const damaged = (reason: string) => new CheckpointDamaged({ path: dir, reason, unread: false })
    const hashes = new Map(manifest.tensors.map((tensor) => [tensor.name, tensor]))
    using opened = new DisposableStack()
    const files = new Map(manifest.files.filter(({ name }) => name.endsWith(".safetensors")).map(({ name }) => {
      const file = openSafetensors(join(dir, name))
      opened.defer(() => file.close())
      return [name, file] as const
    }))
    for (const role of [roles.generator, roles.discriminator, roles.ema] as ReadonlyArray<Role>) {
      const state = role.state()
      for (const [name, its] of Map.groupBy(state, ([tensor]) => fileOf(tensor))) {
        const got = files.get(name)?.readInto(new Map(its))
        for (const [tensor] of its) {
          const expected = hashes.get(tensor)
          if (expected === undefined || got === undefined) throw damaged(`no tensor ${tensor}`)
          if (got.get(tensor) !== expected.hash) throw damaged(`tensor ${tensor}: expected hash ${expected.hash}, got ${got.get(tensor)}`)
        }
      }
      role.load(state, progress.counters)
    }
  }

  /** Copies the state of all three roles at a step boundary; the only thing that training waits for. */
  capture(roles: TrainedRoles, progress: Omit<Progress, "counters">): void {
    const tensors = new Map([...roles.generator.state(), ...roles.discriminator.state(), ...roles.ema.state()])
    this.captureTensors(tensors, { ...progress, counters: { ...roles.generator.counters(), ...roles.discriminator.counters(), ...roles.ema.counters() } })
  }

  captureTensors(tensors: ReadonlyMap<string, Tensor>, progress: Progress): void {
    this.#snapshot ??= new Snapshot()
    this.#snapshot.capture(tensors)
    this.#progress = progress
  }
}
