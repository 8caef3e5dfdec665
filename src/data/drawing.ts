/**
 * Draws one picture from random words: a gradient under two octaves of noise, with shapes that are plain, striped or
 * chequered. Smooth areas, edges and textures in one picture, so that a decoder has something to learn at every scale.
 */
import type { Window } from "./resample.ts"

/** A drawing reads at most 445 words for the ground and 14 for each of nine shapes. */
export const wordsPerDrawing = 576

type Colour = readonly [red: number, green: number, blue: number]

/** Reads the words one after the other as numbers in [0, 1). */
const reader = (words: Uint32Array) => {
  let at = 0
  const next = (): number => words[at++]! / 2 ** 32
  return { next, between: (low: number, high: number): number => low + next() * (high - low), colour: (): Colour => [next() * 255, next() * 255, next() * 255] }
}
type Reader = ReturnType<typeof reader>

/** Square lattices of random heights, interpolated smoothly. */
const coarse = 5
const fine = 19

const lattice = (read: Reader, cells: number): Float64Array => Float64Array.from({ length: (cells + 1) ** 2 }, () => read.next() - 0.5)

const heightAt = (heights: Float64Array, cells: number, u: number, v: number): number => {
  const x = u * cells
  const y = v * cells
  const column = Math.floor(x)
  const row = Math.floor(y)
  const fx = (x - column) ** 2 * (3 - 2 * (x - column))
  const fy = (y - row) ** 2 * (3 - 2 * (y - row))
  const i = row * (cells + 1) + column
  const upper = heights[i]! + (heights[i + 1]! - heights[i]!) * fx
  const lower = heights[i + cells + 1]! + (heights[i + cells + 2]! - heights[i + cells + 1]!) * fx
  return upper + (lower - upper) * fy
}

interface Shape {
  readonly kind: "disc" | "ring" | "box" | "diamond"
  readonly x: number
  readonly y: number
  readonly radius: number
  readonly cos: number
  readonly sin: number
  readonly aspect: number
  readonly fill: "plain" | "striped" | "chequered"
  readonly frequency: number
  readonly colours: readonly [Colour, Colour]
}

const kinds = ["disc", "ring", "box", "diamond"] as const
const fills = ["plain", "plain", "striped", "chequered"] as const

const shape = (read: Reader): Shape => {
  const angle = read.next() * 2 * Math.PI
  return {
    kind: kinds[Math.floor(read.next() * kinds.length)]!, fill: fills[Math.floor(read.next() * fills.length)]!,
    x: read.next(), y: read.next(), radius: read.between(0.06, 0.28), cos: Math.cos(angle), sin: Math.sin(angle),
    aspect: read.between(0.4, 1), frequency: read.between(12, 40), colours: [read.colour(), read.colour()]
  }
}

/** Signed distance to the edge in picture widths, negative inside; (a, b) are in the shape's own axes. */
const distance = ({ kind, radius, aspect }: Shape, a: number, b: number): number => {
  const across = Math.abs(a)
  const along = Math.abs(b) / aspect
  if (kind === "box") return Math.max(across, along) - radius
  if (kind === "diamond") return (across + along - radius) * Math.SQRT1_2
  const fromCentre = Math.sqrt(across * across + along * along)
  return kind === "disc" ? fromCentre - radius : Math.abs(fromCentre - radius * 0.75) - radius * 0.25
}

const second = ({ fill, frequency }: Shape, a: number, b: number): boolean => {
  if (fill === "plain") return false
  const column = Math.floor(a * frequency)
  return ((fill === "striped" ? column : column + Math.floor(b * frequency)) & 1) === 1
}

const paintShape = (pixels: Float64Array, drawn: Shape, canvas: number, window: Window): void => {
  const reach = drawn.radius * Math.SQRT2 + 1 / canvas
  const first = (centre: number, offset: number) => Math.max(0, Math.floor((centre - reach) * canvas) - offset)
  const last = (centre: number, offset: number, length: number) => Math.min(length - 1, Math.ceil((centre + reach) * canvas) - offset)
  const right = last(drawn.x, window.left, window.width)
  const bottom = last(drawn.y, window.top, window.height)
  for (let y = first(drawn.y, window.top); y <= bottom; y++) {
    for (let x = first(drawn.x, window.left); x <= right; x++) {
      const dx = (x + window.left + 0.5) / canvas - drawn.x
      const dy = (y + window.top + 0.5) / canvas - drawn.y
      const a = dx * drawn.cos + dy * drawn.sin
      const b = dy * drawn.cos - dx * drawn.sin
      const cover = Math.min(0.5 - distance(drawn, a, b) * canvas, 1)
      if (cover <= 0) continue
      const colour = drawn.colours[second(drawn, a, b) ? 1 : 0]
      const o = (y * window.width + x) * 3
      for (let c = 0; c < 3; c++) pixels[o + c]! += (colour[c]! - pixels[o + c]!) * cover
    }
  }
}

const paintGround = (pixels: Float64Array, read: Reader, canvas: number, window: Window): void => {
  const angle = read.next() * 2 * Math.PI
  const cos = Math.cos(angle)
  const sin = Math.sin(angle)
  const from = read.colour()
  const to = read.colour()
  const rough = read.between(10, 50)
  const large = lattice(read, coarse)
  const small = lattice(read, fine)
  for (let y = 0, o = 0; y < window.height; y++) {
    for (let x = 0; x < window.width; x++, o += 3) {
      const u = (x + window.left + 0.5) / canvas
      const v = (y + window.top + 0.5) / canvas
      const along = ((u - 0.5) * cos + (v - 0.5) * sin) * Math.SQRT1_2 + 0.5
      const light = 90 * heightAt(large, coarse, u, v) + rough * heightAt(small, fine, u, v)
      for (let c = 0; c < 3; c++) pixels[o + c] = from[c]! + (to[c]! - from[c]!) * along + light
    }
  }
}

/** The `window` of a picture drawn on a square canvas of `canvas` pixels a side: RGB, interleaved. */
export const drawWindow = (words: Uint32Array, canvas: number, window: Window): Uint8Array => {
  const read = reader(words)
  const pixels = new Float64Array(window.width * window.height * 3)
  paintGround(pixels, read, canvas, window)
  const shapes = 4 + Math.floor(read.next() * 6)
  for (let i = 0; i < shapes; i++) paintShape(pixels, shape(read), canvas, window)
  return new Uint8Array(Uint8ClampedArray.from(pixels).buffer)
}
