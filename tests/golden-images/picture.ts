import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Picture } from "../../src/data/resample.ts"

/** The picture that make.py gave to PIL. */
export const picture = (width: number, height: number): Picture => {
  const pixels = new Uint8Array(width * height * 3)
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++, o += 3) {
      pixels[o] = x * 7 + y * 3
      pixels[o + 1] = x * x + y * 11
      pixels[o + 2] = (Math.floor(x / 5) + Math.floor(y / 4)) % 2 === 1 ? 255 : (x * y) % 90
    }
  }
  return { width, height, pixels }
}

export const goldenImage = (name: string): string => join(import.meta.dirname, name)
export const golden = (name: string): Buffer => readFileSync(goldenImage(name))

/** The part of interleaved RGB rows of `width` that a window cuts out. */
export const cut = (pixels: Uint8Array, width: number, window: { left: number; top: number; width: number; height: number }): Buffer =>
  Buffer.concat(Array.from({ length: window.height }, (_, y) => {
    const from = ((window.top + y) * width + window.left) * 3
    return pixels.subarray(from, from + window.width * 3)
  }))
