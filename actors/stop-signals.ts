/**
 * SIGINT and SIGTERM: the first finishes the step, saves and ends the run; the second ends it now. SIGHUP does not end a run, SIGUSR1
 * takes a checkpoint.
 */
import * as Effect from "effect/Effect"

export type StopSignal = "SIGINT" | "SIGTERM"
/** Shell convention: 128 and the signal's number. */
export const exitCodes: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 }

export interface Handlers {
  readonly onStop: (signal: StopSignal) => void
  /** Must not return: the process ends. */
  readonly onStopNow: (signal: StopSignal) => void
  readonly onCheckpoint: () => void
  readonly onHangUp: () => void
}

/** Installed for the scope's life. */
export const install = ({ onCheckpoint, onHangUp, onStop, onStopNow }: Handlers) => {
  let asked = false
  const stop = (signal: StopSignal) => {
    if (asked) return onStopNow(signal)
    asked = true
    onStop(signal)
  }
  const listeners: ReadonlyArray<readonly [NodeJS.Signals, () => void]> = [
    ["SIGINT", () => stop("SIGINT")], ["SIGTERM", () => stop("SIGTERM")], ["SIGUSR1", onCheckpoint], ["SIGHUP", onHangUp]
  ]
  return Effect.acquireRelease(
    Effect.sync(() => { for (const [signal, listener] of listeners) process.on(signal, listener) }),
    () => Effect.sync(() => { for (const [signal, listener] of listeners) process.off(signal, listener) })
  )
}
