/** What a supervisor needs to know of a child, as data: an actor, a process, a server and a supervisor are all described by it. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** What a supervisor does about a failure: the type of the error decides. */
export type Response = "restart" | "stop" | "escalate"

/** `undefined`: no opinion, the next one up is asked; nobody's opinion means restart. */
export type OnFailure = (error: unknown) => Response | undefined

/** What a child is doing, for the status listing. */
export interface Activity {
  readonly busy: boolean
  /** The operation in hand. */
  readonly op: string | null
  readonly mailbox: { readonly depth: number; readonly capacity: number } | null
  /** When it last did something, on the monotonic clock. */
  readonly lastMillis: number | null
}

export interface Child<R = never> {
  readonly name: string
  /** One incarnation, in a scope of its own. It runs `ready` once it can serve: the next child starts then. */
  readonly run: (ready: Effect.Effect<void>) => Effect.Effect<unknown, unknown, R | Scope.Scope>
  /** `permanent` (the default) is always restarted, `transient` only after a failure, `temporary` never. */
  readonly restart?: "permanent" | "transient" | "temporary" | undefined
  /** When it ends normally, so does its supervisor, the siblings being stopped in order. For the work that the others are there for. */
  readonly significant?: boolean | undefined
  /** How long it may take to stop before it is left behind. 5 seconds; a supervisor has all the time that its own children take. */
  readonly shutdown?: Duration.Input | undefined
  readonly onFailure?: OnFailure | undefined
  readonly activity?: (() => Activity) | undefined
  /** A supervisor's own children, as they stand at that depth of the tree. */
  readonly children?: ((depth?: number) => ReadonlyArray<ChildStatus>) | undefined
}

export interface ChildStatus {
  readonly name: string
  /** 0 for the children of the supervisor that was asked, 1 for theirs. */
  readonly depth: number
  readonly state: "starting" | "idle" | "busy" | "restarting" | "stopped" | "failed"
  readonly op: string | null
  readonly restarts: number
  readonly up_seconds: number | null
  readonly mailbox: { readonly depth: number; readonly capacity: number } | null
  readonly last_seconds: number | null
  /** Why it last went down. */
  readonly reason: string | null
}
