/** What a training state of the PyTorch implementation holds besides a checkpoint's tensors: the optimisers' settings, and the frozen encoder. */
import type { OptimizerFacts } from "../src/checkpoint/training-export.ts"
import { type PlacedWeight, placedWeights } from "../src/checkpoint/weight-places.ts"
import type { TrainedPart } from "../src/checkpoint/published-state.ts"
import { requiredFiles } from "../src/config/required-files.ts"
import type { RunConfig } from "../src/config/schema.ts"
import type { OptimizerSettings } from "../src/train/optimizer.ts"
import { rateAt } from "../src/train/schedule.ts"
import { setup } from "./training-setup.ts"

const facts = ({ betas, eps, schedule, weightDecay }: OptimizerSettings, updates: number): OptimizerFacts =>
  ({ betas, eps, weightDecay, baseRate: schedule.base, rate: rateAt(schedule, updates), scheduled: schedule.kind !== "constant" })

/** Of both optimisers after so many updates each. */
export const optimizerFacts = (config: RunConfig, stepsPerEpoch: number, updates: Readonly<Record<TrainedPart["optimizer"], number>>): Readonly<Record<TrainedPart["optimizer"], OptimizerFacts>> => {
  const { discriminatorOptimizer, generatorOptimizer } = setup(config, stepsPerEpoch)
  return { optimizer: facts(generatorOptimizer, updates.optimizer), disc_optimizer: facts(discriminatorOptimizer, updates.disc_optimizer) }
}

/** The part of a published encoder that the autoencoder keeps, and the path of that module in it; the last norm has no affine part there. */
const kept: Readonly<Record<RunConfig["stage_1"]["params"]["encoder_cls"], { readonly part: RegExp; readonly without: RegExp; readonly module: string }>> = {
  Dinov2withNorm: { part: /^/, without: /^layernorm\./, module: "encoder.encoder." },
  MAEwNorm: { part: /^(vit\.|(?!decoder\.))/, without: /^layernorm\./, module: "encoder.model." },
  SigLIP2wNorm: { part: /^vision_model\./, without: /^(post_layernorm\.|embeddings\.position_ids$)/, module: "encoder.model." }
}

/** The encoder's weights in their file, under their names in the autoencoder; none where the run drew them. Throws what reading the file throws. */
export const encoderWeights = (config: RunConfig): ReadonlyArray<PlacedWeight> => {
  const { module, part, without } = kept[config.stage_1.params.encoder_cls]
  return requiredFiles(config).filter(({ key }) => key.startsWith("stage_1.params.encoder")).flatMap(({ path }) => [...placedWeights(path).values()].flatMap((weight) => {
    const name = weight.name.replace(part, "")
    return !part.test(weight.name) || without.test(name) ? [] : [{ ...weight, name: module + name }]
  }))
}
