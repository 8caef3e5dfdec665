/** The event log cannot be read: its directory or a file of it is out of reach. Writing never fails, it degrades. */
import * as Schema from "effect/Schema"

export class EventLogFailed extends Schema.TaggedError<EventLogFailed>()("EventLogFailed", { path: Schema.String, reason: Schema.String }) {
  override get message() {
    return `event log ${this.path}: ${this.reason}`
  }
}
