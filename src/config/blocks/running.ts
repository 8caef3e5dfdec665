/** Blocks of our own: where images and weights come from, and how a run keeps going. */
import * as Schema from "effect/Schema"
import * as K from "../keys.ts"

const synthetic = K.optionalBlock({
  images: K.required(K.count, "how many training pictures are drawn; those for evaluation come on top", "images"),
  seed: K.key(K.uint32, 0, "seed of the pictures")
}, "pictures drawn by the program, used where `path` is null")

const dataFields = {
  path: K.key(K.orNull(K.path), null, "folder of class folders of images"),
  synthetic,
  crops_per_image: K.key(K.orNull(K.count), null, "different crops of an image: epochs repeat them and cached latents serve again; null: a new crop in every epoch", "crops"),
  prefetch: K.key(K.count, 4, "batches decoded ahead", "batches"),
  max_corrupt: K.key(K.natural, 100, "images that may turn out unreadable before the run stops", "images")
}
export const data = K.block({
  ...dataFields,
  image_size: K.key(K.orNull(K.count), null, "side of the training crops; null: what the decoder draws", "pixels")
}, "training images")
export const resolvedData = K.block({ ...dataFields, image_size: K.required(K.count, "side of the training crops", "pixels") }, "training images")

export const evaluation = K.block({
  data_path: K.key(K.orNull(K.path), null, "folder of held-out images; null: every tenth training image, by hash of its path"),
  eval_interval: K.key(K.natural, 5000, "evaluate every so many steps; 0: only at the end", "steps"),
  eval_model: K.key(K.switchKind, false, "evaluate the weights themselves too: the moving average alone is, so true is noted and changes nothing"),
  reference_npz_path: K.key(K.orNull(K.path), null, "what rfid compares with in `rae eval`: an npz of images (`arr_0`) or of moments (`mu`, `sigma`); during training it compares with the held-out images themselves"),
  metrics: K.key(
    { schema: Schema.Array(K.oneOf("psnr", "ssim", "lpips", "rfid").schema), expected: "a list of `psnr`, `ssim`, `lpips`, `rfid`" },
    ["psnr", "ssim", "lpips"],
    "what is measured; `rfid` wants the weights of Inception (docs/weights.md)"
  ),
  images: K.key(K.count, 64, "how many held-out images are measured, the first by path", "images"),
  batch_size: K.key(K.count, 2, "images reconstructed together", "images"),
  samples: K.key(K.natural, 8, "columns of the picture of originals and reconstructions; 0: no picture", "images")
}, "evaluation on held-out images")

export const weights = K.block({
  source: K.key(K.oneOf("pretrained", "random"), "pretrained", "frozen networks: read from their files, or drawn from the seed for trials (their paths are then not read)"),
  models_dir: K.key(K.orNull(K.path), null, "directory in which pretrained files lie under their Hub names (`facebook/…`) or published paths, looked in after `models/` and before the Hub's cache")
}, "weights of the frozen networks")

export const lpips = K.block({
  vgg_path: K.key(K.orNull(K.path), null, "file of torchvision's VGG16 (`vgg16-397923af.pth`, or safetensors); null: that name under `models/lpips`, or where torchvision fetched it"),
  lin_path: K.key(K.orNull(K.path), null, "file of LPIPS's linear layers for VGG (`vgg.pth`, or safetensors); null: that name under `models/lpips`")
}, "weights of the perceptual loss")

export const checkpoint = K.block({
  every_steps: K.key(K.natural, 1000, "a checkpoint every so many steps; 0: only at ends of epochs and of the run", "steps"),
  keep_last: K.key(K.count, 3, "newest checkpoints that are kept", "checkpoints"),
  keep_every: K.key(K.natural, 0, "checkpoints of steps divisible by this are kept for good; 0: none", "steps"),
  fallback_dir: K.key(K.orNull(K.path), null, "second directory, used while the first is full"),
  ballast: K.key(K.switchKind, true, "set the space of one checkpoint aside in a file that gives way when the disk is full (made where twice that space is free)"),
  scrub_seconds: K.key(K.natural, 3600, "an older checkpoint is read again and verified every so many seconds, while nothing is being saved; 0: never", "seconds"),
  max_unsaved_steps: K.key(K.natural, 0, "training pauses when so many steps could not be saved; 0: never", "steps")
}, "checkpoints")

export const featureCache = K.block({
  mode: K.key(K.oneOf("auto", "on", "off"), "auto", "keep latents on disk; auto: where an epoch or a later variant can use them again"),
  max_bytes: K.key(K.natural, 20e9, "size at which old latents give way", "bytes")
}, "cache of clean latents")

export const eventLog = K.block({
  max_bytes: K.key(K.natural, 1e9, "size of a run's event log at which its oldest part gives way", "bytes")
}, "record of what happened")

export const supervision = K.block({
  max_restarts: K.key(K.natural, 5, "restarts of the engine within `within_seconds` before the run gives up"),
  within_seconds: K.key(K.positive, 600, "window in which restarts are counted", "seconds"),
  max_without_progress: K.key(K.count, 3, "restarts without a newer checkpoint before the run gives up"),
  hang_seconds: K.key(K.positive, 600, "silence after which the engine counts as hung, until a step was measured; from then on the time of 20 steps, but at least 30 seconds (or this, where it is less)", "seconds"),
  stop_seconds: K.key(K.positive, 600, "how long finishing the step and saving may take once a stop was asked for, before the run ends unsaved", "seconds"),
  allow_inject: K.key(K.switchKind, false, "`rae inject` may make faults in this run, for rehearsals")
}, "what the supervisor bears")

export const divergence = K.block({
  max_skipped: K.key(K.natural, 5, "steps in a row that are passed over because a loss or a gradient was not finite; one more ends the run with exit code 6", "steps"),
  patience: K.key(K.count, 200, "for how long one of the three guards below must hold before it speaks", "steps"),
  min_disc_loss: K.key(K.nonNegative, 1e-3, "guard: the discriminator's loss is below this, so that it teaches the decoder nothing; 0: off"),
  max_ema_distance: K.key(K.nonNegative, 0.5, "guard: the average is farther from the weights than this part of their norm; 0: off. (The third: the adaptive weight is at `gan.loss.max_d_weight`.)"),
  action: K.key(K.oneOf("warn", "stop"), "warn", "what a guard does: an event, or an event and the end of the run with exit code 6")
}, "when training counts as led astray")
