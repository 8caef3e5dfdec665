/**
 * Where the paths and Hub names of a configuration lead: the working directory first, then the checkout (so that `configs/decoder/ViTXL`
 * works from anywhere), each also under `models/`; then `--models-dir`, where pretrained files live under their Hub names; then the Hub's
 * own cache. Nothing is ever fetched.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs"
import { homedir } from "node:os"
import { isAbsolute, join, relative, resolve } from "node:path"

export const checkout = resolve(import.meta.dirname, "../..")

/** The Hub's cache, as huggingface_hub finds it. */
const hubCache = (): string => {
  const { HF_HOME, HF_HUB_CACHE, XDG_CACHE_HOME } = process.env
  return HF_HUB_CACHE || join(HF_HOME || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface"), "hub")
}

/** Snapshots of `owner/name` in a cache: that of the branch `main` first, then any other. */
const snapshots = (cache: string, name: string): ReadonlyArray<string> => {
  if (!/^[\w.-]+\/[\w.-]+$/.test(name) || name.split("/").some((part) => /^\.+$/.test(part))) return []
  const dir = join(cache, `models--${name.replace("/", "--")}`)
  const main = join(dir, "refs/main")
  const all = join(dir, "snapshots")
  if (!existsSync(all)) return []
  const first = existsSync(main) ? readFileSync(main, "utf8").trim() : ""
  const found = readdirSync(all).toSorted()
  return [...found.filter((commit) => commit === first), ...found.filter((commit) => commit !== first)].map((commit) => join(all, commit))
}

const candidates = (path: string, modelsDir: string | null): ReadonlyArray<string> => {
  if (isAbsolute(path)) return [path]
  const own = modelsDir === null ? [] : [modelsDir]
  // published configs write `models/…` for what was fetched there: with --models-dir it may lie anywhere
  const under = path.startsWith("models/") ? [path, path.slice("models/".length)] : [path]
  return [
    ...[process.cwd(), checkout].flatMap((root) => [join(root, path), join(root, "models", path)]),
    ...own.flatMap((root) => under.map((inner) => join(root, inner)).concat(snapshots(root, path))),
    ...snapshots(hubCache(), path)
  ]
}

export interface LocateOptions {
  /** What a directory must have in it. */
  readonly inside?: string
  readonly modelsDir?: string | null
}

/** The first place where `path` (with `inside` it, for a directory) exists. */
export const locate = (path: string, { inside = "", modelsDir = null }: LocateOptions = {}): string | undefined =>
  candidates(path, modelsDir).find((place) => existsSync(join(place, inside)))

/** Files that a directory may hold a model's weights in, the safest first. */
const weightFiles = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"]

/** The weight file of the model directory that a path or Hub name leads to. */
export const locateWeights = (path: string, modelsDir: string | null = null): string | undefined =>
  weightFiles.map((name) => ({ name, dir: locate(path, { inside: name, modelsDir }) }))
    .map(({ dir, name }) => dir === undefined ? undefined : join(dir, name)).find((file) => file !== undefined)

/** Where a weight file or directory that is not there yet should be put: under `--models-dir`, else `models/`. */
export const placeFor = (path: string, modelsDir: string | null = null): string => {
  if (isAbsolute(path)) return path
  const inside = path.startsWith("models/") ? path.slice("models/".length) : path
  return join(modelsDir ?? join(process.cwd(), "models"), inside)
}

/** A path as messages show it: relative where that is shorter and stays below the working directory. */
export const shownPath = (path: string): string => {
  const near = relative(process.cwd(), path)
  return near === "" || near.startsWith("..") ? path : near
}
