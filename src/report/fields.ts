/** Fields of an event as the log holds them. A log may be older or newer than this program, so a field that is not as expected is null. */
import type { LogRecord } from "../runtime/segments.ts"

const notFinite: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity, "-Infinity": -Infinity }

/** What is not finite is text in JSON. */
export const toNumber = (value: unknown): number | null =>
  typeof value === "number" ? value : typeof value === "string" ? notFinite[value] ?? null : null

export const number = (event: LogRecord, name: string): number | null => toNumber(event[name])
export const string = (event: LogRecord, name: string): string | null => {
  const value = event[name]
  return typeof value === "string" ? value : null
}
export const numbers = (event: LogRecord, name: string): Readonly<Record<string, number>> => {
  const value = event[name]
  if (typeof value !== "object" || value === null) return {}
  return Object.fromEntries(Object.entries(value).flatMap(([key, each]) => {
    const n = toNumber(each)
    return n === null ? [] : [[key, n]]
  }))
}
export const firstLine = (text: string | null): string => text?.split("\n")[0] ?? ""
