/** `training`, and the optimiser and schedule blocks that the discriminator has too. */
import * as K from "../keys.ts"

export const optimizer = K.block({
  type: K.key(K.oneOf("adamw"), "adamw", "optimiser"),
  lr: K.key(K.nonNegative, 2e-4, "learning rate"),
  betas: K.key(K.pairOf(K.belowOne), [0.9, 0.95], "decay of AdamW's first and second moments"),
  weight_decay: K.key(K.nonNegative, 0, "decoupled weight decay"),
  eps: K.key(K.positive, 1e-8, "AdamW's epsilon")
}, "AdamW")

const schedulerFields = {
  type: K.key(K.oneOf("constant", "linear", "cosine"), "linear", "course of the learning rate after warm-up, from `base_lr` to `final_lr`"),
  warmup_epochs: K.key(K.nonNegative, 0, "length of the warm-up; may be fractional", "epochs"),
  warmup_steps: K.key(K.orNull(K.natural), null, "length of the warm-up, in place of `warmup_epochs`", "optimiser steps"),
  decay_end_epoch: K.key(K.orNull(K.nonNegative), null, "when `final_lr` is reached; null: with the last epoch", "epochs"),
  decay_end_steps: K.key(K.orNull(K.natural), null, "when `final_lr` is reached, in place of `decay_end_epoch`", "optimiser steps"),
  warmup_from_zero: K.key(K.switchKind, false, "rise linearly during warm-up; false: `base_lr` throughout it")
}
export const scheduler = K.block({
  ...schedulerFields,
  base_lr: K.key(K.orNull(K.nonNegative), null, "learning rate after warm-up; null: the optimiser's `lr`"),
  final_lr: K.key(K.orNull(K.nonNegative), null, "learning rate at the end of the decay; null: `base_lr`")
}, "learning-rate schedule")
/** The same with every learning rate known. */
export const resolvedScheduler = K.block({
  ...schedulerFields,
  base_lr: K.required(K.nonNegative, "learning rate after warm-up"),
  final_lr: K.required(K.nonNegative, "learning rate at the end of the decay")
}, "learning-rate schedule")

const trainingFields = {
  epochs: K.key(K.count, 200, "passes over the training images", "epochs"),
  batch_size: K.key(K.count, 16, "micro-batch: what goes through the networks together", "images"),
  global_seed: K.key(K.uint32, 0, "seed of every random draw"),
  num_workers: K.key(K.natural, 4, "processes that decode and crop images, at most a quarter of the cores; 0: the thread that trains does it", "processes"),
  ema_decay: K.key(K.fraction, 0.9999, "decay of the moving average of the decoder's weights, a step"),
  clip_grad: K.key(K.nonNegative, 1, "largest norm of the decoder's gradient; 0: no clipping"),
  sample_every: K.key(K.orNull(K.count), null, "when the published program draws samples; here a picture comes with every evaluation (`eval.eval_interval`, `eval.samples`), so a value is noted and changes nothing", "steps"),
  log_interval: K.key(K.count, 100, "losses are reported every so many steps", "steps"),
  checkpoint_interval: K.key(K.natural, 4, "a checkpoint at the end of every so many epochs; 0: none (`checkpoint.every_steps` counts apart)", "epochs"),
  precision: K.key(K.oneOf("fp32", "bf16"), "bf16", "arithmetic of the networks; weights and optimiser are kept in fp32"),
  optimizer
}
export const training = K.block({
  ...trainingFields,
  global_batch_size: K.key(K.orNull(K.count), null, "images of one optimiser step, a multiple of `batch_size`; null: `batch_size`", "images"),
  scheduler
}, "the decoder's training")
export const resolvedTraining = K.requiredBlock({
  ...trainingFields,
  global_batch_size: K.required(K.count, "images of one optimiser step", "images"),
  scheduler: resolvedScheduler
}, "the decoder's training")
