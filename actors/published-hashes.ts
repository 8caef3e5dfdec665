/** Hashes of published weight files, where their publishers state them: a file that is damaged or another one is found before it is used. */
import { createHash } from "node:crypto"
import { closeSync, openSync, readSync, realpathSync } from "node:fs"
import { basename, dirname } from "node:path"
import { TensorError } from "../src/tensor/errors.ts"

interface Stated {
  readonly algorithm: "sha256" | "md5"
  /** The hash, or how it begins. */
  readonly hash: string
  readonly by: string
}

/** LPIPS's linear layers for VGG16, as https://github.com/CompVis/taming-transformers (taming/util.py) states it. */
const lpipsVgg: Stated = { algorithm: "md5", hash: "d507d7349b931f0638a25a48a722f98a", by: "the programs that publish it" }

/** What the publisher of the file at `path` says of its bytes. */
export const statedHash = (path: string): Stated | undefined => {
  const name = basename(path)
  // torchvision's names carry the first eight digits: vgg16-397923af.pth
  const inName = /-([0-9a-f]{8})\.pth$/.exec(name)?.[1]
  if (inName !== undefined) return { algorithm: "sha256", hash: inName, by: "its name" }
  if (name === "vgg.pth") return lpipsVgg
  // in the Hub's cache a file is a link to a blob that is named by its hash
  const blob = realpathSync(path)
  return basename(dirname(blob)) === "blobs" && /^[0-9a-f]{64}$/.test(basename(blob)) ? { algorithm: "sha256", hash: basename(blob), by: "the Hub's cache" } : undefined
}

const hashOf = (path: string, algorithm: Stated["algorithm"]): string => {
  const hash = createHash(algorithm)
  const piece = new Uint8Array(4 * 2 ** 20)
  const fd = openSync(path, "r")
  try {
    for (let got = readSync(fd, piece); got > 0; got = readSync(fd, piece)) hash.update(piece.subarray(0, got))
  } finally {
    closeSync(fd)
  }
  return hash.digest("hex")
}

/** Throws TensorError `invalid` where a file's bytes are not those that its publisher states. */
export const checkPublishedHash = (path: string): void => {
  const stated = statedHash(path)
  if (stated === undefined) return
  const got = hashOf(path, stated.algorithm)
  if (!got.startsWith(stated.hash)) {
    throw new TensorError("invalid", "checkPublishedHash", `${path}: its ${stated.algorithm} begins with ${got.slice(0, stated.hash.length)}, expected ${stated.hash} (stated by ${stated.by})`)
  }
}
