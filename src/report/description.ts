/** What a directory's `run.json` says of a run, with null for whatever it lacks: to show a run, not every field must be there. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { toNumber } from "./fields.ts"

export interface Description {
  readonly name: string
  readonly kind: "run" | "study"
  readonly state: string | null
  readonly config_file: string | null
  readonly config_hash: string | null
  readonly profile: string | null
  readonly sets: ReadonlyArray<string>
  readonly data: string | null
  readonly device: string | null
  readonly precision: string | null
  readonly random_weights: boolean
  readonly created_at: string | null
  readonly environment: Readonly<Record<string, string>>
  readonly libtorch: string | null
  /** Names of a study's runs, `study/variant`. */
  readonly variants: ReadonlyArray<string>
  readonly step: number | null
  readonly steps: number | null
  readonly restarts: number | null
  /** Means of the losses over the last epoch. */
  readonly means: Readonly<Record<string, number>>
  readonly config: unknown
}

const record = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === "object" && value !== null ? value as Readonly<Record<string, unknown>> : {})
const text = (value: unknown): string | null => (typeof value === "string" ? value : null)
const texts = (value: unknown): ReadonlyArray<string> => (Array.isArray(value) ? value.filter((each) => typeof each === "string") : [])
const entries = <A>(value: unknown, read: (each: unknown) => A | null): Readonly<Record<string, A>> =>
  Object.fromEntries(Object.entries(record(value)).flatMap(([key, each]) => {
    const found = read(each)
    return found === null ? [] : [[key, found]]
  }))

/** `name` stands where the file has none, or is not there. */
export const readDescription = (dir: string, name: string): Description => {
  const read = readJson(join(dir, "run.json"))
  return {
    name: text(read["name"]) ?? name, kind: read["kind"] === "study" ? "study" : "run", state: text(read["state"]), config_file: text(read["config_file"]), config_hash: text(read["config_hash"]),
    profile: text(read["profile"]), sets: texts(read["sets"]), data: text(read["data"]), device: text(read["device"]), precision: text(read["precision"]), random_weights: read["random_weights"] === true,
    created_at: text(read["created_at"]), environment: entries(read["environment"], text), libtorch: text(read["libtorch"]), variants: texts(read["variants"]),
    step: toNumber(read["step"]), steps: toNumber(read["steps"]), restarts: toNumber(read["restarts"]), means: entries(record(read["result"])["means"], toNumber), config: read["config"] ?? null
  }
}

const readJson = (path: string): Readonly<Record<string, unknown>> => {
  try {
    return record(JSON.parse(readFileSync(path, "utf8")))
  } catch {
    return {}
  }
}

/** Keys of a config with their values, innermost ones: `training.optimizer.lr`. */
export const flatConfig = (config: unknown, prefix = ""): ReadonlyMap<string, string> => {
  if (typeof config !== "object" || config === null || Array.isArray(config)) return prefix === "" ? new Map() : new Map([[prefix, JSON.stringify(config)]])
  return new Map(Object.entries(config).flatMap(([key, value]) => Array.from(flatConfig(value, prefix === "" ? key : `${prefix}.${key}`))))
}

/** The keys in which the configs are not all equal, each with its value in every config; null where it has no such key. */
export const configDifferences = (configs: ReadonlyArray<unknown>): ReadonlyArray<{ readonly key: string; readonly values: ReadonlyArray<string | null> }> => {
  const flat = configs.map((config) => flatConfig(config))
  return [...new Set(flat.flatMap((each) => [...each.keys()]))].map((key) => ({ key, values: flat.map((each) => each.get(key) ?? null) })).filter(({ values }) => new Set(values).size > 1)
}
