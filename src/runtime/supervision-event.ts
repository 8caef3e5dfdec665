/** What a supervisor reports: OTP's four fields (supervisor, context, reason, offender) and what it is going to do. */
import type { Response } from "./child-spec.ts"

export type Strategy = "one-for-one" | "rest-for-one" | "one-for-all"

export interface ChildStarted {
  readonly type: "child_started"
  readonly supervisor: string
  readonly child: string
  /** 1 for the first start. */
  readonly attempt: number
}

export interface ChildDown {
  readonly type: "child_down"
  readonly supervisor: string
  /** Whether it failed before it was ready or after. */
  readonly context: "start_error" | "child_terminated"
  readonly reason: string
  readonly offender: string
  readonly strategy: Strategy
  readonly response: Response
  /** Failures in the window, this one included, and how many of them are allowed. */
  readonly attempt: number
  readonly max: number
  readonly delay_seconds: number
  /** The children that are restarted, in order of start. */
  readonly affected: ReadonlyArray<string>
  /** What it failed with; undefined where it ended without being allowed to. */
  readonly error: unknown
}

export interface ChildStopped {
  readonly type: "child_stopped"
  readonly supervisor: string
  /** `shutdown_error`: it did not stop within its deadline and was left behind. */
  readonly context: "shutdown" | "shutdown_error"
  readonly reason: string
  readonly offender: string
}

export interface GaveUp {
  readonly type: "gave_up"
  readonly supervisor: string
  readonly context: "intensity" | "no_progress" | "escalated"
  readonly reason: string
  readonly offender: string
  readonly error: unknown
}

export type SupervisionEvent = ChildStarted | ChildDown | ChildStopped | GaveUp
