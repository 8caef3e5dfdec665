/**
 * Entry of a short-lived process that says how large the networks of a config are: a resolved config as JSON on standard input, sizes as JSON on
 * standard output. In a process of its own, because the models' specifications come with the addon.
 */
import { text } from "node:stream/consumers"
import type { RunConfig } from "../src/config/schema.ts"
import { dinoSpec } from "../src/models/dino.ts"
import { headsSpec } from "../src/models/dino-discriminator.ts"
import { encoderSpec } from "../src/models/encoder.ts"
import { lpipsSpec } from "../src/models/lpips.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import type { Parameter, Spec } from "../src/nn/parameters.ts"
import { discriminatorConfig } from "./training-setup.ts"

export interface NetworkSize {
  readonly network: "encoder" | "decoder" | "discriminator heads" | "discriminator network" | "perceptual network"
  readonly parameters: number
  readonly trained: boolean
}
export interface ModelSizes {
  readonly networks: ReadonlyArray<NetworkSize>
  /** Bytes of the tensors in a checkpoint. */
  readonly state_bytes: number
  /** Bytes of frozen weights: float32, and bfloat16 copies of those that products use where the precision asks for them. */
  readonly frozen_bytes: number
  /** Bytes of the gradients of a step. */
  readonly gradient_bytes: number
}

const elements = ({ shape }: Parameter): number => shape.reduce((product, size) => product * size, 1)
const count = (spec: Spec, wanted: (parameter: Parameter) => boolean = () => true): number =>
  [...spec.parameters.values()].filter(wanted).reduce((sum, parameter) => sum + elements(parameter), 0)
const isTrained = ({ constant }: Parameter) => constant !== true
const float32 = 4, bfloat16 = 2

export const sizesOf = (config: RunConfig): ModelSizes => {
  const discriminator = discriminatorConfig(config)
  const encoder = encoderSpec(config.architecture.encoder), decoder = decoderSpec(config.architecture.decoder), heads = headsSpec(discriminator)
  const dino = dinoSpec(config.architecture.dino), perceptual = lpipsSpec(config.architecture.vgg)
  const frozen = [encoder, dino, perceptual]
  const copies = config.training.precision === "bf16" ? frozen.reduce((sum, spec) => sum + count(spec, ({ use }) => use === "product"), 0) * bfloat16 : 0
  const trained = count(decoder, isTrained), trainedHeads = count(heads, isTrained)
  return {
    networks: [
      { network: "encoder", parameters: count(encoder), trained: false },
      { network: "decoder", parameters: trained, trained: true },
      { network: "discriminator heads", parameters: trainedHeads, trained: true },
      { network: "discriminator network", parameters: count(dino), trained: false },
      { network: "perceptual network", parameters: count(perceptual), trained: false }
    ],
    // weights and the average of the decoder's; two moments of each trained weight
    state_bytes: (2 * count(decoder) + 2 * trained + count(heads) + 2 * trainedHeads) * float32,
    frozen_bytes: frozen.reduce((sum, spec) => sum + count(spec), 0) * float32 + copies,
    gradient_bytes: (trained + trainedHeads) * float32
  }
}

if (import.meta.main) process.stdout.write(JSON.stringify(sizesOf(JSON.parse(await text(process.stdin)) as RunConfig)))
