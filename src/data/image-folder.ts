/**
 * Images on disk: a folder of class folders (ImageFolder), or images alone.
 *
 * Class folders are read to any depth, links are followed, hidden names are skipped. Images that lie in the folder itself are
 * taken too, as images without a class: reconstruction needs no labels. The order is that of the paths by UTF-16 code units,
 * whatever the file system or the locale.
 */
import * as Data from "effect/Data"
import { type Dirent } from "node:fs"
import { readdir, realpath, stat } from "node:fs/promises"
import { extname, join } from "node:path"

/** What libvips as shipped with sharp decodes. */
export const imageExtensions: ReadonlyArray<string> = [".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif"]

export interface ImageFolder {
  readonly root: string
  /** Relative to `root`, with `/`, sorted. */
  readonly paths: ReadonlyArray<string>
}

export class DataFolderInvalid extends Data.TaggedError("DataFolderInvalid")<{
  readonly path: string
  readonly problem: "missing" | "not a folder" | "unreadable" | "empty" | "no images"
  readonly found: string
  readonly help: string
}> {
  override get message(): string {
    return `data folder ${this.path}: ${this.problem}${this.found === "" ? "" : `, found ${this.found}`}`
  }
}

const layout = "give a folder with one folder of images per class, or a folder of images"
const codeOf = (cause: unknown): string => (cause instanceof Error && "code" in cause ? String(cause.code) : String(cause))

const invalidFor = (path: string, cause: unknown): DataFolderInvalid => {
  const code = codeOf(cause)
  if (code === "ENOENT") return new DataFolderInvalid({ path, problem: "missing", found: "", help: layout })
  if (code === "ENOTDIR") return new DataFolderInvalid({ path, problem: "not a folder", found: "a file", help: layout })
  return new DataFolderInvalid({ path, problem: "unreadable", found: code, help: "check the permissions of the folder and of those above it" })
}

/** What an entry is once links are followed; a dangling link is neither. */
const kindOf = async (path: string, entry: Dirent): Promise<"folder" | "file" | "other"> => {
  if (entry.isDirectory()) return "folder"
  if (entry.isFile()) return "file"
  if (!entry.isSymbolicLink()) return "other"
  const target = await stat(path).catch(() => null)
  return target === null ? "other" : target.isDirectory() ? "folder" : target.isFile() ? "file" : "other"
}

const isImage = (name: string): boolean => imageExtensions.includes(extname(name).toLowerCase())

/** `3 .txt, 1 .bmp, 2 without an extension` */
const census = (others: ReadonlyMap<string, number>): string =>
  [...others].sort((a, b) => b[1] - a[1]).slice(0, 5)
    .map(([extension, count]) => `${count} ${extension === "" ? "without an extension" : extension}`).join(", ")

/** Lists `root`. Rejects with DataFolderInvalid. */
export const listImageFolder = async (root: string): Promise<ImageFolder> => {
  const paths: Array<string> = []
  const others = new Map<string, number>()
  let folders = 0

  /** `above`: the real paths of the folders above, so that a link to one of them does not loop. */
  const walk = async (relative: string, above: ReadonlyArray<string>): Promise<void> => {
    const folder = join(root, relative)
    const real = await realpath(folder)
    if (above.includes(real)) return
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith(".")) continue
      const path = relative === "" ? entry.name : `${relative}/${entry.name}`
      const kind = await kindOf(join(root, path), entry)
      if (kind === "folder") {
        folders++
        await walk(path, [...above, real])
      } else if (kind === "file" && isImage(entry.name)) paths.push(path)
      else if (kind === "file") others.set(extname(entry.name).toLowerCase(), (others.get(extname(entry.name).toLowerCase()) ?? 0) + 1)
    }
  }

  await walk("", []).catch((cause: unknown) => {
    throw invalidFor(cause instanceof Error && "path" in cause ? String(cause.path) : root, cause)
  })
  if (paths.length === 0) {
    if (others.size === 0 && folders === 0) throw new DataFolderInvalid({ path: root, problem: "empty", found: "", help: layout })
    const found = others.size > 0 ? census(others) : `${folders} empty folders`
    throw new DataFolderInvalid({ path: root, problem: "no images", found, help: `images end in ${imageExtensions.join(" ")}` })
  }
  paths.sort()
  return { root, paths }
}
