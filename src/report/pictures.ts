/** The evaluator's pictures, made small enough that all of them together fit a report, as data URLs. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { decodePng, encodePng, shrink } from "../formats/png.ts"
import type { RunRecord } from "./record.ts"

export interface ShownPicture {
  readonly step: number
  readonly width: number
  readonly height: number
  readonly url: string
}

/** Bytes of all pictures of a report; its base64 is a third longer. */
const budget = 1_600_000
const mostPerRun = 4
/** Below this a picture shows nothing: rather none than such a one. */
const leastWidth = 120

/** First, last and some between, evenly. */
export const chosen = <A>(all: ReadonlyArray<A>, most: number): ReadonlyArray<A> =>
  all.length <= most ? all : Array.from({ length: most }, (_, i) => all[Math.round((i * (all.length - 1)) / (most - 1))]!)

/** Null where it cannot be read, or not be made small enough. */
const shownPicture = (path: string, step: number, room: number): ShownPicture | null => {
  try {
    const file = readFileSync(path)
    const whole = decodePng(file)
    for (let factor = 1; factor === 1 || whole.width / factor >= leastWidth; factor++) {
      const small = factor === 1 ? whole : shrink(whole, factor)
      const bytes = factor === 1 ? file : encodePng(small)
      if (bytes.length <= room) return { step, width: small.width, height: small.height, url: `data:image/png;base64,${bytes.toString("base64")}` }
      // The next try is near what fits: bytes go with the area.
      factor = Math.max(factor, Math.floor(factor * Math.sqrt(bytes.length / room)))
    }
  } catch {
    // a picture that is damaged or goes away is not shown
  }
  return null
}

/** Of each run, in its order. */
export const shownPictures = (runs: ReadonlyArray<Pick<RunRecord, "dir" | "pictures">>): ReadonlyArray<ReadonlyArray<ShownPicture>> => {
  const most = runs.length > 4 ? 1 : runs.length > 1 ? 3 : mostPerRun
  const selected = runs.map(({ pictures }) => (most === 1 ? pictures.slice(-1) : chosen(pictures, most)))
  const room = budget / Math.max(1, selected.flat().length)
  return selected.map((pictures, i) => pictures.map(({ file, step }) => shownPicture(join(runs[i]!.dir, "eval", file), step, room)).filter((shown) => shown !== null))
}
