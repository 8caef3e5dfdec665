/**
 * Every event of a run, in one table: who says it, how loud, and which fields it carries.
 *
 * Events are past tense. The log (src/runtime/event-log.ts) adds `seq` and `time`; `run` names the run or the variant it
 * belongs to (`ablation_lpips/lpips-1.0`); `cause` is the number of the event that this one answers (actors/event-causes.ts). Fields are
 * only ever added. docs/events.md is written from this table.
 */
import * as Schema from "effect/Schema"

const Level = Schema.Literals(["debug", "info", "warn", "error"])
export type Level = typeof Level.Type

const event = <const F extends Schema.Struct.Fields>(level: Level, actor: string, says: string, fields: F) => ({ level, actor, says, fields })

const step = Schema.Int.annotate({ description: "step" })
const seconds = Schema.Finite.annotate({ description: "seconds" })
const bytes = Schema.Finite.annotate({ description: "bytes" })
/** Losses can be NaN, and that is when the log matters most. */
const loss = Schema.Number.annotate({ description: "number, or one of the texts NaN, Infinity, -Infinity" })

export const table = {
  "study.started": event("info", "supervisor", "a study, or the one run of a config, begins or goes on", {
    variants: Schema.Array(Schema.String), config: Schema.String
  }),
  "study.finished": event("info", "supervisor", "every variant is done", { variants: Schema.Int, restarts: Schema.Int, seconds }),
  "run.started": event("info", "supervisor", "an engine is about to train this run: at its beginning, and again after every restart", {
    profile: Schema.NullOr(Schema.String), device: Schema.String, precision: Schema.String, data: Schema.String,
    images: Schema.Int, steps: Schema.Int, resumed_from: Schema.NullOr(step), random_weights: Schema.Boolean
  }),
  "run.finished": event("info", "supervisor", "the run has taken its last step, and it is saved", { step, restarts: Schema.Int, seconds }),
  "run.stopped": event("info", "supervisor", "the run ended before its last step because it was asked to", {
    step, reason: Schema.String, saved: Schema.Boolean
  }),
  "run.failed": event("error", "supervisor", "the supervisor could not carry the run on", {
    error: Schema.String, message: Schema.String, step: Schema.NullOr(step)
  }),
  "signal.received": event("info", "supervisor", "a signal, and what is done about it", { signal: Schema.String, action: Schema.String }),
  "stop.requested": event("info", "supervisor", "`rae stop`", { action: Schema.String }),
  "checkpoint.requested": event("info", "supervisor", "`rae ckpt save`", { accepted: Schema.Boolean }),
  "pause.requested": event("info", "supervisor", "`rae pause`", { action: Schema.String }),
  "resume.requested": event("info", "supervisor", "`rae resume`", { action: Schema.String }),
  "restart.requested": event("warn", "supervisor", "`rae restart`", { target: Schema.String, accepted: Schema.Boolean }),
  "fault.injected": event("warn", "supervisor", "`rae inject`: a fault on purpose", { fault: Schema.String, accepted: Schema.Boolean }),
  "record.failed": event("warn", "supervisor", "a run.json or a table that the disk refused: the run goes on, its record is older than it", {
    message: Schema.String
  }),

  "engine.started": event("info", "engine", "an engine process was started", { pid: Schema.Int, attempt: Schema.Int }),
  "engine.ready": event("info", "engine", "an engine has loaded data, weights and state, and has done its dry step", {
    pid: Schema.Int, step, seconds, libtorch: Schema.String
  }),
  "engine.exited": event("error", "engine", "an engine process ended unasked", {
    pid: Schema.Int, code: Schema.NullOr(Schema.Int), signal: Schema.NullOr(Schema.String), step: Schema.NullOr(step), stderr: Schema.Array(Schema.String)
  }),
  "engine.hung": event("error", "engine", "an engine gave no sign of life, or stayed in one operation, for too long, and is about to be killed", {
    pid: Schema.Int, kind: Schema.String, process: Schema.String, op: Schema.NullOr(Schema.String), silent_seconds: seconds, step: Schema.NullOr(step),
    ops_done: Schema.NullOr(Schema.Int), loop_seconds: Schema.NullOr(seconds), threads: Schema.Array(Schema.String), stack: Schema.Array(Schema.String)
  }),
  "engine.stderr": event("warn", "engine", "a line that the engine or a library in it wrote to standard error", { line: Schema.String }),
  "config.noted": event("info", "supervisor", "a published key of the config that cannot mean here what it means in the PyTorch implementation", { key: Schema.String, note: Schema.String }),
  "environment.changed": event("warn", "supervisor", "the run goes on under another value than it was begun with: speed and bits may differ", {
    variable: Schema.String, was: Schema.NullOr(Schema.String), is: Schema.NullOr(Schema.String)
  }),

  "supervisor.child_down": event("error", "supervisor", "an actor or the engine went down, and is started again after `delay_seconds`", {
    supervisor: Schema.String, context: Schema.String, reason: Schema.String, offender: Schema.String,
    strategy: Schema.String, attempt: Schema.Int, max: Schema.Int, delay_seconds: seconds, lost_steps: Schema.NullOr(Schema.Int)
  }),
  "supervisor.gave_up": event("error", "supervisor", "a supervisor has no restarts left, or the failure is none that a restart cures", {
    supervisor: Schema.String, context: Schema.String, reason: Schema.String, offender: Schema.String
  }),

  "train.dry_step": event("info", "trainer", "one step with every phase on has passed, on noise, and every bit is as before", {
    seconds, bytes, micro_batch: Schema.Int
  }),
  "train.micro_batch": event("warn", "trainer", "memory did not suffice: fewer images go through the networks together, with the same gradients but for rounding", {
    step, from: Schema.Int, to: Schema.Int, reason: Schema.String, rolled_back_to: Schema.NullOr(step)
  }),
  "train.not_finite": event("error", "trainer", "a loss or a gradient was not finite: the state is as before it, the step is passed over from now on", {
    step, what: Schema.Literals(["loss", "generator", "discriminator"]), rolled_back_to: Schema.NullOr(step)
  }),
  "train.diverging": event("warn", "trainer", "a guard of adversarial training has held for `steps` steps (the config's `divergence` block)", {
    step, guard: Schema.String, value: loss, limit: Schema.Finite, steps: Schema.Int
  }),
  "train.phase": event("info", "trainer", "a part of the loss is on from this step", {
    step, phase: Schema.Literals(["lpips", "adversarial", "discriminator"])
  }),
  "train.step": event("info", "trainer", "means of the losses and medians of the phases over the steps since the last such event", {
    step, epoch: Schema.Int, total: loss, rec: loss, lpips: Schema.NullOr(loss), gan: Schema.NullOr(loss), disc: Schema.NullOr(loss),
    weight: Schema.NullOr(loss), lr: Schema.Finite, grad_norm: Schema.NullOr(loss), images_per_second: Schema.Finite,
    seconds: Schema.Record(Schema.String, seconds)
  }),
  "train.paused": event("warn", "trainer", "training holds before its next step", { step, reason: Schema.String }),
  "train.resumed": event("info", "trainer", "training goes on", { step }),
  "train.epoch": event("info", "trainer", "an epoch has ended: means of its losses", {
    step, epoch: Schema.Int, losses: Schema.Record(Schema.String, loss)
  }),
  "eval.finished": event("info", "evaluator", "held-out images were reconstructed and compared", {
    step, images: Schema.Int, psnr: loss, ssim: loss, lpips: Schema.NullOr(loss), rfid: Schema.optionalKey(loss), seconds, picture: Schema.NullOr(Schema.String)
  }),
  "eval.image_unreadable": event("warn", "evaluator", "a held-out image cannot be decoded, and is left out of the figures", {
    path: Schema.String, reason: Schema.String
  }),
  "eval.picture_failed": event("warn", "evaluator", "an evaluation's picture could not be written; its figures stand", { step, reason: Schema.String }),
  "eval.cut_off": event("info", "evaluator", "an evaluation was broken off for a stop that was asked for", { step, images: Schema.Int }),
  "eval.failed": event("error", "evaluator", "an evaluation gave no figures; training goes on", { step, reason: Schema.String }),

  "snapshot.taken": event("debug", "trainer", "the state was copied to memory, ready to be written; training waited for `seconds`", {
    step, bytes, seconds, reason: Schema.String
  }),
  "checkpoint.started": event("debug", "checkpointer", "a snapshot is being written to the disk", { step, bytes, free: bytes }),
  "checkpoint.committed": event("info", "checkpointer", "a checkpoint is on the disk, verified", {
    step, bytes, seconds, path: Schema.String
  }),
  "checkpoint.failed": event("error", "checkpointer", "a checkpoint could not be written; its state stays in memory and is tried again", {
    step, error: Schema.String, message: Schema.String, needed: Schema.NullOr(bytes), free: Schema.NullOr(bytes), unsaved_steps: Schema.Int, retry_seconds: seconds
  }),
  "checkpoint.room_made": event("warn", "checkpointer", "what was given up so that a checkpoint fits, and what is free now; `needed` is null where a quota hides the need", {
    path: Schema.String, needed: Schema.NullOr(bytes), free: bytes, enough: Schema.Boolean,
    freed: Schema.Array(Schema.Struct({ name: Schema.String, bytes })), failed: Schema.Array(Schema.Struct({ name: Schema.String, reason: Schema.String }))
  }),
  "checkpoint.cleanup_failed": event("warn", "checkpointer", "old files that the disk would not let go of; they are removed another time", { message: Schema.String }),
  "checkpoint.scrubbed": event("debug", "checkpointer", "an old checkpoint was read again while nothing else was to be done", { step, ok: Schema.Boolean, seconds }),
  "checkpoint.pruned": event("debug", "checkpointer", "old checkpoints were removed", { steps: Schema.Array(step) }),
  "checkpoint.quarantined": event("error", "checkpointer", "a checkpoint is not what its manifest says; it was moved aside", {
    step, path: Schema.String, reason: Schema.String
  }),
  "checkpoint.unread": event("warn", "checkpointer", "the disk did not give a checkpoint (EIO): whole or not, it lies where it was, and the one before is used meanwhile", {
    step, path: Schema.String, reason: Schema.String
  }),
  "checkpoint.loaded": event("info", "checkpointer", "an engine was filled from this checkpoint", {
    step, path: Schema.String, bytes, written_at: Schema.String
  }),
  "checkpoint.leftovers_removed": event("info", "checkpointer", "what a killed process had half written was removed", {
    paths: Schema.Array(Schema.String)
  }),

  "feature_cache.used": event("info", "feature_cache", "what the cache of latents did for this run", {
    hits: Schema.Int, misses: Schema.Int, encoded: Schema.Int, dropped: Schema.Int, bytes, enabled: Schema.Boolean
  }),
  "feature_cache.failed": event("warn", "feature_cache", "the cache of latents could not be read or written; latents are computed", {
    reason: Schema.String
  }),
  "data.image_replaced": event("warn", "data_loader", "a training image is unreadable; another one takes its place, always the same", {
    index: Schema.Int, path: Schema.String, reason: Schema.String, replacement: Schema.Int
  }),
  "data.unreadable": event("warn", "data_loader", "all training images that were found unreadable since the engine started, told when training ends", {
    images: Schema.Array(Schema.Struct({ path: Schema.String, reason: Schema.String }))
  }),
  "data.upscaled": event("warn", "data_loader", "a training image is smaller than the crops", {
    path: Schema.String, width: Schema.Int, height: Schema.Int, needed: Schema.Int
  }),

  "log.dropped": event("warn", "event_log", "events that the disk did not take are missing here", {
    events: Schema.Int, reason: Schema.String
  })
} as const

export type EventType = keyof typeof table
export type Fields<T extends EventType> = Schema.Struct.Type<(typeof table)[T]["fields"]>

const stamped = <T extends EventType>(type: T) =>
  Schema.Struct({ type: Schema.Literal(type), level: Level, actor: Schema.String, run: Schema.String, cause: Schema.optionalKey(Schema.Int), ...table[type].fields })

/** One event as it is written, without `seq` and `time`, which the log adds. */
export type Event = { [T in EventType]: { readonly type: T; readonly level: Level; readonly actor: string; readonly run: string; readonly cause?: number } & Fields<T> }[EventType]
export const Event = Schema.Union((Object.keys(table) as Array<EventType>).map(stamped)) as unknown as Schema.Codec<Event>

/** Makes an event with its level and actor from the table; `actor` may be narrowed (`engine[8390]`). */
export const make = <T extends EventType>(type: T, run: string, fields: Fields<T>, actor: string = table[type].actor): Event =>
  ({ type, level: table[type].level, actor, run, ...fields }) as unknown as Event
