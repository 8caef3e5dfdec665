/** A picture to a sample's pixels: the random crop of training and the centre crop of evaluation. */
import { type Crop, type CropDraws, centrePlan, randomCrop, trainingSize } from "./crop.ts"
import { bicubic, box, type Picture, resample, type Size } from "./resample.ts"

export interface Cut {
  /** RGB, interleaved: size × size × 3. */
  readonly pixels: Uint8Array
  readonly crop: Crop
  /** The picture's own size where its shorter side is under the crop's. */
  readonly upscaled: Size | null
}

const tooSmall = ({ width, height }: Size, size: number): Size | null => (Math.min(width, height) < size ? { width, height } : null)

export const cutRandomly = (picture: Picture, draws: CropDraws, epoch: number, index: number, size: number): Cut => {
  const crop = randomCrop(draws, epoch, index, trainingSize(picture, size), size)
  return { pixels: resample(picture, crop.resized, bicubic, crop.window).pixels, crop, upscaled: tooSmall(picture, size) }
}

export const cutCentre = (picture: Picture, size: number): Cut => {
  const { halvings, crop } = centrePlan(picture, size)
  const halved = halvings.reduce((from: Picture, to: Size) => resample(from, to, box), picture)
  return { pixels: resample(halved, crop.resized, bicubic, crop.window).pixels, crop, upscaled: tooSmall(picture, size) }
}
