/** What is to be reconstructed, under which names, and whether it can be written there: everything that is known before weights are loaded. */
import { accessSync, constants, existsSync, realpathSync, statSync } from "node:fs"
import { stat } from "node:fs/promises"
import { basename, dirname, join, relative, resolve, sep } from "node:path"
import { freeAt } from "../src/checkpoint/storage-errors.ts"
import { listImageFolder } from "../src/data/image-folder.ts"
import { outputNames } from "../src/eval/reconstruction-names.ts"
import type { ReconstructionRequest } from "./image-reconstruction-request.ts"
import { Refused } from "./process-failure.ts"
import { isWhole } from "./reconstruction-files.ts"
import { type MadeFrom, readRecord, recordFile } from "./reconstruction-record.ts"

export interface Place {
  readonly images: { readonly root: string; readonly paths: ReadonlyArray<string> }
  /** Of each image, below the output folder. */
  readonly names: ReadonlyArray<string>
  /** What an earlier call made from; null where there was none, or it is to be overwritten. */
  readonly earlier: MadeFrom | null
  /** Indices of images whose reconstruction that call wrote. */
  readonly kept: ReadonlySet<number>
}

const commonFolder = (paths: ReadonlyArray<string>): string => paths.map((path) => dirname(path)).reduce((above, folder) => {
  let common = above
  while (folder !== common && !folder.startsWith(common === sep ? sep : common + sep)) common = dirname(common)
  return common
})

const listImages = async (images: ReconstructionRequest["images"]): Promise<Place["images"]> => {
  if (images.kind === "folder") return await listImageFolder(images.path)
  const paths = [...new Set(images.paths)]
  for (const path of paths) {
    if (!(await stat(path).then((found) => found.isFile(), () => false))) throw new Refused(`no image ${path}`, "give one folder of images, or image files")
  }
  const root = commonFolder(paths)
  return { root, paths: paths.map((path) => relative(root, path)) }
}

const nearestThere = (path: string): string => (existsSync(path) ? path : nearestThere(dirname(path)))
/** The path without links, as far as it exists. */
const real = (path: string): string => {
  const there = nearestThere(path)
  return resolve(realpathSync(there), relative(there, path))
}

const requireFolder = (output: string): void => {
  const there = nearestThere(output)
  if (!statSync(there).isDirectory()) throw new Refused(`cannot write into ${output}: ${there} is a file, expected a folder`, "-o names the folder to write into")
  try {
    accessSync(there, constants.W_OK)
  } catch {
    throw new Refused(`cannot write into ${output}: no permission for ${there}`, "-o names the folder to write into")
  }
}

/** Reconstructions must not lie among the images: the next call would take them for such. */
const requireApart = (output: string, { images }: ReconstructionRequest, { paths, root }: Place["images"], names: ReadonlyArray<string>): void => {
  const [from, to] = [real(root), real(output)]
  if (images.kind === "folder" && (to === from || to.startsWith(from + sep))) throw new Refused(`${output} lies in the folder of the images`, "-o names another folder to write into")
  const sources = new Set(paths.map((path) => join(from, path)))
  const over = names.find((name) => sources.has(join(to, name)))
  if (over !== undefined) throw new Refused(`${join(output, over)} is one of the images, and would be overwritten`, "-o names another folder to write into")
}

const requireFile = (flag: string, path: string, output: string, names: ReadonlyArray<string>): void => {
  const folder = dirname(path)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false) throw new Refused(`${flag}: ${path} is a folder, expected a file to write`, `${flag} FILE`)
  if (folder !== output && !(statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false)) throw new Refused(`${flag}: no folder ${folder}`, "make it, or name another file")
  const inside = relative(output, path)
  if (inside === recordFile || names.includes(inside)) throw new Refused(`${flag}: ${path} is the name of another output`, "name another file")
}

/** The least that a file takes. */
const block = 4096

const requireRoom = async (path: string, needed: number): Promise<void> => {
  const free = await freeAt(path)
  if (free !== null && free < needed) throw new Refused(`no room for ${path}: ${free} bytes free, at least ${needed} needed`, "make room, or write to another disk")
}

/** Rejects with Refused, also where not even the least room that is needed is free, and with DataFolderInvalid. */
export const findPlace = async (request: ReconstructionRequest): Promise<Place> => {
  const { autoencoder: { config }, fresh, grid, npz, output } = request
  const size = config.data.image_size
  const images = await listImages(request.images)
  const names = outputNames(images.paths)
  requireFolder(output)
  requireApart(output, request, images, names)
  if (grid !== null) requireFile("--grid", grid, output, names)
  if (npz !== null) requireFile("--npz", npz, output, names)
  if (grid !== null && grid === npz) throw new Refused(`--grid and --npz both name ${basename(grid)}`, "name another file")
  const earlier = fresh ? null : readRecord(output)
  if (earlier === null && !fresh) {
    const inTheWay = names.find((name) => existsSync(join(output, name)))
    if (inTheWay !== undefined) throw new Refused(`${join(output, inTheWay)} is there already, and not from an earlier call`, "--fresh overwrites it, -o names another folder")
  }
  const kept = new Set(earlier === null ? [] : names.flatMap((name, i) => (isWhole(join(output, name), size) ? [i] : [])))
  await requireRoom(output, (names.length - kept.size) * block)
  if (npz !== null) await requireRoom(npz, names.length * size * size * 3)
  return { images, names, earlier, kept }
}
