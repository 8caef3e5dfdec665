/** Images of a folder as a source. */
import { join } from "node:path"
import { contentHash } from "./content-hash.ts"
import type { CropDraws } from "./crop.ts"
import { decode, readImageFile } from "./decode.ts"
import type { ImageFolder } from "./image-folder.ts"
import { cutCentre, cutRandomly, type ImageSource } from "./source.ts"

const counted = (count: number, one: string, many = `${one}s`): string => `${count.toLocaleString("en")} ${count === 1 ? one : many}`

/** `paths` picks from the folder's (a side of the held-out split); all by default. */
export const folderSource = (folder: ImageFolder, draws: CropDraws, paths: ReadonlyArray<string> = folder.paths): ImageSource => {
  const open = async (index: number) => {
    const path = paths[index]
    if (path === undefined) throw new RangeError(`image ${index} of ${paths.length}`)
    const file = join(folder.root, path)
    const bytes = await readImageFile(index, file)
    return { file, hash: contentHash(bytes), picture: await decode(index, file, bytes) }
  }
  const classes = new Set(paths.filter((path) => path.includes("/")).map((path) => path.slice(0, path.indexOf("/")))).size
  return {
    count: paths.length,
    describe: () => `${counted(paths.length, "image")}${classes === 0 ? "" : ` in ${counted(classes, "class", "classes")}`}, ${folder.root}`,
    train: async (epoch, index, size) => {
      const { file, hash, picture } = await open(index)
      return { index, path: file, hash, ...cutRandomly(picture, draws, epoch, index, size) }
    },
    evaluation: async (index, size) => {
      const { file, hash, picture } = await open(index)
      return { index, path: file, hash, ...cutCentre(picture, size) }
    }
  }
}
