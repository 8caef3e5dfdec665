/** Where images come from. A sample is a pure function of (source, epoch, index, size). */
import type { Cut } from "./cut.ts"

export interface Sample extends Cut {
  readonly index: number
  /** For people and reports: a file, or the name of a drawing. */
  readonly path: string
  /** Names the uncut picture: XXH3-128 of the file's bytes, or of what a drawing follows from. */
  readonly hash: string
}

export interface ImageSource {
  readonly count: number
  /** The random crop of `size` of this epoch. Rejects with CorruptSample. */
  readonly train: (epoch: number, index: number, size: number) => Promise<Sample>
  /** ADM's centre crop. Rejects with CorruptSample. */
  readonly evaluation: (index: number, size: number) => Promise<Sample>
}
