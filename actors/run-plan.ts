/**
 * What `rae run CONFIG` will do, decided before anything is created: which study, where, anew or going on, with which data and device.
 *
 * A resume takes profile, data and flags from run.json where the command gives none. A changed config under an existing name is an error
 * that shows the difference.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync } from "node:fs"
import { basename, extname, join, resolve } from "node:path"
import { DataFolderInvalid, listImageFolder } from "../src/data/image-folder.ts"
import { diffConfigs } from "../src/config/hash.ts"
import { loadStudy, type Study, type Variant } from "../src/config/load.ts"
import { requiredFiles, requireInputs } from "../src/config/required-files.ts"
import type { RunConfig } from "../src/config/schema.ts"
import * as RunJson from "./run-json.ts"

export interface SuperviseOptions {
  readonly configFile: string
  readonly profile?: "tiny" | "paper" | undefined
  readonly sets: ReadonlyArray<string>
  readonly data?: string | undefined
  readonly runsDir: string
  readonly name?: string | undefined
  readonly fresh: boolean
  readonly stopAfter?: number | undefined
  readonly device?: string | undefined
  readonly randomWeights: boolean
}

export interface PlannedVariant extends Variant {
  /** The run's name: `study/variant`, or the run's own where there is one variant. */
  readonly run: string
  readonly dir: string
  readonly previous: RunJson.RunJson | null
}

export interface RunPlan {
  readonly name: string
  readonly kind: "run" | "study"
  readonly dir: string
  readonly profile: string | null
  readonly sets: ReadonlyArray<string>
  /** Folder of images, or null for pictures drawn by the program. */
  readonly data: string | null
  readonly device: string
  /** Frozen networks drawn instead of read, by flag or by profile: a trial, and every record of the run says so. */
  readonly randomWeights: boolean
  readonly variants: ReadonlyArray<PlannedVariant>
  readonly previous: RunJson.RunJson | null
  readonly configFile: string
}

export class ConfigChanged extends Schema.TaggedError<ConfigChanged>()("ConfigChanged", { dir: Schema.String, changes: Schema.Array(Schema.String) }) {
  readonly exitCode = 2
  readonly help = "go on with the config it was started with, give this one another --name, or start anew with --fresh (the old run is moved aside)"
  override get message() { return [`the config differs from the one that ${this.dir} was started with`, ...this.changes.map((change) => `  ${change}`)].join("\n") }
}

export class InvalidDevice extends Schema.TaggedError<InvalidDevice>()("InvalidDevice", { device: Schema.String }) {
  readonly exitCode = 2
  readonly help = "devices are `cpu`, `cuda` and `cuda:N`"
  override get message() { return `unknown device \`${this.device}\`` }
}

/** Wrong images: the data layer's own error, as the command line shows it. */
export class InvalidImages extends Schema.TaggedError<InvalidImages>()("InvalidImages", { reason: Schema.String, help: Schema.String }) {
  readonly exitCode = 2
  override get message() { return this.reason }
}

const hasFiles = (study: Study) => study.variants.flatMap(({ config }) => requiredFiles(config)).every(({ path }) => existsSync(path))

export const plan = Effect.fnUntraced(function*(options: SuperviseOptions) {
  const configFile = resolve(options.configFile)
  const name = options.name ?? basename(configFile, extname(configFile))
  const dir = join(resolve(options.runsDir), name)
  const previous = options.fresh ? null : yield* RunJson.read(dir)
  const device = options.device ?? previous?.device ?? "cpu"
  if (!/^(cpu|cuda(:\d+)?)$/.test(device)) return yield* new InvalidDevice({ device })
  const data = options.data === undefined ? previous?.data ?? null : resolve(options.data)
  const sets = options.sets.length > 0 ? options.sets : previous?.sets ?? []
  const randomAsked = options.randomWeights || (previous?.random_weights ?? false)
  const load = (profile: string | undefined) => loadStudy(configFile, { profile, sets, data: data ?? undefined, randomWeights: randomAsked })

  /** `paper` where its pretrained files and a GPU are there, else `tiny`; a config without profiles is taken as it is. */
  const chooseProfile = Effect.gen(function*() {
    const plain = yield* load(undefined)
    if (!plain.profiles.includes("paper") || !plain.profiles.includes("tiny")) return undefined
    if (!existsSync("/dev/nvidiactl")) return "tiny"
    return hasFiles(yield* load("paper")) ? "paper" : "tiny"
  })
  const profile = options.profile ?? previous?.profile ?? (yield* chooseProfile)
  const study = yield* load(profile)

  yield* requireInputs(study)
  const folder = study.variants[0].config.data.path
  if (folder !== null) {
    yield* Effect.tryPromise({
      try: () => listImageFolder(folder),
      catch: (cause) => cause instanceof DataFolderInvalid
        ? new InvalidImages({ reason: cause.message, help: cause.help })
        : new InvalidImages({ reason: `data folder ${folder}: ${String(cause)}`, help: "check the path and its permissions" })
    })
  }

  const kind = study.variants.length === 1 && study.variants[0].name === null ? "run" as const : "study" as const
  if (previous !== null && previous.kind !== kind) return yield* new ConfigChanged({ dir, changes: [`kind: was "${previous.kind}", is "${kind}"`] })
  const variants: Array<PlannedVariant> = []
  for (const variant of study.variants) {
    const variantDir = variant.name === null ? dir : join(dir, variant.name)
    const before = options.fresh ? null : yield* RunJson.read(variantDir)
    if (before !== null && before.config_hash !== variant.hash) {
      return yield* new ConfigChanged({
        dir: variantDir,
        changes: diffConfigs(before.config as RunConfig, variant.config).map(({ key, was, is }) => `${key}: was ${JSON.stringify(was)}, is ${JSON.stringify(is)}`)
      })
    }
    variants.push({ ...variant, run: variant.name === null ? name : `${name}/${variant.name}`, dir: variantDir, previous: before })
  }
  const randomWeights = study.variants.some(({ config }) => config.weights.source === "random")
  const plan: RunPlan = { name, kind, dir, profile: profile ?? null, sets, data: folder, device, randomWeights, variants, previous, configFile }
  return plan
})
