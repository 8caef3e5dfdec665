/**
 * `run.json`: what a run is, beside its data. A study's directory holds one, and each variant's directory one of its own.
 *
 * It decides how `rae run CONFIG` goes on: which profile, data and flags, which environment, whether it is done.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

export const Result = Schema.Struct({ means: Schema.Record(Schema.String, Schema.Number), step: Schema.Int })

export const RunJson = Schema.Struct({
  schema: Schema.Literal(1),
  name: Schema.String,
  kind: Schema.Literals(["run", "study"]),
  config_file: Schema.String,
  config_hash: Schema.String,
  profile: Schema.NullOr(Schema.String),
  sets: Schema.Array(Schema.String),
  /** Folder of images, or null for pictures drawn by the program. */
  data: Schema.NullOr(Schema.String),
  device: Schema.String,
  precision: Schema.String,
  random_weights: Schema.Boolean,
  created_at: Schema.String,
  /** The engine's environment: it decides speed and bits, so a resume under another one warns. */
  environment: Schema.Record(Schema.String, Schema.String),
  libtorch: Schema.String,
  variants: Schema.Array(Schema.String),
  state: Schema.Literals(["running", "stopped", "done", "failed"]),
  step: Schema.Int,
  steps: Schema.Int,
  restarts: Schema.Int,
  result: Schema.NullOr(Result),
  /** Where its time went, in seconds (actors/goodput.ts); as of the last commit while it runs. */
  goodput: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite)),
  /** The resolved config, as it trains. */
  config: Schema.Unknown
})
export type RunJson = typeof RunJson.Type

export class RunJsonInvalid extends Schema.TaggedError<RunJsonInvalid>()("RunJsonInvalid", { path: Schema.String, reason: Schema.String }) {
  readonly exitCode = 2
  readonly help = "move the run's directory aside, or start anew with --fresh"
  override get message() { return `${this.path} is not a readable run.json: ${this.reason}` }
}

const codec = Schema.toCodecJson(RunJson)
export const pathIn = (dir: string) => join(dir, "run.json")

/** Reads a run's description; null where the directory has none. */
export const read = Effect.fnUntraced(function*(dir: string) {
  const path = pathIn(dir)
  if (!existsSync(path)) return null
  return yield* Effect.try({ try: () => JSON.parse(readFileSync(path, "utf8")) as unknown, catch: (cause) => new RunJsonInvalid({ path, reason: String(cause) }) }).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(codec)),
    Effect.mapError((error) => error._tag === "RunJsonInvalid" ? error : new RunJsonInvalid({ path, reason: error.message }))
  )
})

export class RunJsonUnwritable extends Schema.TaggedError<RunJsonUnwritable>()("RunJsonUnwritable", { path: Schema.String, reason: Schema.String }) {
  override get message() { return `cannot write ${this.path}: ${this.reason}` }
}

/** Replaces the description in one step (write beside, fsync, rename), so that a reader or a crash never sees half of one. */
export const write = (dir: string, run: RunJson) => {
  const path = pathIn(dir)
  return Effect.try({
    try: () => {
      const beside = `${path}.new`
      try {
        const fd = openSync(beside, "w", 0o644)
        try {
          writeFileSync(fd, `${JSON.stringify(Schema.encodeUnknownSync(codec)(run), null, 2)}\n`)
          fsyncSync(fd)
        } finally {
          closeSync(fd)
        }
        renameSync(beside, path)
      } catch (error) {
        rmSync(beside, { force: true })
        throw error
      }
    },
    catch: (cause) => new RunJsonUnwritable({ path, reason: cause instanceof Error ? cause.message : String(cause) })
  })
}
