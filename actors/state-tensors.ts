/**
 * Entry of a short-lived process that says which tensors a checkpoint of a config holds: a resolved config as JSON on standard input, their
 * names and shapes as one line of JSON on standard output. In a process of its own, because the models' specifications come with the addon.
 */
import { text } from "node:stream/consumers"
import { moments, trainedParts } from "../src/checkpoint/published-state.ts"
import type { ExpectedTensor } from "../src/checkpoint/published-file.ts"
import type { RunConfig } from "../src/config/schema.ts"
import { headsSpec } from "../src/models/dino-discriminator.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import { libtorchVersion } from "../src/tensor/device.ts"
import { discriminatorConfig } from "./training-setup.ts"

export interface StateTensors {
  readonly libtorch: string
  readonly tensors: ReadonlyArray<ExpectedTensor>
}

export const stateTensors = (config: RunConfig): ReadonlyArray<ExpectedTensor> => {
  const decoder = [...decoderSpec(config.architecture.decoder).parameters]
  const networks = { model: decoder, disc: [...headsSpec(discriminatorConfig(config)).parameters] }
  return [
    ...decoder.map(([name, { shape }]) => ({ name: `ema.${name}`, shape })),
    ...trainedParts.flatMap(({ moments: prefix, own, weights }) => {
      const named = networks[weights]
      const trained = named.filter(([, { constant }]) => constant !== true)
      return named.map(([name, { shape }]) => ({ name: own + name, shape })).concat(
        moments.flatMap(([, ours]) => trained.map(([name, { shape }]) => ({ name: `${prefix}${ours}${name}`, shape }))))
    })
  ]
}

if (import.meta.main) {
  const answer: StateTensors = { libtorch: libtorchVersion(), tensors: stateTensors(JSON.parse(await text(process.stdin)) as RunConfig) }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
