/** Pictures drawn by the program as a source, for trials without images. The same in every run and on every machine. */
import { keyOf } from "../random/draws.ts"
import { words } from "../random/philox.ts"
import { contentHash } from "./content-hash.ts"
import { type Crop, type CropDraws, centrePlan, randomCrop, trainingSize } from "./crop.ts"
import { drawWindow } from "./drawing.ts"
import type { ImageSource, Sample } from "./source.ts"

/** A drawing has no pixels of its own: it is drawn at the size that resizing would have given, and only the crop of it. */
const square = { width: 1, height: 1 }
/** A drawing reads at most 445 words for the ground and 14 for each of nine shapes. */
const wordsPerDrawing = 576

/** `set`: training and held-out pictures have none in common. */
export const drawnSource = (count: number, set: "training" | "held-out", draws: CropDraws): ImageSource => {
  const sample = (index: number, crop: Crop): Sample => {
    if (!(index >= 0 && index < count)) throw new RangeError(`picture ${index} of ${count}`)
    const recipe = words(keyOf(draws.seed, `data/drawing/${set}`, 0, index), wordsPerDrawing)
    return {
      index, path: `drawn/${set}/${index}`, pixels: drawWindow(recipe, crop.resized.width, crop.window),
      hash: contentHash(new Uint8Array(recipe.buffer)), crop, upscaled: null
    }
  }
  return {
    count,
    describe: () => `${count} pictures drawn by the program`,
    train: async (epoch, index, size) => sample(index, randomCrop(draws, epoch, index, trainingSize(square, size), size)),
    evaluation: async (index, size) => sample(index, centrePlan({ width: size, height: size }, size).crop)
  }
}
