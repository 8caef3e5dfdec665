/** From values to places in a picture, and where its axes get their marks. */

export interface Scale {
  readonly low: number
  readonly high: number
  readonly place: (value: number) => number
}

/** A range without width gets one, so that a flat curve lies in the middle. */
export const scale = (low: number, high: number, from: number, to: number): Scale => {
  const pad = high > low ? 0 : Math.abs(low) * 0.05 || 0.5
  const [a, b] = [low - pad, high + pad]
  return { low: a, high: b, place: (value) => from + ((value - a) / (b - a)) * (to - from) }
}

/** Round values within the range, about as many as asked for: steps of 1, 2 or 5 times a power of ten. */
export const ticks = ({ high, low }: Pick<Scale, "low" | "high">, wanted: number): ReadonlyArray<number> => {
  const rough = (high - low) / wanted
  const magnitude = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((n) => n * magnitude).find((each) => each >= rough) ?? rough
  const first = Math.ceil(low / step)
  return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** The range that holds all but the outermost hundredth at either end: one spike must not flatten a curve. */
export const range = (values: ReadonlyArray<number>): readonly [low: number, high: number] | null => {
  const sorted = values.filter((value) => Number.isFinite(value)).toSorted((a, b) => a - b)
  if (sorted.length === 0) return null
  const cut = Math.floor(sorted.length / 100)
  const [low, high] = [sorted[cut]!, sorted[sorted.length - 1 - cut]!]
  // What smoothing rounds is no change: a flat curve stays flat.
  return high - low < Math.abs(high) * 1e-9 ? [high, high] : [low, high]
}

export const shortNumber = (n: number): string => {
  const magnitude = Math.abs(n)
  if (n === 0) return "0"
  if (magnitude < 1e-3 || magnitude >= 1e7) return Number(n.toPrecision(3)).toExponential().replace("e+", "e")
  if (magnitude >= 10_000) return `${Number((n / 1000).toPrecision(4))}k`
  return String(Number(n.toPrecision(4)))
}
