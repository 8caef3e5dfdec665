/** A configuration file with all that it extends, as one tree of values, one of profiles and one of variants. */
import { readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { didYouMean } from "./nearest.ts"
import { shownPath } from "./places.ts"
import { problemAt, problemOf, type Problem, type Span } from "./problem.ts"
import { emptyMap, expandDotted, merge, mergeMaps, without, type Branch, type Entry, type Node } from "./tree.ts"
import { readYamlMap, type Read } from "./yaml-source.ts"

export interface Layers {
  readonly values: Branch
  /** Overrides by profile. */
  readonly profiles: ReadonlyMap<string, Branch>
  /** Overrides by variant, in order; null: not a study. A file's own variants replace those that it extends. */
  readonly variants: ReadonlyMap<string, Branch> | null
}

/** Keys of a file that are not the run's. */
export const fileKeys: ReadonlyArray<string> = ["extends", "profiles", "study"]

const failure = (...problems: ReadonlyArray<Problem>) => ({ ok: false, problems } as const)

export const readLayers = (file: string): Read<Layers> => readFile(resolve(file), null, [])

const readFile = (file: string, named: Span | null, above: ReadonlyArray<string>): Read<Layers> => {
  if (named !== null && above.includes(file)) {
    const circle = [...above.slice(above.indexOf(file)), file].map(shownPath)
    return failure(problemAt(named, `\`extends\` goes round in a circle: ${circle.join(" → ")}`))
  }
  let text: string
  try {
    text = readFileSync(file, "utf8")
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const message = code === "ENOENT" ? `no file ${shownPath(file)}` : code === "EISDIR" ? `${shownPath(file)} is a directory, expected a YAML file` : `cannot read ${shownPath(file)}: ${code}`
    return failure(named === null ? problemOf(shownPath(file), message) : problemAt(named, message, "`extends` is relative to the file that it stands in"))
  }
  const read = readYamlMap({ name: shownPath(file), text })
  if (!read.ok) return read
  const own = ownLayers(read.value)
  const base = read.value.entries.get("extends")
  if (base === undefined || !own.ok) return own
  const { node } = base
  if (node.kind !== "value" || typeof node.value !== "string") return failure(problemAt(node.at, "`extends` must be the path of a YAML file"))
  const below = readFile(resolve(dirname(file), node.value), node.at, [...above, file])
  return below.ok ? { ok: true, value: over(below.value, own.value) } : below
}

const ownLayers = (top: Branch): Read<Layers> => {
  const profiles = overrides(top.entries.get("profiles"), "profiles")
  const study = top.entries.get("study")
  if (study !== undefined && study.node.kind !== "map") return failure(problemAt(study.node.at, "`study` must be a map with `variants`"))
  const unknown = study?.node.kind === "map" ? [...study.node.entries].find(([name]) => name !== "variants") : undefined
  if (unknown !== undefined) return failure(problemAt(unknown[1].keyAt, `unknown key \`study.${unknown[0]}\``, didYouMean(unknown[0], ["variants"])))
  const written = study?.node.kind === "map" ? study.node.entries.get("variants") : undefined
  if (study !== undefined && (written === undefined || written.node.kind !== "map" || written.node.entries.size === 0)) {
    return failure(problemAt(written?.node.at ?? study.keyAt, "`study.variants` must be a map of variants, each a map of overrides"))
  }
  const variants = overrides(written, "study.variants")
  if (!profiles.ok) return profiles
  if (!variants.ok) return variants
  const badName = written?.node.kind === "map" ? [...written.node.entries].find(([name]) => !/^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/.test(name)) : undefined
  if (badName !== undefined) {
    return failure(problemAt(badName[1].keyAt, `\`${badName[0]}\` cannot name a variant`, "it becomes a directory: letters, digits, `.`, `_`, `+` and `-`, at most 100"))
  }
  return { ok: true, value: { values: expandDotted(without(top, fileKeys)), profiles: profiles.value, variants: written === undefined ? null : variants.value } }
}

/** A map of maps of overrides; `name:` with nothing after it overrides nothing. */
const overrides = (entry: Entry | undefined, name: string): Read<ReadonlyMap<string, Branch>> => {
  if (entry === undefined || isNothing(entry.node)) return { ok: true, value: new Map() }
  if (entry.node.kind !== "map") return failure(problemAt(entry.node.at, `\`${name}\` must be a map of maps`))
  const all = new Map<string, Branch>()
  for (const [inner, { node }] of entry.node.entries) {
    if (node.kind === "map") all.set(inner, expandDotted(node))
    else if (isNothing(node)) all.set(inner, emptyMap(node.at))
    else return failure(problemAt(node.at, `\`${name}.${inner}\` must be a map of overrides`))
  }
  return { ok: true, value: all }
}
const isNothing = (node: Node) => node.kind === "value" && node.value === null

const over = (below: Layers, above: Layers): Layers => {
  const profiles = new Map(below.profiles)
  for (const [name, branch] of above.profiles) {
    const under = profiles.get(name)
    profiles.set(name, under === undefined ? branch : mergeMaps(under, branch))
  }
  return { values: merge(below.values, above.values) as Branch, profiles, variants: above.variants ?? below.variants }
}
