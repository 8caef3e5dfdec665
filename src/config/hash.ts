/** Identity of a configuration: the same resolved values give the same hash, however they were written. */
import { createHash } from "node:crypto"
import type { RunConfig } from "./schema.ts"

/** JSON with the keys of every map in order. */
const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1)
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(",")}}`
}

/** sha256, hexadecimal. */
export const configHash = (config: RunConfig): string => createHash("sha256").update(canonical(config)).digest("hex")

export interface Change {
  readonly key: string
  /** Undefined where the key is in only one of the two. */
  readonly was: unknown
  readonly is: unknown
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value)

/** Keys whose values differ, innermost ones, in the order of `is`. */
export const diffConfigs = (was: RunConfig, is: RunConfig): ReadonlyArray<Change> => diff(was, is, "")

const diff = (was: unknown, is: unknown, key: string): ReadonlyArray<Change> => {
  if (!isMap(was) || !isMap(is)) return canonicalOrNone(was) === canonicalOrNone(is) ? [] : [{ key, was, is }]
  const names = [...new Set([...Object.keys(is), ...Object.keys(was)])]
  return names.flatMap((name) => diff(was[name], is[name], key === "" ? name : `${key}.${name}`))
}
const canonicalOrNone = (value: unknown) => value === undefined ? undefined : canonical(value)
