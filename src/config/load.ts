/**
 * From a YAML file to the configurations of a study's variants.
 *
 * Later layers win: what the file extends < the file < the profile < the variant < `--set`. Every value remembers where it was written,
 * so that an error points there.
 */
import * as Effect from "effect/Effect"
import { basename, extname, resolve } from "node:path"
import { architectureOf } from "./architecture.ts"
import { brokenRules } from "./checks.ts"
import { complete } from "./complete.ts"
import { decode } from "./decode.ts"
import { configHash } from "./hash.ts"
import { readLayers, type Layers } from "./layers.ts"
import { didYouMean } from "./nearest.ts"
import { shownPath } from "./places.ts"
import { ConfigInvalid, problemAt, problemOf, type Problem } from "./problem.ts"
import { ConfigFile, type RunConfig } from "./schema.ts"
import { readSetting } from "./settings.ts"
import { emptyMap, mergeMaps, spanOf, type Branch } from "./tree.ts"
import type { Read } from "./yaml-source.ts"

export interface LoadOptions {
  readonly profile?: string | undefined
  /** The one variant wanted; otherwise all. */
  readonly variant?: string | undefined
  /** `key=value`, as after `--set`. */
  readonly sets?: ReadonlyArray<string> | undefined
  /** As after `--data`: the folder of training images. */
  readonly data?: string | undefined
  /** As after `--random-weights`. */
  readonly randomWeights?: boolean | undefined
}

export interface Variant {
  /** Null for the one run of a configuration that is not a study. */
  readonly name: string | null
  readonly config: RunConfig
  readonly hash: string
  /** The values as written, with their places. */
  readonly tree: Branch
}

export interface Study {
  readonly name: string
  readonly file: string
  readonly profile: string | null
  /** Profiles that there are. */
  readonly profiles: ReadonlyArray<string>
  readonly variants: readonly [Variant, ...ReadonlyArray<Variant>]
}

export const loadStudy = Effect.fnUntraced(function*(file: string, options: LoadOptions = {}): Effect.fn.Return<Study, ConfigInvalid> {
  const layers = yield* orInvalid(readLayers(file))
  const settings = yield* orInvalid(readAll(flagsOf(options)))
  const { profile = null, variant = null } = options
  const profiles = [...layers.profiles.keys()]
  const unknown = [
    ...unknownName("profile", profile, profiles, file),
    ...unknownName("variant", variant, [...layers.variants?.keys() ?? []], file)
  ]
  if (unknown.length > 0) return yield* new ConfigInvalid({ problems: unknown })
  const profileValues = profile === null ? undefined : layers.profiles.get(profile)
  const under = profileValues === undefined ? layers.values : mergeMaps(layers.values, profileValues)
  const variants = [...(layers.variants ?? new Map([[null, emptyMap(under.at)]]))]
    .filter(([name]) => variant === null || name === variant)
    .map(([name, overrides]) => [name, resolveTree(settings.reduce(mergeMaps, mergeMaps(under, overrides)))] as const)
  const problems = [...otherProfileProblems(layers, profile), ...variants.flatMap(([, read]) => read.ok ? [] : read.problems)]
  if (problems.length > 0) return yield* new ConfigInvalid({ problems: distinct(problems) })
  const resolved = variants.flatMap(([name, read]) => read.ok ? [{ name, ...read.value }] : [])
  return { name: basename(file, extname(file)), file, profile, profiles, variants: resolved as unknown as Study["variants"] }
})

const unknownName = (what: string, name: string | null, names: ReadonlyArray<string>, file: string): ReadonlyArray<Problem> =>
  name === null || names.includes(name) ? [] : [problemOf(shownPath(resolve(file)), `unknown ${what} \`${name}\``, didYouMean(name, names))]

const orInvalid = <A>(read: Read<A>): Effect.Effect<A, ConfigInvalid> =>
  read.ok ? Effect.succeed(read.value) : Effect.fail(new ConfigInvalid({ problems: read.problems }))

const flagsOf = ({ sets = [], data, randomWeights = false }: LoadOptions): ReadonlyArray<Read<Branch>> => [
  ...sets.map((set) => readSetting(set)),
  ...(data === undefined ? [] : [readSetting(`data.path=${JSON.stringify(data)}`, "--data")]),
  ...(randomWeights ? [readSetting("weights.source=random", "--random-weights")] : [])
]

const readAll = <A>(reads: ReadonlyArray<Read<A>>): Read<ReadonlyArray<A>> => {
  const problems = reads.flatMap((read) => read.ok ? [] : read.problems)
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value: reads.flatMap((read) => read.ok ? [read.value] : []) }
}

const resolveTree = (tree: Branch): Read<Omit<Variant, "name">> => {
  const decoded = decode(ConfigFile, tree)
  if (!decoded.ok) return decoded
  const architecture = architectureOf(decoded.value, tree)
  if (!architecture.ok) return architecture
  const config = complete(decoded.value, architecture.value)
  const broken = brokenRules(config)
  return broken.length > 0
    ? { ok: false, problems: broken.map(({ path, message, help }) => problemAt(spanOf(tree, path), message, help)) }
    : { ok: true, value: { config, hash: configHash(config), tree } }
}

/** A mistake in a profile shows whichever profile is taken. */
const otherProfileProblems = ({ profiles }: Layers, taken: string | null): ReadonlyArray<Problem> =>
  [...profiles].filter(([name]) => name !== taken).flatMap(([, overrides]) => {
    const decoded = decode(ConfigFile, overrides, { partial: true })
    return decoded.ok ? [] : decoded.problems
  })

/** Variants share most of their values, and so their mistakes. */
const distinct = (problems: ReadonlyArray<Problem>): ReadonlyArray<Problem> =>
  [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
