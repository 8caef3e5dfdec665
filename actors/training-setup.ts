/**
 * What a config means for the roles of a training step: sizes, schedules, phases, losses. All plain values; the roles are made from them as
 * often as their actors start.
 */
import type { RunConfig } from "../src/config/schema.ts"
import type { DiscriminatorConfig } from "../src/models/dino-discriminator.ts"
import type { OptimizerSettings } from "../src/train/optimizer.ts"
import type { Schedule } from "../src/train/schedule.ts"
import type { Hyperparameters, Phases } from "../src/train/step.ts"

type SchedulerBlock = RunConfig["training"]["scheduler"]

const schedule = (block: SchedulerBlock, epochs: number, stepsPerEpoch: number): Schedule => ({
  kind: block.type, base: block.base_lr, final: block.final_lr, warmupFromZero: block.warmup_from_zero,
  warmupSteps: block.warmup_steps ?? Math.round(block.warmup_epochs * stepsPerEpoch),
  decayEndSteps: block.decay_end_steps ?? Math.round((block.decay_end_epoch ?? epochs) * stepsPerEpoch)
})

const settings = (optimizer: RunConfig["training"]["optimizer"], rates: Schedule, clip: number): OptimizerSettings => ({
  schedule: rates, betas: optimizer.betas, eps: optimizer.eps, weightDecay: optimizer.weight_decay, clipNorm: clip === 0 ? null : clip
})

export const discriminatorConfig = (config: RunConfig): DiscriminatorConfig => {
  const { key_depths, ks, norm_eps, norm_type, using_spec_norm } = config.gan.disc.arch
  return { dino: config.architecture.dino, heads: { key_depths, ks, norm_eps, norm_type, using_spec_norm } }
}

export const setup = (config: RunConfig, stepsPerEpoch: number) => {
  const { gan: { disc, loss }, training } = config
  const begins = (epochs: number) => Math.round(epochs * stepsPerEpoch)
  const adversarial = loss.disc_weight > 0
  /** Optimiser steps of the discriminator count its own updates, so its schedule begins with its first. */
  const discriminatorStepsPerEpoch = stepsPerEpoch * loss.disc_updates
  const hyperparameters: Hyperparameters = {
    perceptualWeight: loss.perceptual_weight, discWeight: loss.disc_weight, maxDiscWeight: loss.max_d_weight, discUpdates: loss.disc_updates, microBatch: training.batch_size
  }
  return {
    steps: training.epochs * stepsPerEpoch,
    generatorOptimizer: settings(training.optimizer, schedule(training.scheduler, training.epochs, stepsPerEpoch), training.clip_grad),
    discriminatorOptimizer: settings(disc.optimizer, schedule(disc.scheduler, training.epochs, discriminatorStepsPerEpoch), 0),
    hyperparameters,
    /** What is on at a step; without adversarial weight there is no discriminator to train. */
    phasesAt: (step: number): Phases => ({
      lpips: loss.perceptual_weight > 0 && step >= begins(loss.lpips_start),
      adversarial: adversarial && step >= begins(loss.disc_start),
      discriminator: adversarial && step >= begins(loss.disc_upd_start)
    }),
    allPhases: { lpips: loss.perceptual_weight > 0, adversarial, discriminator: adversarial } satisfies Phases
  }
}
export type Setup = ReturnType<typeof setup>
