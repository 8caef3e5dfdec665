/** When a supervisor gives up: more restarts within a time than allowed, or restarts that lead nowhere. */
import * as Duration from "effect/Duration"

export interface Intensity {
  readonly max: number
  readonly within: Duration.Input
}

export interface RestartWindow {
  /** Counts a failure at `now` (monotonic milliseconds): how many there were in the window, this one included. */
  readonly record: (now: number) => number
}

export const makeRestartWindow = (intensity: Intensity): RestartWindow => {
  const within = Duration.toMillis(intensity.within)
  let failures: ReadonlyArray<number> = []
  return {
    record: (now) => {
      failures = [...failures.filter((at) => now - at < within), now]
      return failures.length
    }
  }
}

export interface Progress {
  /** A finite number that grows when the work does: the step of the newest checkpoint, say. */
  readonly value: () => number
  /** Restarts allowed while it does not grow. */
  readonly max: number
}

export interface ProgressGuard {
  /** Counts a failure: undefined, or how many restarts have led nowhere since the value last grew. */
  readonly record: () => { readonly restarts: number; readonly value: number } | undefined
}

export const makeProgressGuard = (progress: Progress | undefined): ProgressGuard => {
  let best = Number.NEGATIVE_INFINITY
  let restarts = 0
  return {
    record: () => {
      if (progress === undefined) return undefined
      const value = progress.value()
      if (value > best) {
        best = value
        restarts = 0
      }
      if (restarts >= progress.max) return { restarts, value }
      restarts++
      return undefined
    }
  }
}
