/** A picture for people: originals above, reconstructions below, a thin gap between all. */
import { toPixels } from "../models/image-space.ts"
import type { Tensor } from "../tensor/tensor.ts"

const gap = 2
const white = 255

export interface Picture {
  readonly width: number
  readonly height: number
  /** Interleaved, 8 bits a channel. */
  readonly rgb: Uint8Array
}

/** Two batches [B,3,S,S] in [0,1]. */
export const picture = (above: Tensor, below: Tensor): Picture => {
  const [columns, , side] = above.shape as [number, number, number, number]
  const width = columns * side + (columns - 1) * gap
  const height = 2 * side + gap
  const rgb = new Uint8Array(width * height * 3).fill(white)
  for (const [row, images] of [above, below].entries()) {
    const bytes = toPixels(images)
    for (let column = 0; column < columns; column++) {
      for (let y = 0; y < side; y++) {
        const from = (column * side + y) * side * 3
        rgb.set(bytes.subarray(from, from + side * 3), ((row * (side + gap) + y) * width + column * (side + gap)) * 3)
      }
    }
  }
  return { width, height, rgb }
}
