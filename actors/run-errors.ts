/** How a run ends without being done or stopped, as the command line shows it: message, help, exit code. */
import * as Schema from "effect/Schema"
import { NoProgress, rootCause, TooManyRestarts } from "../src/runtime/supervisor.ts"
import { TrainingFailed } from "./engine-protocol.ts"
import { exitCodes as stopExitCodes } from "./stop-signals.ts"

export class DiskTooSmall extends Schema.TaggedError<DiskTooSmall>()("DiskTooSmall", { path: Schema.String, needed: Schema.Finite, free: Schema.Finite }) {
  readonly exitCode = 2
  readonly help = "free some space, or choose another place with --runs-dir"
  override get message() { return `no room for one checkpoint in ${this.path}: needs ${(this.needed / 1e6).toFixed(1)} MB, free ${(this.free / 1e6).toFixed(1)} MB` }
}

/** A signal before the first engine was loaded: there is nothing to save, and nothing was made. */
export class Interrupted extends Schema.TaggedError<Interrupted>()("Interrupted", { run: Schema.String, signal: Schema.Literals(["SIGINT", "SIGTERM"]) }) {
  readonly exitCode = stopExitCodes[this.signal]
  override get message() { return `${this.run} interrupted by ${this.signal} before training began; nothing was changed` }
}

/** A stop was asked for, and the last state could not be saved within the time that it has. */
export class StopTookTooLong extends Schema.TaggedError<StopTookTooLong>()("StopTookTooLong", {
  seconds: Schema.Finite, step: Schema.Int, committed: Schema.NullOr(Schema.Int)
}) {
  readonly help = "the same command goes on from the newest checkpoint; supervision.stop_seconds says how long a stop may take"
  override get message() {
    const saved = this.committed === null ? "no checkpoint was saved yet" : `the newest checkpoint is of step ${this.committed}`
    return `stopped at step ${this.step}, unsaved: finishing the step and saving took longer than ${this.seconds} s; ${saved}`
  }
}

/** A run that its supervisor could not carry on, with the study's table as it stands. */
export class RunFailed extends Schema.TaggedError<RunFailed>()("RunFailed", { run: Schema.String, reason: Schema.String, exitCode: Schema.Int, help: Schema.String, table: Schema.Unknown }) {
  override get message() { return `${this.run} failed: ${this.reason}` }
}

const tagOf = (error: unknown): string => typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : ""

/** What of a run's input can be found wrong after its start, when the engine of a later variant loads. */
const wrongInput = new Set(["InvalidWeights", "InvalidData", "NoDevice"])

/** 5 where restarts did not help, 6 where training diverged, 2 where the input was wrong, else 1. */
export const exitCodeOf = (error: unknown): number => {
  if (error instanceof TooManyRestarts || error instanceof NoProgress) return 5
  const cause = rootCause(error)
  if (cause instanceof TrainingFailed && cause.kind === "Diverged") return 6
  return wrongInput.has(tagOf(rootCause(error))) ? 2 : 1
}
