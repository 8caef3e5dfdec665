/**
 * What the supervisor asks of the engine, and what the engine tells it: one RPC group on the child's extra pipe.
 *
 * Never a tensor, and never a request and reply per step: `Reports` streams events and progress in batches.
 * The order of a run: `Load`, then `Train` (answers when training ends), meanwhile `Write` for each snapshot that was taken.
 */
import * as Schema from "effect/Schema"
import { Rpc, RpcGroup } from "effect/rpc"
import { WriteReport } from "../src/checkpoint/manifest.ts"
import { RunConfig } from "../src/config/schema.ts"
import type { Event } from "./events.ts"

/** Weights that do not fit: every missing, unexpected, mis-shaped or unreadable one is a line. */
export class InvalidWeights extends Schema.TaggedError<InvalidWeights>()("InvalidWeights", { path: Schema.String, problems: Schema.Array(Schema.String), help: Schema.String }) {
  override get message() { return [`weights in ${this.path} do not fit`, ...this.problems.map((problem) => `  ${problem}`)].join("\n") }
}
/**
 * The checkpoint's bytes are not those that its manifest promises: it is quarantined, and the one before is taken. `unread`: the disk did
 * not give them (EIO), so that they may be whole; it stays where it is.
 */
export class CheckpointDamaged extends Schema.TaggedError<CheckpointDamaged>()("CheckpointDamaged", { path: Schema.String, reason: Schema.String, unread: Schema.Boolean }) {
  override get message() { return this.unread ? `checkpoint ${this.path} could not be read: ${this.reason}` : `checkpoint ${this.path} is damaged: ${this.reason}` }
}
export class NoDevice extends Schema.TaggedError<NoDevice>()("NoDevice", { device: Schema.String, reason: Schema.String, help: Schema.String }) {
  override get message() { return `no device ${this.device}: ${this.reason}` }
}
export class InvalidData extends Schema.TaggedError<InvalidData>()("InvalidData", { path: Schema.String, reason: Schema.String, help: Schema.String }) {
  override get message() { return `data ${this.path}: ${this.reason}` }
}
/** The state in memory could not be written, and stays in memory. `errno` as the system names it, `needed` in bytes. */
export class SnapshotNotWritten extends Schema.TaggedError<SnapshotNotWritten>()("SnapshotNotWritten", {
  path: Schema.String, errno: Schema.String, reason: Schema.String, needed: Schema.NullOr(Schema.Finite)
}) {
  override get message() { return `cannot write to ${this.path}: ${this.reason}` }
}
/** The kind of a TrainingFailed where not even one image at a time fitted when the engine was loaded. */
export const noMemoryToLoad = "NoMemoryToLoad"
/** The same kind of failure that no restart of an actor cured, or one that none can cure. */
export class TrainingFailed extends Schema.TaggedError<TrainingFailed>()("TrainingFailed", { kind: Schema.String, reason: Schema.String, step: Schema.Int }) {
  override get message() { return `training failed at step ${this.step}: ${this.reason}` }
}

export const DataSpec = Schema.Union([
  Schema.TaggedStruct("Folder", { path: Schema.String }),
  /** Pictures drawn by the program, a pure function of seed and index. */
  Schema.TaggedStruct("Synthetic", { images: Schema.Int, held_out: Schema.Int })
])
export type DataSpec = typeof DataSpec.Type

export const LoadRequest = Schema.Struct({
  run: Schema.String, run_dir: Schema.String,
  /** Variants of the study: a later one finds the latents of an earlier one. */
  variants: Schema.Int,
  config: RunConfig, data: DataSpec, eval_data: Schema.NullOr(Schema.String), device: Schema.String,
  /** Directory of the latents' cache, shared by all runs of this user. */
  cache_dir: Schema.String,
  /** Checkpoint directory to go on from, already chosen by the supervisor; null starts anew. */
  resume: Schema.NullOr(Schema.String)
})
export type LoadRequest = typeof LoadRequest.Type

export const Loaded = Schema.Struct({
  step: Schema.Int, steps: Schema.Int, steps_per_epoch: Schema.Int, images: Schema.Int, held_out: Schema.Int,
  /** Tensors of one checkpoint, in bytes: what the next checkpoint will need on the disk. */
  state_bytes: Schema.Finite, parameters: Schema.Int, libtorch: Schema.String, precision: Schema.String, dry_step_seconds: Schema.Finite,
  /** The most memory that tensors took in the dry step, and how many images at a time it left room for. */
  dry_step_bytes: Schema.Finite, micro_batch: Schema.Int,
  /** Names of the native operations by id, for the report of a hang. */
  operations: Schema.Array(Schema.String),
  /** Frozen weights, by hash: they are referenced, never copied into a checkpoint. */
  frozen: Schema.Record(Schema.String, Schema.String)
})
export type Loaded = typeof Loaded.Type

/** Place in the data and sums of the running epoch; with the tensors it is all that a resume needs. */
export const Progress = Schema.Struct({
  step: Schema.Int, epoch: Schema.Int, position: Schema.Int,
  counters: Schema.Record(Schema.String, Schema.Finite),
  /** Sums and counts of the losses over the running epoch, and the means of the last full one: the study's table. */
  sums: Schema.Record(Schema.String, Schema.Number), counts: Schema.Record(Schema.String, Schema.Int), last_epoch: Schema.Record(Schema.String, Schema.Number),
  /** Steps whose data gave a non-finite gradient: they are passed over, in a replay too. */
  skipped: Schema.Array(Schema.Int)
})
export type Progress = typeof Progress.Type

export const Written = Schema.Struct({ progress: Progress, report: WriteReport, seconds: Schema.Finite })
export type Written = typeof Written.Type

export const Trained = Schema.Struct({ step: Schema.Int, finished: Schema.Boolean, means: Schema.Record(Schema.String, Schema.Number) })
export type Trained = typeof Trained.Type

export const EngineActor = Schema.Struct({
  name: Schema.String, depth: Schema.Int, state: Schema.Literals(["starting", "idle", "busy", "restarting", "stopped", "failed"]), detail: Schema.NullOr(Schema.String), restarts: Schema.Int,
  up_seconds: Schema.NullOr(Schema.Finite), last_seconds: Schema.NullOr(Schema.Finite),
  mailbox: Schema.NullOr(Schema.Struct({ depth: Schema.Int, capacity: Schema.Int })),
  handles: Schema.NullOr(Schema.Struct({ count: Schema.Int, bytes: Schema.Finite }))
})
export type EngineActor = typeof EngineActor.Type

/**
 * An event on its way to the log, as it is: the log checks and encodes each one it writes, and to do that here too would cost the thread that
 * trains more than all the rest of an event. NaN needs no word for it in msgpack.
 */
const SentEvent = Schema.declare((sent): sent is Event => typeof sent === "object" && sent !== null && "type" in sent, { toCodecJson: () => undefined })

export const Report = Schema.Union([
  Schema.TaggedStruct("Events", { events: Schema.Array(SentEvent) }),
  Schema.TaggedStruct("Pulse", { step: Schema.Int, epoch: Schema.Int, actors: Schema.Array(EngineActor), handles: Schema.Int, bytes: Schema.Finite, rss_bytes: Schema.Finite }),
  /** A copy of the whole state at a step boundary lies in memory, ready for `Write`. */
  Schema.TaggedStruct("SnapshotTaken", { step: Schema.Int })
])
export type Report = typeof Report.Type

export class Engine extends RpcGroup.make(
  Rpc.make("Load", { payload: LoadRequest, success: Loaded, error: Schema.Union([InvalidWeights, CheckpointDamaged, NoDevice, InvalidData, TrainingFailed]) }),
  /** Trains to `until` (or to the end), takes a last snapshot, answers. */
  Rpc.make("Train", { payload: { until: Schema.NullOr(Schema.Int) }, success: Trained, error: TrainingFailed }),
  Rpc.make("Reports", { success: Report, stream: true }),
  /** Take a snapshot at the next step boundary. */
  Rpc.make("TakeSnapshot"),
  /** A checkpoint of this step is committed: work up to it cannot be lost any more. */
  Rpc.make("Saved", { payload: { step: Schema.Int } }),
  /** Finish the step, take a snapshot; `Train` then answers. */
  Rpc.make("Stop"),
  /** Hold before the next step, or go on; a stop and a snapshot are served meanwhile. */
  Rpc.make("Pause", { payload: { paused: Schema.Boolean } }),
  /** Restart an actor and, by its supervisor's strategy, its siblings. False: there is none of that name. */
  Rpc.make("RestartActor", { payload: { actor: Schema.String }, success: Schema.Boolean }),
  /** A fault on purpose: an actor throws in its next operation, or (null) the next batch is not a number. False: no such actor. */
  Rpc.make("Inject", { payload: { actor: Schema.NullOr(Schema.String) }, success: Schema.Boolean }),
  /** Write the newest snapshot into `dir`, fsynced and hashed. */
  Rpc.make("Write", { payload: { dir: Schema.String }, success: Written, error: SnapshotNotWritten })
) {}
