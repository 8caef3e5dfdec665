/**
 * Every event of a run, in one table: who says it, how loud, and which fields it carries.
 *
 * Events are past tense. The log (src/runtime/event-log.ts) adds `seq` and `time`; `run` names the run or the variant it
 * belongs to (`ablation_lpips/lpips-1.0`). Fields are only ever added.
 */
import * as Schema from "effect/Schema"

const Level = Schema.Literals(["debug", "info", "warn", "error"])
export type Level = typeof Level.Type

const event = <const F extends Schema.Struct.Fields>(level: Level, actor: string, fields: F) => ({ level, actor, fields })

const step = Schema.Int
const seconds = Schema.Finite
const bytes = Schema.Finite
/** Losses can be NaN, and that is when the log matters most. */
const loss = Schema.Number

export const table = {
  "study.started": event("info", "supervisor", { variants: Schema.Array(Schema.String), config: Schema.String }),
  "study.finished": event("info", "supervisor", { variants: Schema.Int, restarts: Schema.Int, seconds }),
  "run.started": event("info", "supervisor", {
    profile: Schema.NullOr(Schema.String), device: Schema.String, precision: Schema.String, data: Schema.String,
    images: Schema.Int, steps: Schema.Int, resumed_from: Schema.NullOr(step), random_weights: Schema.Boolean
  }),
  "run.finished": event("info", "supervisor", { step, restarts: Schema.Int, seconds }),
  "run.stopped": event("info", "supervisor", { step, reason: Schema.String, saved: Schema.Boolean }),
  "run.failed": event("error", "supervisor", { error: Schema.String, message: Schema.String, step: Schema.NullOr(step) }),
  "signal.received": event("info", "supervisor", { signal: Schema.String, action: Schema.String }),
  "stop.requested": event("info", "supervisor", { action: Schema.String }),
  /** A run.json or a table that the disk refused: the run goes on, its record is older than it. */
  "record.failed": event("warn", "supervisor", { message: Schema.String }),

  "engine.started": event("info", "engine", { pid: Schema.Int, attempt: Schema.Int }),
  "engine.ready": event("info", "engine", { pid: Schema.Int, step, seconds, libtorch: Schema.String }),
  "engine.exited": event("error", "engine", {
    pid: Schema.Int, code: Schema.NullOr(Schema.Int), signal: Schema.NullOr(Schema.String), step: Schema.NullOr(step), stderr: Schema.Array(Schema.String)
  }),
  "engine.hung": event("error", "engine", {
    pid: Schema.Int, kind: Schema.String, process: Schema.String, op: Schema.NullOr(Schema.String), silent_seconds: seconds, step: Schema.NullOr(step)
  }),
  "engine.stderr": event("warn", "engine", { line: Schema.String }),
  "environment.changed": event("warn", "supervisor", { variable: Schema.String, was: Schema.NullOr(Schema.String), is: Schema.NullOr(Schema.String) }),

  "supervisor.child_down": event("error", "supervisor", {
    supervisor: Schema.String, context: Schema.String, reason: Schema.String, offender: Schema.String,
    strategy: Schema.String, attempt: Schema.Int, max: Schema.Int, delay_seconds: seconds, lost_steps: Schema.NullOr(Schema.Int)
  }),
  "supervisor.gave_up": event("error", "supervisor", { supervisor: Schema.String, context: Schema.String, reason: Schema.String, offender: Schema.String }),

  "train.dry_step": event("info", "trainer", { seconds }),
  "train.phase": event("info", "trainer", { step, phase: Schema.Literals(["lpips", "adversarial", "discriminator"]) }),
  "train.step": event("info", "trainer", {
    step, epoch: Schema.Int, total: loss, rec: loss, lpips: Schema.NullOr(loss), gan: Schema.NullOr(loss), disc: Schema.NullOr(loss),
    weight: Schema.NullOr(loss), lr: Schema.Finite, grad_norm: Schema.NullOr(loss), images_per_second: Schema.Finite,
    seconds: Schema.Record(Schema.String, seconds)
  }),
  "train.paused": event("warn", "trainer", { step, reason: Schema.String }),
  "train.resumed": event("info", "trainer", { step }),
  "train.epoch": event("info", "trainer", { step, epoch: Schema.Int, losses: Schema.Record(Schema.String, loss) }),
  "eval.finished": event("info", "evaluator", {
    step, images: Schema.Int, psnr: loss, ssim: loss, lpips: Schema.NullOr(loss), seconds, picture: Schema.NullOr(Schema.String)
  }),
  "eval.image_unreadable": event("warn", "evaluator", { path: Schema.String, reason: Schema.String }),
  "eval.failed": event("error", "evaluator", { step, reason: Schema.String }),

  "snapshot.taken": event("debug", "trainer", { step, bytes, seconds, reason: Schema.String }),
  "checkpoint.started": event("debug", "checkpointer", { step, bytes, free: bytes }),
  "checkpoint.committed": event("info", "checkpointer", { step, bytes, seconds, path: Schema.String }),
  "checkpoint.failed": event("error", "checkpointer", {
    step, error: Schema.String, message: Schema.String, needed: Schema.NullOr(bytes), free: Schema.NullOr(bytes), unsaved_steps: Schema.Int, retry_seconds: seconds
  }),
  "checkpoint.pruned": event("debug", "checkpointer", { steps: Schema.Array(step) }),
  "checkpoint.quarantined": event("error", "checkpointer", { step, path: Schema.String, reason: Schema.String }),
  "checkpoint.loaded": event("info", "checkpointer", { step, path: Schema.String, bytes, written_at: Schema.String }),
  "checkpoint.leftovers_removed": event("info", "checkpointer", { paths: Schema.Array(Schema.String) }),

  "feature_cache.used": event("info", "feature_cache", {
    hits: Schema.Int, misses: Schema.Int, encoded: Schema.Int, dropped: Schema.Int, bytes, enabled: Schema.Boolean
  }),
  "feature_cache.failed": event("warn", "feature_cache", { reason: Schema.String }),
  "data.image_replaced": event("warn", "data_loader", { index: Schema.Int, path: Schema.String, reason: Schema.String, replacement: Schema.Int }),
  "data.upscaled": event("warn", "data_loader", { path: Schema.String, width: Schema.Int, height: Schema.Int, needed: Schema.Int }),

  "log.dropped": event("warn", "event_log", { events: Schema.Int, reason: Schema.String })
} as const

export type EventType = keyof typeof table
export type Fields<T extends EventType> = Schema.Struct.Type<(typeof table)[T]["fields"]>

const stamped = <T extends EventType>(type: T) =>
  Schema.Struct({ type: Schema.Literal(type), level: Level, actor: Schema.String, run: Schema.String, ...table[type].fields })

/** One event as it is written, without `seq` and `time`, which the log adds. */
export type Event = { [T in EventType]: { readonly type: T; readonly level: Level; readonly actor: string; readonly run: string } & Fields<T> }[EventType]
export const Event = Schema.Union((Object.keys(table) as Array<EventType>).map(stamped)) as unknown as Schema.Codec<Event>

/** Makes an event with its level and actor from the table; `actor` may be narrowed (`engine[8390]`). */
export const make = <T extends EventType>(type: T, run: string, fields: Fields<T>, actor: string = table[type].actor): Event =>
  ({ type, level: table[type].level, actor, run, ...fields }) as unknown as Event
