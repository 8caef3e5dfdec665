/**
 * The supervisor's side of the engine: one incarnation starts the process, loads the newest good checkpoint into it, trains, and sees the
 * last snapshot committed. Starting, resuming and recovering are this one path.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { join } from "node:path"
import { type Found, newestOf, type Store } from "../src/checkpoint/store.ts"
import { type ChildExited, type ChildHandle, type ChildLost, startChild } from "../src/runtime/child.ts"
import type { HangPolicy } from "../src/runtime/heartbeat.ts"
import type { Writer } from "./checkpointer.ts"
import { CheckpointDamaged, Engine, type Loaded, type LoadRequest, type Report, TrainingFailed } from "./engine-protocol.ts"
import { type Event, make as event } from "./events.ts"

export interface Options {
  readonly run: string
  readonly configHash: string
  readonly request: Omit<LoadRequest, "resume">
  readonly environment: Readonly<Record<string, string>>
  readonly stopAfter: number | null
  /** Seconds without a sign of life in one operation after which the engine counts as hung; measured step times may raise it. */
  readonly hangSeconds: number
  readonly stepSeconds: () => number | null
  readonly emit: (event: Event) => void
  readonly onReport: (report: Report) => Effect.Effect<void>
}

export interface LiveEngine {
  readonly handle: ChildHandle<typeof Engine>
  readonly loaded: Loaded
  /** The checkpoint it was filled from. */
  readonly resumedFrom: { readonly step: number; readonly hash: string } | null
}

/** A checkpoint of another config lies where this run's should be: to go on from it would be neither run. */
export class CheckpointForeign extends Schema.TaggedError<CheckpointForeign>()("CheckpointForeign", { path: Schema.String }) {
  readonly exitCode = 2
  readonly help = "move it away, give this run another --name, or start anew with --fresh (what is there is moved aside)"
  override get message() { return `checkpoint ${this.path} belongs to a run of another config` }
}

const entry = join(import.meta.dirname, "engine.ts")

const hangPolicy = (options: Options): HangPolicy => ({
  silence: "10 seconds", startup: "5 minutes", loopBlocked: `${options.hangSeconds} seconds`,
  // A step is measured before it is judged: ten of them is no normal operation any more.
  opDeadline: () => Duration.seconds(Math.max(options.hangSeconds, 10 * (options.stepSeconds() ?? 0)))
})

/** Starts the process and loads the newest checkpoint that is whole; one that proves damaged is put aside, and the one before is tried. */
export const launch = Effect.fnUntraced(function*(options: Options, attempt: number, stores: ReadonlyArray<Store>) {
  const started = performance.now()
  let operations: ReadonlyArray<string> = []
  const handle = yield* startChild({
    name: "engine", entry, group: Engine, env: { ...process.env, ...options.environment }, heartbeat: hangPolicy(options),
    opName: (op) => operations[op] ?? `operation ${op}`, stopDeadline: "10 seconds",
    onLine: (stream, line) => { if (stream === "stderr" && line.trim() !== "") options.emit(event("engine.stderr", options.run, { line })) }
  })
  options.emit(event("engine.started", options.run, { pid: handle.pid, attempt }))
  // Whoever no longer waits for it has nothing to save in it, and it may not hear anything for a while.
  return yield* load(options, handle, stores, started, (names) => { operations = names }).pipe(Effect.onInterrupt(() => Effect.sync(() => handle.kill("SIGKILL"))))
})

const load = Effect.fnUntraced(function*(options: Options, handle: ChildHandle<typeof Engine>, stores: ReadonlyArray<Store>, started: number, onOperations: (names: ReadonlyArray<string>) => void) {
  while (true) {
    const found: Found = stores.length === 0 ? { plan: null, quarantined: [] } : yield* newestOf(stores, { depth: "quick" })
    for (const { path, reason, step } of found.quarantined) options.emit(event("checkpoint.quarantined", options.run, { step, path, reason }))
    const { plan } = found
    // All that was saved is damaged: to start over unasked would bury it.
    if (plan === null && found.quarantined.length > 0) {
      return yield* new CheckpointDamaged({ path: found.quarantined.at(-1)!.path, reason: `${found.quarantined.at(-1)!.reason}; no earlier checkpoint is whole (start anew with --fresh)` })
    }
    if (plan !== null && plan.manifest.config_hash !== options.configHash) return yield* new CheckpointForeign({ path: plan.path })
    const loaded = yield* handle.client.Load({ ...options.request, resume: plan?.path ?? null }).pipe(
      Effect.catchTag("CheckpointDamaged", Effect.fnUntraced(function*(damage) {
        const store = stores.find(({ directory }) => plan?.path.startsWith(directory) === true)
        if (plan === null || store === undefined) return yield* damage
        const { path } = yield* store.quarantine(plan.step, damage.reason)
        options.emit(event("checkpoint.quarantined", options.run, { step: plan.step, path, reason: damage.reason }))
        return null
      })))
    if (loaded === null) continue
    onOperations(loaded.operations)
    if (plan !== null) options.emit(event("checkpoint.loaded", options.run, {
      step: plan.step, path: plan.path, bytes: plan.manifest.files.reduce((sum, { size }) => sum + size, 0), written_at: plan.manifest.written_at
    }))
    options.emit(event("train.dry_step", options.run, { seconds: loaded.dry_step_seconds }))
    options.emit(event("engine.ready", options.run, { pid: handle.pid, step: loaded.step, seconds: (performance.now() - started) / 1000, libtorch: loaded.libtorch }))
    const live: LiveEngine = { handle, loaded, resumedFrom: plan === null ? null : { step: plan.step, hash: plan.manifest.hash } }
    return live
  }
})

export const writer = ({ handle, loaded }: LiveEngine): Writer => {
  /** A call that is cut off because the engine is being taken down says so, as if the engine had died in it. */
  const orLost = <A, E>(call: Effect.Effect<A, E | ChildLost>): Effect.Effect<A, E | ChildLost> =>
    Effect.catchCauseIf(call, Cause.hasInterruptsOnly, () => handle.lost)
  return {
    write: (dir) => orLost(handle.client.Write({ dir })),
    stateBytes: loaded.state_bytes,
    frozen: loaded.frozen,
    saved: (step) => orLost(handle.client.Saved({ step }))
  }
}

/** Trains to the end (or to `stopAfter`, or until stopped), with every report passed on: those that say why it failed, too. */
export const train = (options: Options, { handle }: LiveEngine) =>
  Effect.all([
    Effect.exit(handle.client.Train({ until: options.stopAfter })),
    Stream.runForEach(handle.client.Reports(), options.onReport)
  ], { concurrency: "unbounded" }).pipe(Effect.flatMap(([trained]) => trained))

/** Names of what no restart cures: the run ends with the error itself. */
const hopeless = new Set(["InvalidWeights", "NoDevice", "InvalidData", "CheckpointDamaged", "CheckpointForeign"])
/** The same of what ends training: the images are what they are. */
const hopelessKinds = new Set(["TooManyCorrupt"])
export const onFailure = (error: unknown) => {
  const isHopeless = error instanceof TrainingFailed ? hopelessKinds.has(error.kind)
    : typeof error === "object" && error !== null && "_tag" in error && hopeless.has(String(error._tag))
  return isHopeless ? "escalate" as const : undefined
}

export const isLost = (error: unknown): error is ChildLost =>
  typeof error === "object" && error !== null && "_tag" in error && (error._tag === "ChildExited" || error._tag === "ChildHung")

/** Ended by a signal from outside or by a fault of its own, and not by a decision. */
export const isKilled = (error: unknown): error is ChildExited => isLost(error) && error._tag === "ChildExited" && error.signal !== null
