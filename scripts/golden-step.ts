/**
 * Runs the project's own training step on a golden file (the format of tests/golden/stage1_tiny.safetensors) and compares every
 * output: same models, same split backward, same optimiser as a run's, with the file's weights and draws put in.
 */
import { dinov2Spec } from "../src/models/dinov2.ts"
import { dinoSpec } from "../src/models/dino.ts"
import { type DiscriminatorConfig, headsSpec } from "../src/models/dino-discriminator.ts"
import { lpipsSpec } from "../src/models/lpips.ts"
import { type DecoderConfig, decoderSpec } from "../src/models/vit-decoder.ts"
import { signed } from "../src/models/image-space.ts"
import { checkWeights } from "../src/models/check-weights.ts"
import type { Spec } from "../src/nn/parameters.ts"
import type { Precision } from "../src/nn/precision.ts"
import type { Device } from "../src/tensor/dtype.ts"
import * as T from "../src/tensor/ops.ts"
import { keep, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import type { SafetensorsFile } from "../src/tensor/weights.ts"
import { type Roles, direct, runDirect } from "../src/train/direct.ts"
import { Discriminator } from "../src/train/discriminator.ts"
import { Ema } from "../src/train/ema.ts"
import { FrozenEncoder } from "../src/train/frozen-encoder.ts"
import { Generator } from "../src/train/generator.ts"
import { reconstructWith } from "../src/train/reconstruct.ts"
import { ReconstructionLoss } from "../src/train/reconstruction-loss.ts"
import { constant } from "../src/train/schedule.ts"
import { type Hyperparameters, type StepResult, trainStep } from "../src/train/step.ts"
import { type Rounded, fakeLogits, roundLike } from "./golden-rounding.ts"

/** The file is not a golden file, or is damaged. */
export class InvalidGolden extends Error {
  override readonly name = "InvalidGolden"
}

interface GoldenConfig {
  readonly batch: number
  readonly enc: { readonly dim: number; readonly layers: number; readonly heads: number; readonly patch: number; readonly size: number; readonly registers: number }
  readonly dec: { readonly dim: number; readonly layers: number; readonly heads: number; readonly mlp: number; readonly patch: number; readonly eps: number }
  readonly vgg: readonly [number, number, number, number, number]
  readonly dino: { readonly dim: number; readonly layers: number; readonly heads: number; readonly patch: number; readonly eps: number; readonly key_depths: ReadonlyArray<number> }
  readonly ks: number
}

interface GoldenHyperparameters {
  readonly lr: number
  readonly ema_decay: number
  readonly disc_weight: number
  readonly perceptual_weight: number
  readonly max_d_weight: number
}

export interface Comparison {
  readonly name: string
  readonly error: number
  /** Null where the precision has no bound for it. */
  readonly tolerance: number | null
}

const json = <A>(file: SafetensorsFile, key: string): A => {
  const text = file.metadata.get(key)
  if (text === undefined) throw new InvalidGolden(`metadata has no ${key}; expected a file written by the reference step`)
  try {
    return JSON.parse(text) as A
  } catch {
    throw new InvalidGolden(`metadata's ${key} is not JSON: ${text.slice(0, 40)}`)
  }
}

const read = (file: SafetensorsFile, name: string, device: Device = "cpu"): Tensor => {
  if (!file.tensors.has(name)) throw new InvalidGolden(`no tensor named ${name}`)
  return file.read(name, { device })
}

/** The file's weights of one model, checked against what the model needs. */
const weightsOf = (file: SafetensorsFile, path: string, spec: Spec, part: string, device: Device): Map<string, Tensor> => {
  const prefix = `weights.${part}.`
  const found = new Map([...file.tensors].filter(([name]) => name.startsWith(prefix)).map(([name, tensor]) => [name.slice(prefix.length), tensor]))
  checkWeights(spec, found, path)
  return new Map(Array.from(found.keys(), (name) => [name, file.read(prefix + name, { device })]))
}

const sizes = (config: GoldenConfig) => {
  const { enc, dec, dino } = config
  const encoder = {
    hidden_size: enc.dim, num_hidden_layers: enc.layers, num_attention_heads: enc.heads, patch_size: enc.patch, image_size: enc.size,
    num_register_tokens: enc.registers, mlp_ratio: 4, layer_norm_eps: 1e-6
  }
  const decoder: DecoderConfig = {
    hidden_size: enc.dim, decoder_hidden_size: dec.dim, decoder_num_hidden_layers: dec.layers, decoder_num_attention_heads: dec.heads,
    decoder_intermediate_size: dec.mlp, patch_size: dec.patch, image_size: (enc.size / enc.patch) * dec.patch, layer_norm_eps: dec.eps
  }
  const discriminator: DiscriminatorConfig = {
    dino: { embed_dim: dino.dim, depth: dino.layers, num_heads: dino.heads, patch_size: dino.patch, mlp_ratio: 4 },
    heads: { key_depths: dino.key_depths, ks: config.ks, norm_type: "bn", norm_eps: dino.eps, using_spec_norm: true }
  }
  return { encoder, decoder, discriminator, vgg: { widths: config.vgg } }
}

/** What the optimisers and the average are set to. */
export interface GoldenSettings {
  readonly lr: number
  readonly betas: readonly [number, number]
  readonly emaDecay: number
}

export const goldenSettings = (file: SafetensorsFile): GoldenSettings => {
  const { lr, ema_decay } = json<GoldenHyperparameters>(file, "hyperparameters")
  return { lr, betas: [0.9, 0.95], emaDecay: ema_decay }
}

/** Roles with the file's weights, in the project's own classes. */
export const goldenRoles = (file: SafetensorsFile, path: string, precision: Precision, { lr, betas, emaDecay } = goldenSettings(file), device: Device = "cpu") => {
  const { encoder, decoder, discriminator, vgg } = sizes(json<GoldenConfig>(file, "config"))
  const optimizer = { schedule: constant(lr), betas, eps: 1e-8, weightDecay: 0, clipNorm: null }
  const generator = new Generator({ config: decoder, weights: weightsOf(file, path, decoderSpec(decoder), "decoder", device), precision, optimizer })
  const initial = generator.weights()
  const ema = new Ema(decoderSpec(decoder), initial, emaDecay)
  for (const alias of initial.values()) alias.dispose()
  return {
    generator,
    ema,
    encoder: new FrozenEncoder({ config: encoder, weights: weightsOf(file, path, dinov2Spec(encoder), "encoder", device), precision, inputSize: encoder.image_size }),
    reconstruction: new ReconstructionLoss({ config: vgg, weights: weightsOf(file, path, lpipsSpec(vgg), "lpips", device), precision }),
    discriminator: new Discriminator({
      config: discriminator, dino: weightsOf(file, path, dinoSpec(discriminator.dino), "dino", device), weights: weightsOf(file, path, headsSpec(discriminator), "disc", device),
      precision, loss: "hinge", generatorLoss: "vanilla", optimizer
    })
  }
}
export type GoldenRoles = ReturnType<typeof goldenRoles>

export const goldenHyperparameters = (file: SafetensorsFile): Hyperparameters => {
  const hyper = json<GoldenHyperparameters>(file, "hyperparameters")
  return {
    perceptualWeight: hyper.perceptual_weight, discWeight: hyper.disc_weight, maxDiscWeight: hyper.max_d_weight, discUpdates: 1,
    microBatch: json<GoldenConfig>(file, "config").batch
  }
}

export const goldenSteps = (file: SafetensorsFile): number => {
  const steps = Number(file.metadata.get("steps"))
  if (!Number.isInteger(steps) || steps < 1) throw new InvalidGolden(`metadata's steps: expected a whole number, got ${String(file.metadata.get("steps"))}`)
  return steps
}

export interface GoldenStepOptions {
  readonly hyper?: Hyperparameters
  /** Change the latents by so many units in the last place. */
  readonly nudge?: number
  /** Take 8-bit values at a rounding boundary as the file's logits say they fell (golden-rounding.ts); receives what that came to. */
  readonly roundAsInFile?: (rounded: Rounded) => void
  /**
   * Give the optimiser the file's gradients where it has them, at step 0, after ours were copied to `outputs`. AdamW's first update is
   * the gradient's sign, so an element that is nothing but rounding noise moves by the whole rate, either way; with the file's
   * gradients both go on from the same weights.
   */
  readonly gradientsFromFile?: boolean
  /** Stands between the step and its roles: how a test breaks the step. */
  readonly change?: (roles: GoldenRoles) => Roles
  /** Take the inputs as they lie in the mapped file, at whatever alignment that is. */
  readonly mapped?: boolean
  /** Receives copies of the tensors that pass between the roles, and of the gradients. */
  readonly outputs?: Map<string, Tensor>
}

/** Runs one step with the file's images and draws. */
export const runGoldenStep = (file: SafetensorsFile, roles: GoldenRoles, step: number, options: GoldenStepOptions = {}): StepResult => scope(() => {
  const { hyper = goldenHyperparameters(file), roundAsInFile, gradientsFromFile = false, change = (all: GoldenRoles): Roles => all, nudge = 0, mapped = false, outputs } = options
  const { encoder, generator, discriminator } = roles
  const changed = change(roles)
  const device = roles.generator.state().values().next().value?.device ?? "cpu"
  const input = (name: string) => (mapped ? file.map(`step${step}.in.${name}`) : read(file, `step${step}.in.${name}`, device))
  const copied = (name: string, t: Tensor): Tensor => {
    outputs?.set(name, keep(T.clone(t)))
    return t
  }
  const roundedAsInFile = (fake: Tensor, drawsFake: Tensor, report: (rounded: Rounded) => void): Tensor => scope(() => {
    const { decoder, discriminator: config } = sizes(json<GoldenConfig>(file, "config"))
    const exact = signed(reconstructWith(generator.weights(), decoder, null, encoder.features(input("images"), hyper.microBatch)))
    const dino = new Map(Array.from(dinoSpec(config.dino).parameters.keys(), (name) => [name, file.read(`weights.dino.${name}`, { device })]))
    const heads = new Map(Array.from(discriminator.state(), ([name, tensor]) => [name.replace(/^disc\./, ""), tensor]))
    const rounded = roundLike(read(file, `step${step}.out.logits_fake`, device), fake, exact, (x) => fakeLogits(x, drawsFake, config, dino, heads))
    report(rounded)
    return rounded.image
  })
  const actors = direct({
    ...changed,
    encoder: { features: (...args) => T.mul(copied("z", changed.encoder.features(...args)), 1 + nudge * 2 ** -23) },
    generator: {
      forward: (...args) => copied("recon", changed.generator.forward(...args)),
      adaptiveWeight: (...args) => changed.generator.adaptiveWeight(...args),
      backward(...args) {
        changed.generator.backward(...args)
        for (const [name, gradient] of generator.gradients()) {
          copied(`grad.${name}`, gradient)
          const expected = `step${step}.out.grad.${name}`
          if (gradientsFromFile && file.tensors.has(expected)) T.copy_(gradient, read(file, expected))
        }
      },
      update: () => changed.generator.update(),
      weights: () => changed.generator.weights(),
      reconstruct: (...args) => changed.generator.reconstruct(...args)
    },
    discriminator: {
      judge: (...args) => changed.discriminator.judge(...args),
      learn(fake, images, drawsFake, ...rest) {
        const lesson = changed.discriminator.learn(roundAsInFile === undefined ? fake : roundedAsInFile(fake, drawsFake, roundAsInFile), images, drawsFake, ...rest)
        copied("logits_fake", lesson.logitsFake)
        copied("logits_real", lesson.logitsReal)
        return lesson
      }
    }
  })
  const draws = {
    noise: { sigma: input("noise_sigma"), normal: input("noise") },
    augGenerator: input("aug_gen"), augFake: [input("aug_fake")], augReal: [input("aug_real")]
  }
  return runDirect(trainStep(actors, { images: input("images"), latents: null, draws }, { lpips: true, adversarial: true, discriminator: true }, hyper))
})
