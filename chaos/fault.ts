/** What a kind of fault is: how a trial of it is drawn, what happens then, and what must hold besides the equal end. */
import type { EventType } from "../actors/events.ts"
import type { StampedEvent } from "../actors/journal.ts"
import type { Draw } from "./draw.ts"
import type { RaeProcess } from "./rae-process.ts"
import type { SmallDisk } from "./small-disk.ts"

/** What the undisturbed run was like: moments are drawn within it. */
export interface Shape {
  /** Every step of every variant, in their order. */
  readonly steps: ReadonlyArray<{ readonly variant: string; readonly step: number }>
  /** Step that each checkpoint was taken at, in the order of their commits. */
  readonly commits: ReadonlyArray<{ readonly variant: string; readonly step: number }>
  readonly variants: ReadonlyArray<string>
  readonly evaluations: number
  readonly pruned: number
  readonly checkpointBytes: number
  readonly cached: boolean
  readonly seconds: number
}

/** When a fault strikes: at something that happens, never after a time, so that a seed replays. */
export type Moment =
  /** With the start of the first process: its environment holds the fault. */
  | { readonly _tag: "FromStart" }
  /** An engine has loaded its libraries and fills its state; no run directory may exist yet. */
  | { readonly _tag: "Loading" }
  | { readonly _tag: "Step"; readonly variant: string; readonly step: number }
  | { readonly _tag: "Event"; readonly type: EventType; readonly nth: number }
  /** The checkpointer is held at a failpoint. */
  | { readonly _tag: "Held"; readonly failpoint: string; readonly visit: number }

/** The scene as a fault finds it. */
export interface Scene {
  readonly runDir: string
  readonly cacheDir: string
  readonly disk: SmallDisk | null
  readonly supervisor: () => RaeProcess
  /** The run's name of a variant, or of the run itself where it has none. */
  readonly runOf: (variant: string) => string
  /** The engine that runs now, and is another than `not`; waits for one. */
  readonly engine: (not?: number) => Promise<number>
  /** To the supervisor; an end by it is then no failure. */
  readonly signal: (signal: NodeJS.Signals) => void
  /** The first event that is as wanted, there already (from `after` on) or still to come. */
  readonly until: (wanted: (event: StampedEvent) => boolean, after?: number) => Promise<StampedEvent>
  /** Waits for a condition that no event tells of. */
  readonly eventually: <A>(found: () => A | null) => Promise<A>
  /** The strike itself, timed: the first event of these types after it is its detection. */
  readonly strike: <A>(detectedBy: ReadonlyArray<EventType>, act: () => A) => A
  /** A fault that the run makes in itself (`rae inject`). */
  readonly inject: (fault: string) => Promise<void>
  /** Number of events so far. */
  readonly now: () => number
}

/** What a finished trial looked like from outside. */
export interface Seen {
  readonly events: ReadonlyArray<StampedEvent>
  readonly shape: Shape
  /** Whether this was the only fault: what another took down does not tell of this one. */
  readonly alone: boolean
}

export interface Plan {
  /** What is done, in words, with all that was drawn. */
  readonly text: string
  readonly moment: Moment
  /** For the first process: `RAE_FAILPOINT` and `RAE_FAULT`, joined where two faults are planned. */
  readonly failpoints?: ReadonlyArray<string>
  readonly actorFaults?: ReadonlyArray<string>
  /** The run lies on a small disk of its own. */
  readonly needsDisk?: boolean
  /** The first process ends itself by SIGKILL. */
  readonly endsItself?: boolean
  readonly act?: (scene: Scene) => void | Promise<void>
  /** Whether a fault from the start came to pass: what it was to happen in may not have come. */
  readonly struck?: (seen: Seen) => boolean
  /** What else must hold, as complaints. */
  readonly complaints?: (seen: Seen) => ReadonlyArray<string>
}

export interface Fault {
  readonly name: string
  readonly says: string
  /** Whether it may be one of two at once: it neither leaves too little to go on from nor needs the machine for itself. */
  readonly combines: boolean
  /** `equal`: ends with the reference's bits; `finite`: what it skips is recorded, and the state is finite. */
  readonly ends: "equal" | "finite"
  /** Null: it cannot happen in a run of this shape. */
  readonly draw: (draw: Draw, shape: Shape) => Plan | null
}

/** A step to strike at, some before the last: the news of a step takes a moment, and a fault must not come too late. */
export const stepMoment = (draw: Draw, { steps }: Shape, from = 0): Extract<Moment, { readonly _tag: "Step" }> => {
  const margin = Math.ceil(steps.length / 5)
  const { step, variant } = steps[draw.whole(Math.min(from, steps.length - 1 - margin), steps.length - 1 - margin)]!
  return { _tag: "Step", variant, step }
}

export const at = (moment: Moment): string => {
  switch (moment._tag) {
    case "FromStart": return "from the start"
    case "Loading": return "while it loads"
    case "Step": return `after step ${moment.step}${moment.variant === "" ? "" : ` of ${moment.variant}`}`
    case "Event": return `at ${moment.type}${moment.nth === 1 ? "" : `, the ${moment.nth}th`}`
    case "Held": return `at ${moment.failpoint} of save ${moment.visit}`
  }
}

/** No restart of anything: what was done gives no cause for one, but a second fault may. */
export const noRestart = ({ alone, events }: Seen): ReadonlyArray<string> =>
  !alone ? [] : events.filter(({ type }) => type === "supervisor.child_down" || type === "engine.hung").map((event) => `a restart without cause: ${"reason" in event ? event.reason : event.type}`)
