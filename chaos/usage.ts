/** Memory, open files and tensor handles of a run's processes over time, and whether they stay what they were. */
import type { Status } from "../actors/status.ts"
import { askControl } from "../src/runtime/control-client.ts"
import { engineOf, usageOf } from "./rae-process.ts"

export const measures = ["supervisor memory", "supervisor files", "engine memory", "engine files", "tensor handles"] as const
export type Measure = (typeof measures)[number]

export interface Sample {
  readonly of: Measure
  /** Bytes, or a number of files or handles. */
  readonly value: number
}

/** What there is to measure now: nothing of a process that is not up, handles only where a step has just ended. */
export const sampleOf = async (supervisor: number, runDir: string): Promise<ReadonlyArray<Sample>> => {
  const engine = engineOf(supervisor)
  const [own, engines] = [usageOf(supervisor), engine === null ? null : usageOf(engine)]
  const status = await askControl({ dir: runDir, path: "/status" }).then((answer) => answer as Status, () => null)
  const handles = status?.engine.handles
  return [
    ...(own === null ? [] : [{ of: "supervisor memory", value: own.rss }, { of: "supervisor files", value: own.files }] as const),
    ...(engines === null ? [] : [{ of: "engine memory", value: engines.rss }, { of: "engine files", value: engines.files }] as const),
    ...(handles === null || handles === undefined ? [] : [{ of: "tensor handles", value: handles }] as const)
  ]
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

export interface Trend {
  /** Medians of the first and of the last quarter of the samples. */
  readonly first: number
  readonly last: number
  readonly samples: number
}

export const trendsOf = (samples: ReadonlyArray<Sample>): Readonly<Partial<Record<Measure, Trend>>> =>
  Object.fromEntries([...Map.groupBy(samples, ({ of }) => of)].map(([of, all]) => {
    const values = all.map(({ value }) => value)
    const quarter = Math.max(1, values.length >> 2)
    return [of, { first: median(values.slice(0, quarter)), last: median(values.slice(-quarter)), samples: values.length }]
  }))

/** Growth that no fault explains: processes come and go, their medians should not. */
const mostGrowth = 1.25
const fewest = 20

export const growthOf = (samples: ReadonlyArray<Sample>): ReadonlyArray<string> =>
  Object.entries(trendsOf(samples)).filter(([, { first, last, samples }]) => samples >= fewest && last > mostGrowth * first)
    .map(([of, { first, last }]) => `${of} grew from ${first} to ${last}`)
