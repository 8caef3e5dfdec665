/** The three spaces of pixels: [0,1] of images, [-1,1] of LPIPS and the discriminator, normalised as the encoder was trained of encoder and decoder. */
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

/** Mean and deviation of red, green and blue, under the key names of the published preprocessor_config.json; ImageNet's where they are left out. */
export interface PixelSpace {
  readonly image_mean?: readonly number[]
  readonly image_std?: readonly number[]
}

const MEAN = [0.485, 0.456, 0.406]
const STD = [0.229, 0.224, 0.225]

const channel = (values: readonly number[], like: Tensor) => T.to(T.fromFloat32(Float32Array.from(values), [1, 3, 1, 1]), { device: like.device })

/** [0,1] to the encoder's space. */
export const normalise = (x_B3HW: Tensor, { image_mean = MEAN, image_std = STD }: PixelSpace): Tensor =>
  scope(() => T.div(T.sub(x_B3HW, channel(image_mean, x_B3HW)), channel(image_std, x_B3HW)))

/** The encoder's space to [0,1], unclamped. */
export const denormalise = (x_B3HW: Tensor, { image_mean = MEAN, image_std = STD }: PixelSpace): Tensor =>
  scope(() => T.add(T.mul(x_B3HW, channel(image_std, x_B3HW)), channel(image_mean, x_B3HW)))

/** [0,1] to [-1,1]. */
export const signed = (x: Tensor): Tensor => scope(() => T.sub(T.mul(x, 2), 1))
