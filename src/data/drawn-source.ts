/** Pictures drawn by the program as a source, for trials without images. The same in every run and on every machine. */
import type { CropDraws } from "./crop.ts"
import { makeSampleInThread } from "./sample-pool.ts"
import type { ImageSource, Sample } from "./source.ts"

/** `set`: training and held-out pictures have none in common. */
export const drawnSource = (count: number, set: "training" | "held-out", draws: CropDraws): ImageSource => {
  const sample = async (index: number, size: number, epoch: number | null): Promise<Sample> => {
    if (!(index >= 0 && index < count)) throw new RangeError(`picture ${index} of ${count}`)
    return makeSampleInThread({ kind: "drawing", index, path: `drawn/${set}/${index}`, size, epoch, draws })
  }
  return {
    count,
    describe: () => `${count.toLocaleString("en")} pictures drawn by the program`,
    train: (epoch, index, size) => sample(index, size, epoch),
    evaluation: (index, size) => sample(index, size, null)
  }
}
