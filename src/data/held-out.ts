/** Which images of a folder are held out for evaluation when no `eval.data` is given. */
import { createHash } from "node:crypto"

const oneIn = 10
const hashOf = (path: string): number => createHash("sha256").update(path).digest().readUInt32LE(0)

export interface Split {
  readonly training: ReadonlyArray<string>
  readonly heldOut: ReadonlyArray<string>
}

/**
 * Holds out every tenth image by the hash of its relative path, so that an image stays on its side when others are added.
 * Where the hash picks none or all of a few images, the lowest hash alone is held out. A single image is on both sides.
 */
export const splitHeldOut = (paths: ReadonlyArray<string>): Split => {
  if (paths.length < 2) return { training: paths, heldOut: paths }
  const picked = new Set(paths.filter((path) => hashOf(path) % oneIn === 0))
  if (picked.size === 0 || picked.size === paths.length) {
    picked.clear()
    picked.add(paths.reduce((lowest, path) => (hashOf(path) < hashOf(lowest) ? path : lowest)))
  }
  return { training: paths.filter((path) => !picked.has(path)), heldOut: paths.filter((path) => picked.has(path)) }
}
