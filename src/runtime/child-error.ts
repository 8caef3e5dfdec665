/** How a child process can be lost, as the supervisor sees it. */
import * as Schema from "effect/Schema"

export class SpawnFailed extends Schema.TaggedError<SpawnFailed>()("SpawnFailed", { name: Schema.String, reason: Schema.String }) {
  override get message() {
    return `${this.name} could not be started: ${this.reason}`
  }
}

export class ChildExited extends Schema.TaggedError<ChildExited>()("ChildExited", {
  name: Schema.String,
  pid: Schema.Int,
  code: Schema.NullOr(Schema.Int),
  signal: Schema.NullOr(Schema.String),
  /** The last lines that it wrote there. */
  stderr: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.name} (pid ${this.pid}) ended with ${this.signal ?? `code ${this.code}`}`
  }
}

export class ChildHung extends Schema.TaggedError<ChildHung>()("ChildHung", {
  name: Schema.String,
  pid: Schema.Int,
  kind: Schema.Literals(["silent", "loop blocked", "op stuck"]),
  /** The native operation in flight. */
  op: Schema.NullOr(Schema.String),
  seconds: Schema.Finite,
  /** Native operations that it had finished, and how long its event loop had not turned; null where it was never heard. */
  ops_done: Schema.NullOr(Schema.Int),
  loop_seconds: Schema.NullOr(Schema.Finite),
  /** What the kernel said of the process when it was found: `stopped`, `running`, `sleeping in futex_wait`; then of each thread. */
  process: Schema.String,
  threads: Schema.Array(Schema.String),
  /** Where in JavaScript its event loop was held up, innermost call first; empty where that is not what holds it, or it did not say. */
  stack: Schema.Array(Schema.String)
}) {
  override get message() {
    // What Node does inside a call of ours is not where to look.
    const place = this.op ?? this.stack.find((frame) => !frame.includes("(node:")) ?? null
    const where = place === null ? "" : ` in ${place}`
    return `${this.name} (pid ${this.pid}) hung, ${this.kind}${where} for ${this.seconds.toFixed(1)} s, process ${this.process}; killed`
  }
}

export type ChildLost = ChildExited | ChildHung
