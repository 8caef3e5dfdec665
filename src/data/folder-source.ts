/** Images of a folder as a source. */
import { join } from "node:path"
import type { CropDraws } from "./crop.ts"
import type { ImageFolder } from "./image-folder.ts"
import { makeSample } from "./sample-job.ts"
import type { ImageSource, Sample } from "./source.ts"

/** `paths` picks from the folder's (a side of the held-out split), all by default; `make` says in which thread. */
export const folderSource = (folder: ImageFolder, draws: CropDraws, paths: ReadonlyArray<string> = folder.paths, make = makeSample): ImageSource => {
  const sample = async (index: number, size: number, epoch: number | null): Promise<Sample> => {
    const path = paths[index]
    if (path === undefined) throw new RangeError(`image ${index} of ${paths.length}`)
    return make({ kind: "file", index, path: join(folder.root, path), size, epoch, draws })
  }
  return {
    count: paths.length,
    train: (epoch, index, size) => sample(index, size, epoch),
    evaluation: (index, size) => sample(index, size, null)
  }
}
