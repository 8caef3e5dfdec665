/** The three spaces of pixels: [0,1] of images, [-1,1] of LPIPS and the discriminator, ImageNet-normalised of encoder and decoder. */
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

const MEAN = Float32Array.of(0.485, 0.456, 0.406)
const STD = Float32Array.of(0.229, 0.224, 0.225)

const channel = (values: Float32Array, like: Tensor) => T.to(T.fromFloat32(values, [1, 3, 1, 1]), { device: like.device })

/** [0,1] to ImageNet-normalised. */
export const normalise = (x_B3HW: Tensor): Tensor => scope(() => T.div(T.sub(x_B3HW, channel(MEAN, x_B3HW)), channel(STD, x_B3HW)))

/** ImageNet-normalised to [0,1], unclamped. */
export const denormalise = (x_B3HW: Tensor): Tensor => scope(() => T.add(T.mul(x_B3HW, channel(STD, x_B3HW)), channel(MEAN, x_B3HW)))

/** [0,1] to [-1,1]. */
export const signed = (x: Tensor): Tensor => scope(() => T.sub(T.mul(x, 2), 1))
