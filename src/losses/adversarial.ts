/** Adversarial losses on logits, as scalar tensors. */
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

export type DiscriminatorLoss = "hinge" | "vanilla"
export type GeneratorLoss = "vanilla"

/** ½ (mean max(0, 1 - real) + mean max(0, 1 + fake)); Lim and Ye, "Geometric GAN" (2017). */
export const hinge = (real: Tensor, fake: Tensor): Tensor => scope(() =>
  T.mul(T.add(T.mean(T.relu(T.sub(1, real))), T.mean(T.relu(T.add(fake, 1)))), 0.5))

/** ½ (mean softplus(-real) + mean softplus(fake)); Goodfellow et al., "Generative Adversarial Networks" (2014). */
export const vanilla = (real: Tensor, fake: Tensor): Tensor => scope(() =>
  T.mul(T.add(T.mean(T.softplus(T.neg(real))), T.mean(T.softplus(fake))), 0.5))

export const discriminatorLosses: Readonly<Record<DiscriminatorLoss, (real: Tensor, fake: Tensor) => Tensor>> = { hinge, vanilla }

/** What the generator minimises. The published `vanilla` is minus the mean logit, not the saturating loss of that name. */
export const generatorLosses: Readonly<Record<GeneratorLoss, (fake: Tensor) => Tensor>> = {
  vanilla: (fake) => scope(() => T.neg(T.mean(fake)))
}
