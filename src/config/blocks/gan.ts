/** `gan`: the discriminator and the losses, under the published key names. */
import * as K from "../keys.ts"
import { optimizer, resolvedScheduler, scheduler } from "./training.ts"

const arch = K.block({
  dino_ckpt_path: K.key(K.orNull(K.path), null, "file of the frozen DINO network (PyTorch or safetensors); null: the published name of `recipe` under `models/discs`"),
  ks: K.key(K.count, 3, "kernel size of the heads' residual convolution, odd", "tokens"),
  key_depths: K.key(K.listOf(K.natural, "layer indices from 0"), [2, 5, 8, 11], "layers of DINO whose tokens get a head, besides the last"),
  norm_type: K.key(K.oneOf("bn", "gn"), "bn", "normalisation in the heads: `bn` over each image's tokens, `gn` group norm"),
  using_spec_norm: K.key(K.switchKind, true, "spectral norm on the heads' convolutions"),
  norm_eps: K.key(K.positive, 1e-6, "epsilon of the norms"),
  recipe: K.key(K.oneOf("S_8", "S_16", "B_16"), "S_8", "published size of the DINO network: width and patch")
}, "discriminator")

const augment = K.block({
  prob: K.key(K.only(1, "leaving some out is not available"), 1, "probability of each differentiable augmentation"),
  cutout: K.key(K.only(0, "cut-out is not available"), 0, "side of the cut-out square over the image's; 0: none")
}, "augmentation of what the discriminator sees")

const lossFields = {
  disc_loss: K.key(K.oneOf("hinge", "vanilla"), "hinge", "discriminator's loss"),
  gen_loss: K.key(K.oneOf("vanilla"), "vanilla", "decoder's adversarial loss: minus the mean of the logits"),
  disc_weight: K.key(K.nonNegative, 0, "weight of the adversarial loss, times the adaptive weight; 0: no adversarial loss"),
  perceptual_weight: K.key(K.nonNegative, 0, "weight of LPIPS"),
  disc_start: K.key(K.nonNegative, 0, "when the decoder gets the adversarial loss; may be fractional", "epochs"),
  lpips_start: K.key(K.nonNegative, 0, "when LPIPS joins the loss; may be fractional", "epochs"),
  max_d_weight: K.key(K.nonNegative, 1e4, "upper limit of the adaptive weight"),
  disc_updates: K.key(K.count, 1, "discriminator updates a step")
}
const loss = K.block({
  ...lossFields,
  disc_upd_start: K.key(K.orNull(K.nonNegative), null, "when the discriminator starts to learn; null: with `disc_start`", "epochs")
}, "losses")
const resolvedLoss = K.block({
  ...lossFields,
  disc_upd_start: K.required(K.nonNegative, "when the discriminator starts to learn", "epochs")
}, "losses")

export const gan = K.block({
  disc: K.block({ arch, optimizer, scheduler, augment }, "the discriminator"),
  loss
}, "adversarial training")
export const resolvedGan = K.block({
  disc: K.block({ arch, optimizer, scheduler: resolvedScheduler, augment }, "the discriminator"),
  loss: resolvedLoss
}, "adversarial training")
