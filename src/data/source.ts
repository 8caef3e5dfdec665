/** Where images come from. A sample is a pure function of (source, epoch, index, size). */
import { type Crop, type CropDraws, centrePlan, randomCrop, trainingSize } from "./crop.ts"
import { bicubic, box, type Picture, resample, type Size } from "./resample.ts"

export interface Sample {
  readonly index: number
  /** For people and reports: a file, or the name of a drawing. */
  readonly path: string
  /** RGB, interleaved: size × size × 3. */
  readonly pixels: Uint8Array
  /** Names the uncut picture: XXH3-128 of the file's bytes, or of what a drawing follows from. */
  readonly hash: string
  readonly crop: Crop
  /** The picture's own size where its shorter side is under the crop's. */
  readonly upscaled: Size | null
}

export interface ImageSource {
  readonly count: number
  /** One phrase for the run's first line: `167 images in 167 classes, photos/`. */
  readonly describe: () => string
  /** The random crop of `size` of this epoch. Rejects with CorruptSample. */
  readonly train: (epoch: number, index: number, size: number) => Promise<Sample>
  /** ADM's centre crop. Rejects with CorruptSample. */
  readonly evaluation: (index: number, size: number) => Promise<Sample>
}

type Cut = Pick<Sample, "pixels" | "crop" | "upscaled">

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
