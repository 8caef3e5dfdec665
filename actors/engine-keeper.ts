/**
 * The supervisor's side of the engine: one incarnation starts the process, loads the newest good checkpoint into it, trains, and sees the
 * last snapshot committed. Starting, resuming and recovering are this one path.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { join } from "node:path"
import { type Found, newestOf, type Quarantined, type Store } from "../src/checkpoint/store.ts"
import { type ChildHandle, type ChildLost, startChild } from "../src/runtime/child.ts"
import type { Writer } from "./checkpointer.ts"
import { CheckpointDamaged, Engine, type Loaded, type LoadRequest, type Report, TrainingFailed } from "./engine-protocol.ts"
import { type Event, make as event } from "./events.ts"
import { hangPolicy } from "./hang-policy.ts"

export interface Options {
  readonly run: string
  readonly configHash: string
  readonly request: Omit<LoadRequest, "resume">
  readonly environment: Readonly<Record<string, string>>
  readonly stopAfter: number | null
  /** Seconds without a sign of life after which the engine counts as hung, until a step was measured. */
  readonly hangSeconds: number
  readonly stepSeconds: () => number | null
  /** The step that training has reached; null before it began. */
  readonly step: () => number | null
  readonly emit: (event: Event) => void
  /** Waits until what was emitted is on the disk. */
  readonly flush: Effect.Effect<void>
  readonly onReport: (report: Report) => Effect.Effect<void>
}

export interface LiveEngine {
  readonly handle: ChildHandle<typeof Engine>
  readonly loaded: Loaded
  /** The checkpoint it was filled from. */
  readonly resumedFrom: { readonly step: number; readonly hash: string } | null
  /** A newer checkpoint was passed over for that one, so that there is one good checkpoint less than there should be. */
  readonly fellBack: boolean
  /** The native operation in flight when it was last heard; null for none. */
  readonly op: () => string | null
}

/** A checkpoint of another config lies where this run's should be: to go on from it would be neither run. */
export class CheckpointForeign extends Schema.TaggedError<CheckpointForeign>()("CheckpointForeign", { path: Schema.String }) {
  readonly exitCode = 2
  readonly help = "move it away, give this run another --name, or start anew with --fresh (what is there is moved aside)"
  override get message() { return `checkpoint ${this.path} belongs to a run of another config` }
}

const entry = join(import.meta.dirname, "engine.ts")
/** Between two tries at a checkpoint that the disk did not give. */
const readAgain = "1 second"

/** Starts the process and loads the newest checkpoint that is whole; one that proves damaged is put aside, and the one before is tried. */
export const launch = Effect.fnUntraced(function*(options: Options, attempt: number, stores: ReadonlyArray<Store>) {
  const started = performance.now()
  let operations: ReadonlyArray<string> = []
  let drySeconds: number | null = null
  const opName = (op: number) => operations[op] ?? `operation ${op}`
  const handle = yield* startChild({
    name: "engine", entry, group: Engine, env: { ...process.env, ...options.environment }, stopDeadline: "10 seconds",
    // how long a step takes says nothing of loading
    heartbeat: hangPolicy(options.hangSeconds, () => drySeconds === null ? null : options.stepSeconds() ?? drySeconds), opName,
    onHang: ({ kind, loop_seconds, op, ops_done, pid, process: state, seconds, stack, threads }) => Effect.suspend(() => {
      options.emit(event("engine.hung", options.run, { pid, kind, process: state, op, silent_seconds: seconds, step: options.step(), ops_done, loop_seconds, threads: [...threads], stack: [...stack] }))
      return options.flush
    }),
    onLine: (stream, line) => { if (stream === "stderr" && line.trim() !== "") options.emit(event("engine.stderr", options.run, { line })) }
  })
  options.emit(event("engine.started", options.run, { pid: handle.pid, attempt }))
  const onLoaded = (loaded: Loaded) => {
    operations = loaded.operations
    drySeconds = loaded.dry_step_seconds
  }
  // Whoever no longer waits for it has nothing to save in it, and it may not hear anything for a while.
  const { fellBack, loaded, resumedFrom } = yield* load(options, handle, stores, started, onLoaded).pipe(Effect.onInterrupt(() => Effect.sync(() => handle.kill("SIGKILL"))))
  const op = () => {
    const number = handle.heartbeat()?.op ?? 0
    return number === 0 ? null : opName(number)
  }
  const live: LiveEngine = { handle, loaded, resumedFrom, fellBack, op }
  return live
})

const load = Effect.fnUntraced(function*(options: Options, handle: ChildHandle<typeof Engine>, stores: ReadonlyArray<Store>, started: number, onLoaded: (loaded: Loaded) => void) {
  const damaged: Array<Quarantined> = []
  const unread: Array<Quarantined> = []
  /** Where they lay: on a disk that refuses the move, or does not give them, they still do. */
  const passedOver = new Set<string>()
  let refusedOnce: string | null = null
  const putAside = (one: Quarantined) => {
    damaged.push(one)
    options.emit(event("checkpoint.quarantined", options.run, one))
  }
  const leave = (one: Quarantined) => {
    unread.push(one)
    passedOver.add(one.path)
    options.emit(event("checkpoint.unread", options.run, one))
  }
  while (true) {
    const found: Found = stores.length === 0 ? { plan: null, quarantined: [], unread: [] } : yield* newestOf(stores, { depth: "quick", passedOver })
    found.quarantined.forEach(putAside)
    found.unread.forEach(leave)
    const { plan } = found
    if (plan === null) {
      // To start over unasked would bury what was saved, whether all of it is damaged or the disk does not give it now.
      const [hidden] = unread
      if (hidden !== undefined) return yield* new CheckpointDamaged({ path: hidden.path, reason: `${hidden.reason}; no other checkpoint is whole`, unread: true })
      const last = damaged.at(-1)
      if (last !== undefined) return yield* new CheckpointDamaged({ path: last.path, reason: `${last.reason}; no earlier checkpoint is whole (start anew with --fresh)`, unread: false })
    }
    if (plan !== null && plan.manifest.config_hash !== options.configHash) return yield* new CheckpointForeign({ path: plan.path })
    const loaded = yield* handle.client.Load({ ...options.request, resume: plan?.path ?? null }).pipe(
      Effect.catchTag("CheckpointDamaged", Effect.fnUntraced(function*(damage) {
        const store = stores.find(({ directory }) => plan?.path.startsWith(directory) === true)
        if (plan === null || store === undefined) return yield* damage
        const inPlace = { step: plan.step, path: plan.path, reason: damage.reason }
        if (damage.unread) {
          // Twice, a moment apart: a disk that gives nothing now may be one that is being reset.
          if (refusedOnce === plan.path) leave(inPlace)
          else yield* Effect.sleep(readAgain)
          refusedOnce = plan.path
          return null
        }
        passedOver.add(plan.path)
        putAside(yield* store.quarantine(plan.step, damage.reason).pipe(Effect.orElseSucceed(() => inPlace)))
        return null
      })))
    if (loaded === null) continue
    onLoaded(loaded)
    if (plan !== null) options.emit(event("checkpoint.loaded", options.run, {
      step: plan.step, path: plan.path, bytes: plan.manifest.files.reduce((sum, { size }) => sum + size, 0), written_at: plan.manifest.written_at
    }))
    options.emit(event("train.dry_step", options.run, { seconds: loaded.dry_step_seconds, bytes: loaded.dry_step_bytes, micro_batch: loaded.micro_batch }))
    const wanted = options.request.config.training.batch_size
    if (loaded.micro_batch < wanted) options.emit(event("train.micro_batch", options.run, {
      step: loaded.step, from: wanted, to: loaded.micro_batch, reason: "the dry step ran out of memory", rolled_back_to: null
    }))
    options.emit(event("engine.ready", options.run, { pid: handle.pid, step: loaded.step, seconds: (performance.now() - started) / 1000, libtorch: loaded.libtorch }))
    return { loaded, fellBack: damaged.length + unread.length > 0, resumedFrom: plan === null ? null : { step: plan.step, hash: plan.manifest.hash } }
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
const hopeless = new Set(["InvalidWeights", "NoDevice", "InvalidData", "CheckpointForeign", "StopTookTooLong"])
/**
 * The same of what ends training: the images are what they are, and so are the memory and the config. A lack of memory while loading is none of
 * these: an engine had the memory before, somebody else has it now.
 */
const hopelessKinds = new Set(["TooManyCorrupt", "OutOfMemory", "Diverged"])
export const onFailure = (error: unknown) => {
  const isHopeless = error instanceof TrainingFailed ? hopelessKinds.has(error.kind)
    : error instanceof CheckpointDamaged ? !error.unread
    : typeof error === "object" && error !== null && "_tag" in error && hopeless.has(String(error._tag))
  return isHopeless ? "escalate" as const : undefined
}

export const isLost = (error: unknown): error is ChildLost =>
  typeof error === "object" && error !== null && "_tag" in error && (error._tag === "ChildExited" || error._tag === "ChildHung")

/** Ended by a signal from outside, by a fault of its own or for hanging, and not by a decision. */
export const isKilled = (error: unknown): error is ChildLost => isLost(error) && (error._tag === "ChildHung" || error.signal !== null)
