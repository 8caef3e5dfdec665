/** How a supervisor fails, so that it can itself be a child: each error says which child, and carries what that one failed with. */
import * as Schema from "effect/Schema"

const offence = { supervisor: Schema.String, child: Schema.String, cause: Schema.Unknown }

const because = (cause: unknown) => cause instanceof Error ? cause.message : String(cause)

export class TooManyRestarts extends Schema.TaggedError<TooManyRestarts>()("TooManyRestarts", {
  ...offence, max: Schema.Int, within_seconds: Schema.Finite
}) {
  override get message() {
    return `${this.supervisor} gave up on ${this.child}: more than ${this.max} restarts in ${this.within_seconds} s; last: ${because(this.cause)}`
  }
}

export class NoProgress extends Schema.TaggedError<NoProgress>()("NoProgress", {
  ...offence, restarts: Schema.Int, progress: Schema.Finite
}) {
  override get message() {
    return `${this.supervisor} gave up on ${this.child}: ${this.restarts} restarts and still at ${this.progress}; last: ${because(this.cause)}`
  }
}

export class Escalated extends Schema.TaggedError<Escalated>()("Escalated", offence) {
  override get message() {
    return `${this.child} failed beyond what ${this.supervisor} can repair: ${because(this.cause)}`
  }
}

export type SupervisorError = TooManyRestarts | NoProgress | Escalated

const isSupervisorError = (error: unknown): error is SupervisorError =>
  error instanceof TooManyRestarts || error instanceof NoProgress || error instanceof Escalated

/** What the child itself failed with, however many supervisors have passed it on. */
export const rootCause = (error: unknown): unknown => isSupervisorError(error) ? rootCause(error.cause) : error
