/**
 * The spaces of pixels: bytes of pictures, [0,1] of images, [-1,1] of LPIPS and the discriminator, normalised as the encoder was trained of
 * encoder and decoder.
 */
import type { Device } from "../tensor/dtype.ts"
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

/** Interleaved bytes to [B,3,H,W] in [0,1]; float division by 255, as torchvision's ToTensor. On the CPU first: a GPU multiplies by 1/255, with other last bits. */
export const toImages = (pixels: Uint8Array, count: number, size: number, device: Device): Tensor =>
  scope(() => T.to(T.contiguous(T.div(T.to(T.permute(T.fromUint8(pixels, [count, size, size, 3]), [0, 3, 1, 2]), { dtype: "float32" }), 255)), { device }))

/** Images [B,3,H,W] to interleaved bytes: clamped to [0,1] and rounded. */
export const toPixels = (images: Tensor): Uint8Array<ArrayBuffer> =>
  scope(() => T.toBytes(T.contiguous(T.permute(T.to(T.round(T.mul(T.clamp(images, 0, 1), 255)), { dtype: "uint8" }), [0, 2, 3, 1]))))

/** Images rounded to 8 bits as if saved and read: what a picture file would hold. */
export const inEightBits = (images: Tensor): Tensor => scope(() => T.div(T.round(T.mul(T.clamp(images, 0, 1), 255)), 255))
