/** One line that says why something ended, for events and status. */
import * as Cause from "effect/Cause"

export const reasonOf = (cause: Cause.Cause<unknown>): string => {
  if (cause.reasons.length === 0) return "ended"
  if (Cause.hasInterruptsOnly(cause)) return "stopped"
  const error = Cause.squash(cause)
  if (!(error instanceof Error)) return String(error)
  return error.message === "" ? error.name : `${error.name}: ${error.message}`
}
