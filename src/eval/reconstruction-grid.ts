/** A picture for people to compare by: a row for an image, with the original, its reconstruction, and where they differ. */
import type { Picture } from "./picture.ts"

/** More rows than this are no picture any more. */
export const mostRows = 16
/** Differences of a good reconstruction are a few shades: shown so many times as bright. */
export const brightening = 4
const gap = 2
const white = 255

export interface Row {
  /** Interleaved, size × size × 3, 8 bits a channel. */
  readonly original: Uint8Array
  readonly reconstruction: Uint8Array
}

const difference = ({ original, reconstruction }: Row): Uint8Array => original.map((value, i) => Math.min(white, brightening * Math.abs(value - reconstruction[i]!)))

export const gridPicture = (rows: ReadonlyArray<Row>, size: number): Picture => {
  const width = 3 * size + 2 * gap
  const height = rows.length * size + (rows.length - 1) * gap
  const rgb = new Uint8Array(width * height * 3).fill(white)
  for (const [r, row] of rows.entries()) {
    for (const [c, pixels] of [row.original, row.reconstruction, difference(row)].entries()) {
      for (let y = 0; y < size; y++) rgb.set(pixels.subarray(y * size * 3, (y + 1) * size * 3), ((r * (size + gap) + y) * width + c * (size + gap)) * 3)
    }
  }
  return { width, height, rgb }
}
