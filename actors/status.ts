/** What `GET /status` on the control socket answers and `rae status --json` prints: one document, schema 1, fields only ever added. */
import type { Ledger } from "./goodput.ts"
import type { Incident } from "./incidents.ts"

export interface ActorStatus {
  readonly name: string
  /** Place in the tree: 0 for the supervisor's children, 1 for the engine's. */
  readonly depth: number
  readonly state: "starting" | "idle" | "busy" | "restarting" | "stopped" | "failed"
  readonly detail: string | null
  readonly up_seconds: number | null
  readonly restarts: number
  readonly mailbox: { readonly depth: number; readonly capacity: number } | null
  readonly handles: { readonly count: number; readonly bytes: number } | null
  /** Seconds since it last did something. */
  readonly last_seconds: number | null
}

export type RunState = "starting" | "training" | "paused" | "recovering" | "stopping" | "done" | "stopped" | "failed"

export interface Status {
  readonly schema: 1
  readonly name: string
  readonly kind: "run" | "study"
  readonly state: RunState
  readonly pid: number
  readonly started_at: string
  readonly up_seconds: number
  readonly profile: string | null
  readonly device: string
  readonly precision: string
  readonly data: string
  readonly random_weights: boolean
  readonly variant: { readonly name: string; readonly index: number; readonly count: number } | null
  readonly step: number
  readonly steps: number
  readonly epoch: number
  readonly losses: Readonly<Record<string, number | null>>
  readonly lr: number | null
  /** Median seconds of each phase of the step over the last log interval. */
  readonly phase_seconds: Readonly<Record<string, number>>
  readonly step_seconds: number | null
  readonly images_per_second: number | null
  readonly eta_seconds: number | null
  readonly restarts: number
  readonly engine: { readonly pid: number | null; readonly op: string | null; readonly handles: number | null; readonly bytes: number | null; readonly rss_bytes: number | null }
  readonly actors: ReadonlyArray<ActorStatus>
  readonly last_checkpoint: { readonly step: number; readonly bytes: number; readonly at: string; readonly path: string } | null
  readonly unsaved_steps: number
  readonly disk: { readonly path: string; readonly free_bytes: number; readonly next_checkpoint_bytes: number | null }
  /** Oldest first: what was done about each, what came of it (null: nothing yet), steps to do again, seconds until training went on. */
  readonly last_failures: ReadonlyArray<Incident>
  /** Where the time of this run went, over all its processes, in seconds. */
  readonly goodput: Ledger
  readonly eval: { readonly step: number; readonly psnr: number; readonly ssim: number; readonly lpips: number | null } | null
}
