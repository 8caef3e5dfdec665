/** Which part of an image a sample is: sizes and windows, as torchvision's Resize and RandomCrop and ADM's centre crop have them. */
import { keyOf } from "../random/draws.ts"
import { words } from "../random/philox.ts"
import type { Size, Window } from "./resample.ts"

/** How an image becomes a sample: resized to `resized`, then cut to `window`. */
export interface Crop {
  readonly rule: "random" | "centre"
  readonly resized: Size
  readonly window: Window
}

/** Names a crop in the key of the feature cache. */
export const cropName = ({ resized, rule, window }: Crop): string =>
  `${rule} ${resized.width}x${resized.height} ${window.left},${window.top} ${window.width}x${window.height}`

/** torchvision's Resize(shorter): the longer side is cut off to an integer, not rounded. */
export const shorterSideTo = ({ width, height }: Size, shorter: number): Size =>
  width <= height ? { width: shorter, height: Math.trunc((shorter * height) / width) } : { width: Math.trunc((shorter * width) / height), height: shorter }

/** Training resizes the shorter side to 1.5 times the crop: 384 for 256. */
export const trainingSize = (image: Size, size: number): Size => shorterSideTo(image, Math.round(size * 1.5))

export interface CropDraws {
  readonly seed: number
  /** With K, the crops of an image repeat every K epochs; null: never. */
  readonly cropsPerImage: number | null
}

/** The random crop of an image in an epoch: a pure function of (seed, epoch, index). */
export const randomCrop = (draws: CropDraws, epoch: number, index: number, resized: Size, size: number): Crop => {
  const turn = draws.cropsPerImage === null ? epoch : epoch % draws.cropsPerImage
  const [down, right] = words(keyOf(draws.seed, "data/crop", turn, index), 2)
  const top = Math.floor((down! * (resized.height - size + 1)) / 2 ** 32)
  const left = Math.floor((right! * (resized.width - size + 1)) / 2 ** 32)
  return { rule: "random", resized, window: { left, top, width: size, height: size } }
}

/** Python's round: halves go to the even neighbour. */
const roundHalfEven = (x: number): number => {
  const below = Math.floor(x)
  const rest = x - below
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below
}

/** The sizes of ADM's centre crop: halvings while the shorter side is at least twice `size`, then one resize. */
export const centrePlan = (image: Size, size: number): { readonly halvings: ReadonlyArray<Size>; readonly crop: Crop } => {
  const halvings: Array<Size> = []
  let { width, height } = image
  while (Math.min(width, height) >= 2 * size) halvings.push({ width: width = Math.floor(width / 2), height: height = Math.floor(height / 2) })
  const scale = size / Math.min(width, height)
  const resized = { width: roundHalfEven(width * scale), height: roundHalfEven(height * scale) }
  const left = Math.floor((resized.width - size) / 2)
  const top = Math.floor((resized.height - size) / 2)
  return { halvings, crop: { rule: "centre", resized, window: { left, top, width: size, height: size } } }
}
