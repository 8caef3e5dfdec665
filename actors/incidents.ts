/** What went wrong last, what was done about it, what came of it and what it cost: folded from the events, for `rae status`. */
import type { StampedEvent } from "./journal.ts"

export interface Incident {
  /** The event that told of it. */
  readonly seq: number
  readonly at: string
  readonly actor: string
  readonly reason: string
  readonly action: string
  /** Null while it is not over. */
  readonly outcome: string | null
  /** Steps that are done again. */
  readonly lost_steps: number | null
  /** From the failure until training went on, or until the state was saved after all. */
  readonly lost_seconds: number | null
}

/** How many are remembered. */
const kept = 5

export const makeIncidents = () => {
  let incidents: ReadonlyArray<Incident> = []
  const add = ({ seq, time }: StampedEvent, actor: string, reason: string, action: string, rest: Partial<Pick<Incident, "outcome" | "lost_steps">> = {}) => {
    incidents = [...incidents, { seq, at: time, actor, reason, action, outcome: null, lost_steps: null, lost_seconds: null, ...rest }].slice(-kept)
  }
  const change = (wanted: (incident: Incident) => boolean, to: (incident: Incident) => Incident) => {
    incidents = incidents.map((incident) => wanted(incident) ? to(incident) : incident)
  }
  /** Those that stopped training; a save that fails is another matter, and one that has an outcome is over. */
  const isOpen = ({ actor, outcome }: Incident) => outcome === null && actor !== "checkpointer"
  const seconds = (from: string, to: string) => Math.max(0, Date.parse(to) - Date.parse(from)) / 1000

  const apply = (event: StampedEvent): void => {
    const { time } = event
    switch (event.type) {
      case "engine.exited":
        add(event, "engine", `${event.signal ?? `code ${event.code ?? "unknown"}`}${event.step === null ? " while it was loading" : ` at step ${event.step}`}`, "started another")
        break
      case "engine.hung":
        add(event, "engine", `silent for ${event.silent_seconds.toFixed(1)} s${event.op === null ? "" : ` in ${event.op}`}`, "killed it")
        break
      case "supervisor.child_down": {
        const action = `restarted it (attempt ${event.attempt} of ${event.max})`
        const told = incidents.some(({ seq }) => seq === event.cause)
        if (told) change(({ seq }) => seq === event.cause, (incident) => ({ ...incident, action, lost_steps: event.lost_steps }))
        else add(event, event.offender, event.reason, action, { lost_steps: event.lost_steps })
        break
      }
      case "supervisor.gave_up":
        if (incidents.some(({ actor, outcome }) => actor === event.offender && outcome === null)) {
          change(({ actor, outcome }) => actor === event.offender && outcome === null, (incident) => ({ ...incident, outcome: "gave up" }))
        } else add(event, event.offender, event.reason, "gave up", { outcome: "the run ended" })
        break
      case "run.failed": add(event, "supervisor", event.message, "stopped the run", { outcome: "the run ended" }); break
      case "train.not_finite": add(event, "trainer", `${event.what === "loss" ? "a loss" : `the ${event.what}'s gradient`} was not finite at step ${event.step}`, "passed the step over", { outcome: "training went on" }); break
      case "train.micro_batch": add(event, "trainer", event.reason, `${event.to} instead of ${event.from} images at a time`, { outcome: "training went on" }); break
      case "train.diverging": add(event, "trainer", `${event.guard} ${event.value} for ${event.steps} steps`, "said so", { outcome: "training went on" }); break
      case "eval.failed": add(event, "evaluator", event.reason, "went on without it", { outcome: "no figures for that step" }); break
      case "checkpoint.failed": {
        const action = `kept step ${event.step} in memory, next try in ${event.retry_seconds.toFixed(1)} s`
        const again = incidents.findLast(({ actor, outcome }) => actor === "checkpointer" && outcome === null)
        if (again === undefined) add(event, "checkpointer", event.message, action)
        else change((incident) => incident === again, (incident) => ({ ...incident, reason: event.message, action }))
        break
      }
      case "checkpoint.committed":
        change(({ actor, outcome }) => actor === "checkpointer" && outcome === null, (incident) => ({ ...incident, outcome: `saved at step ${event.step}`, lost_seconds: seconds(incident.at, time) }))
        break
      case "checkpoint.quarantined": add(event, "checkpointer", event.reason, "quarantined it", { outcome: "the one before is used" }); break
      case "checkpoint.unread": add(event, "checkpointer", event.reason, "left it where it is", { outcome: "the one before is used" }); break
      // A new engine says so before its first step; actors that were restarted in the same one do not.
      case "run.started":
        change(isOpen, (incident) => ({ ...incident, outcome: `training again from step ${event.resumed_from ?? 0}`, lost_seconds: seconds(incident.at, time) }))
        break
      case "train.step":
        change(isOpen, (incident) => ({ ...incident, outcome: `training again at step ${event.step}`, lost_seconds: seconds(incident.at, time) }))
        break
      // What it was waiting for came to nothing, or is no longer wanted.
      case "study.started": change(({ outcome }) => outcome === null, (incident) => ({ ...incident, outcome: "the run ended" })); break
      default: break
    }
  }
  return { apply, list: () => incidents }
}
export type Incidents = ReturnType<typeof makeIncidents>
