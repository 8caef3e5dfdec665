/** Images of a folder as a source. */
import { join } from "node:path"
import type { CropDraws } from "./crop.ts"
import type { ImageFolder } from "./image-folder.ts"
import { makeSampleInThread } from "./sample-pool.ts"
import type { ImageSource, Sample } from "./source.ts"

const counted = (count: number, one: string, many = `${one}s`): string => `${count.toLocaleString("en")} ${count === 1 ? one : many}`

/** `paths` picks from the folder's (a side of the held-out split); all by default. */
export const folderSource = (folder: ImageFolder, draws: CropDraws, paths: ReadonlyArray<string> = folder.paths): ImageSource => {
  const sample = async (index: number, size: number, epoch: number | null): Promise<Sample> => {
    const path = paths[index]
    if (path === undefined) throw new RangeError(`image ${index} of ${paths.length}`)
    return makeSampleInThread({ kind: "file", index, path: join(folder.root, path), size, epoch, draws })
  }
  const classes = new Set(paths.filter((path) => path.includes("/")).map((path) => path.slice(0, path.indexOf("/")))).size
  return {
    count: paths.length,
    describe: () => `${counted(paths.length, "image")}${classes === 0 ? "" : ` in ${counted(classes, "class", "classes")}`}, ${folder.root}`,
    train: (epoch, index, size) => sample(index, size, epoch),
    evaluation: (index, size) => sample(index, size, null)
  }
}
