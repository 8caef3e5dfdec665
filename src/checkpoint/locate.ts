/** What a user means by RUN: the name or the path of a run, of a study, or of a checkpoint itself. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readdir, stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { entriesIn, fallbackPlace, manifestFile, readSmall } from "./layout.ts"
import { attempt, type StorageError } from "./storage-errors.ts"

export class CheckpointNotFound extends Schema.TaggedError<CheckpointNotFound>()("CheckpointNotFound", {
  target: Schema.String,
  problem: Schema.String,
  looked: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.target}: ${this.problem}, looked in ${this.looked.join(" and ")}`
  }
}

/** One run, or one checkpoint that was named by its own path. */
export interface Located {
  /** The variant's name within a study; null where no study was named. */
  readonly variant: string | null
  readonly directory: string
  /** Paths of its checkpoints, in its own directory and in `checkpoint.fallback_dir`, oldest first. */
  readonly checkpoints: ReadonlyArray<string>
}

const isThere = (path: string) => stat(path).then(() => true, () => false)

/** The run's second directory, as its run.json has it; null where none is configured, or nobody can say. */
export const fallbackOf = async (directory: string): Promise<string | null> => {
  try {
    const run: unknown = JSON.parse(Buffer.from(await readSmall(join(directory, "run.json"), maxRunBytes)).toString())
    const configured = decodeFallback(run).config.checkpoint.fallback_dir
    return configured === null ? null : fallbackPlace(configured, resolve(directory))
  } catch {
    return null
  }
}
const maxRunBytes = 2 ** 20
const decodeFallback = Schema.decodeUnknownSync(Schema.Struct({
  config: Schema.Struct({ checkpoint: Schema.Struct({ fallback_dir: Schema.NullOr(Schema.String) }) })
}))

const runAt = async (directory: string, variant: string | null): Promise<Located> => {
  const fallback = await fallbackOf(directory)
  const places = [...(fallback === null ? [] : [fallback]), join(directory, "checkpoints")]
  const entries = (await Promise.all(places.map(entriesIn))).flat().sort((a, b) => a.step - b.step)
  return { variant, directory, checkpoints: entries.map(({ path }) => path) }
}

const variantsIn = async (directory: string): Promise<ReadonlyArray<string>> => {
  const entries = await readdir(directory, { withFileTypes: true })
  const marked = await Promise.all(entries.map(async (entry) => entry.isDirectory() && await isThere(join(directory, entry.name, "run.json"))))
  return entries.filter((_, index) => marked[index]).map(({ name }) => name).sort()
}

const inspect = async (directory: string): Promise<ReadonlyArray<Located>> => {
  if (await isThere(join(directory, manifestFile))) {
    const parent = dirname(directory)
    return [{ variant: null, directory: basename(parent) === "checkpoints" ? dirname(parent) : parent, checkpoints: [directory] }]
  }
  const variants = await variantsIn(directory)
  if (variants.length > 0) return Promise.all(variants.map((name) => runAt(join(directory, name), name)))
  const isRun = await isThere(join(directory, "run.json")) || await isThere(join(directory, "checkpoints"))
  return isRun ? [await runAt(directory, null)] : []
}

/** The runs that a target means: one, or every variant of a study by name. A name under the runs directory comes before a path. */
export const locate = Effect.fnUntraced(function*(target: string, runsDirectory: string): Effect.fn.Return<ReadonlyArray<Located>, CheckpointNotFound | StorageError> {
  const looked = [...new Set([resolve(runsDirectory, target), resolve(target)])]
  for (const directory of looked) {
    const found = yield* attempt("look", directory, async () => await isThere(directory) ? inspect(directory) : [])
    if (found.length > 0) return found
  }
  return yield* new CheckpointNotFound({ target, problem: "no run, study or checkpoint", looked })
})
