/**
 * Where relative paths of a configuration lead: the working directory first, then the checkout (so that `configs/decoder/ViTXL` works from
 * anywhere), each also under `models/`, where pretrained files live under their Hub names.
 */
import { existsSync } from "node:fs"
import { isAbsolute, join, relative, resolve } from "node:path"

export const checkout = resolve(import.meta.dirname, "../..")

const candidates = (path: string): ReadonlyArray<string> =>
  isAbsolute(path) ? [path] : [process.cwd(), checkout].flatMap((root) => [join(root, path), join(root, "models", path)])

/** The first place where `path` (with `inside` it, for a directory) exists. */
export const locate = (path: string, inside = ""): string | undefined => candidates(path).find((place) => existsSync(join(place, inside)))

/** Where a weight file or directory that is not there yet should be put: under `models/`. */
export const placeFor = (path: string): string =>
  isAbsolute(path) ? path : join(process.cwd(), path.startsWith("models/") ? path : join("models", path))

/** A path as messages show it: relative where that is shorter and stays below the working directory. */
export const shownPath = (path: string): string => {
  const near = relative(process.cwd(), path)
  return near === "" || near.startsWith("..") ? path : near
}
