/** Pictures drawn by the program as a source, for trials without images. The same in every run and on every machine. */
import type { CropDraws } from "./crop.ts"
import { makeSample } from "./sample-job.ts"
import type { ImageSource, Sample } from "./source.ts"

/** `set`: training and held-out pictures have none in common. */
export const drawnSource = (count: number, set: "training" | "held-out", draws: CropDraws, make = makeSample): ImageSource => {
  const sample = async (index: number, size: number, epoch: number | null): Promise<Sample> => {
    if (!(index >= 0 && index < count)) throw new RangeError(`picture ${index} of ${count}`)
    return make({ kind: "drawing", index, path: `drawn/${set}/${index}`, size, epoch, draws })
  }
  return {
    count,
    train: (epoch, index, size) => sample(index, size, epoch),
    evaluation: (index, size) => sample(index, size, null)
  }
}
