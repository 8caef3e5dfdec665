/** How training ends where it leads nowhere. */
import * as Schema from "effect/Schema"

/** Values that are not finite, or a guard that the config lets stop the run. */
export class Diverged extends Schema.TaggedError<Diverged>()("Diverged", { step: Schema.Int, reason: Schema.String }) {
  override get message() { return this.reason }
}

/** How many steps before and with `step` are passed over, without one between them that was taken. */
export const skippedInARow = (skipped: ReadonlySet<number>, step: number): number => {
  let first = step
  while (skipped.has(first - 1)) first--
  return step - first + 1
}
