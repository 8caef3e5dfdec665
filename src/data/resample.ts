/**
 * Resizing that gives PIL's bytes: `Image.resize` with BICUBIC (a = -0.5, widened when shrinking) and BOX.
 *
 * The published models are trained and evaluated on PIL's pixels. libvips agrees with PIL when it shrinks (0.15/255 on
 * average) but enlarges on another grid (5 to 14/255), so sharp decodes and this file resizes. Like PIL it makes two
 * passes, rows first, in 22-bit fixed point with a rounding to bytes in between; only the wanted window is computed.
 */

/** Interleaved RGB bytes, row by row (height × width × 3). */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly pixels: Uint8Array
}

export interface Size {
  readonly width: number
  readonly height: number
}

export interface Window extends Size {
  readonly left: number
  readonly top: number
}

export interface Filter {
  /** Half width in source pixels at scale 1. */
  readonly support: number
  readonly weight: (distance: number) => number
}

export const box: Filter = { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) }

/** Keys' cubic convolution with a = -0.5. */
export const bicubic: Filter = {
  support: 2,
  weight: (distance) => {
    const x = Math.abs(distance)
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
  }
}

const fractionBits = 22
const half = 1 << (fractionBits - 1)

/** For each of `count` outputs from `first`: where its inputs start, how many they are, and their fixed-point weights. */
interface Taps {
  readonly start: Int32Array
  readonly length: Int32Array
  readonly weights: Int32Array
  readonly stride: number
}

const tapsFor = (from: number, to: number, first: number, count: number, filter: Filter): Taps => {
  const scale = from / to
  const widen = Math.max(scale, 1)
  const support = filter.support * widen
  const stride = Math.ceil(support) * 2 + 1
  const start = new Int32Array(count)
  const length = new Int32Array(count)
  const weights = new Int32Array(count * stride)
  const exact = new Float64Array(stride)
  for (let i = 0; i < count; i++) {
    const centre = (first + i + 0.5) * scale
    const low = Math.max(Math.trunc(centre - support + 0.5), 0)
    const taps = Math.min(Math.trunc(centre + support + 0.5), from) - low
    let total = 0
    for (let k = 0; k < taps; k++) total += exact[k] = filter.weight((k + low - centre + 0.5) * (1 / widen))
    for (let k = 0; k < taps; k++) {
      const weight = (exact[k]! / total) * (1 << fractionBits)
      weights[i * stride + k] = Math.trunc(weight < 0 ? weight - 0.5 : weight + 0.5)
    }
    start[i] = low
    length[i] = taps
  }
  return { start, length, weights, stride }
}

/** Uint8ClampedArray does the clamping of overshoot. */
const acrossRows = (source: Picture, taps: Taps, width: number, top: number, height: number): Uint8ClampedArray => {
  const { start, length, weights, stride } = taps
  const out = new Uint8ClampedArray(width * height * 3)
  const pixels = source.pixels
  for (let y = 0, o = 0; y < height; y++) {
    const row = (top + y) * source.width * 3
    for (let x = 0; x < width; x++, o += 3) {
      let i = row + start[x]! * 3
      const w0 = x * stride
      const w1 = w0 + length[x]!
      let red = half, green = half, blue = half
      for (let w = w0; w < w1; w++, i += 3) {
        const weight = weights[w]!
        red = (red + Math.imul(weight, pixels[i]!)) | 0
        green = (green + Math.imul(weight, pixels[i + 1]!)) | 0
        blue = (blue + Math.imul(weight, pixels[i + 2]!)) | 0
      }
      out[o] = red >> fractionBits
      out[o + 1] = green >> fractionBits
      out[o + 2] = blue >> fractionBits
    }
  }
  return out
}

const downColumns = (pixels: Uint8ClampedArray, taps: Taps, width: number, top: number, height: number): Uint8ClampedArray => {
  const { start, length, weights, stride } = taps
  const row = width * 3
  const out = new Uint8ClampedArray(row * height)
  const sums = new Int32Array(row)
  for (let y = 0; y < height; y++) {
    sums.fill(half)
    for (let k = 0; k < length[y]!; k++) {
      const weight = weights[y * stride + k]!
      const from = (start[y]! - top + k) * row
      for (let x = 0; x < row; x++) sums[x] = (sums[x]! + Math.imul(weight, pixels[from + x]!)) | 0
    }
    for (let x = 0, o = y * row; x < row; x++, o++) out[o] = sums[x]! >> fractionBits
  }
  return out
}

/** The `window` of what resizing `source` to `size` gives. A direction that keeps its length is copied, not filtered. */
export const resample = (source: Picture, size: Size, filter: Filter, window: Window = { left: 0, top: 0, ...size }): Picture => {
  const columns = tapsFor(source.width, size.width, window.left, window.width, source.width === size.width ? box : filter)
  const rows = tapsFor(source.height, size.height, window.top, window.height, source.height === size.height ? box : filter)
  const top = rows.start[0]!
  const last = window.height - 1
  const bottom = rows.start[last]! + rows.length[last]!
  const narrowed = acrossRows(source, columns, window.width, top, bottom - top)
  const pixels = downColumns(narrowed, rows, window.width, top, window.height)
  return { width: window.width, height: window.height, pixels: new Uint8Array(pixels.buffer) }
}
