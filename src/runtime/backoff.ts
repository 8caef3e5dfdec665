/** How long to wait before the n-th restart in a row: exponential, capped, and jittered so that several do not restart in step. */
import * as Duration from "effect/Duration"

export interface Backoff {
  readonly initial: Duration.Input
  readonly factor: number
  readonly max: Duration.Input
  /** 0.2: between 80 % and 120 % of the delay. */
  readonly jitter: number
}

export const defaultBackoff: Backoff = { initial: "100 millis", factor: 2, max: "10 seconds", jitter: 0.2 }

/** Milliseconds before attempt `attempt` (from 1); `random` is in [0, 1). */
export const delayMillis = (backoff: Backoff, attempt: number, random: number): number => {
  const initial = Duration.toMillis(backoff.initial)
  const delay = Math.min(initial * backoff.factor ** (attempt - 1), Duration.toMillis(backoff.max))
  return delay * (1 + backoff.jitter * (2 * random - 1))
}
