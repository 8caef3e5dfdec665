/**
 * Which event an event answers, by its number: fault → decision → action → outcome.
 *
 *     fault.injected ← engine.exited ← supervisor.child_down ← engine.started ← engine.ready ← run.started ← train.step
 *     checkpoint.failed ← checkpoint.room_made, checkpoint.committed        pause.requested ← train.paused
 *
 * Whoever emits an event knows its own affairs alone; the order of the log tells the rest. An event waits here until another answers it.
 */
import type { Event } from "./events.ts"

/** Signals that ask for a checkpoint; all others that change anything ask for the end. */
const checkpointSignal = "SIGUSR1"

export const makeCauses = () => {
  /** Numbers of the events that nothing has answered yet, by what they wait for. */
  const waiting = new Map<string, number>()
  const newest = (...kinds: ReadonlyArray<string>): number | undefined => {
    const found = kinds.map((kind) => waiting.get(kind)).filter((seq) => seq !== undefined)
    return found.length === 0 ? undefined : Math.max(...found)
  }
  /** An answer to the newest settles the older ones. */
  const take = (...kinds: ReadonlyArray<string>): number | undefined => {
    const found = newest(...kinds)
    for (const kind of kinds) waiting.delete(kind)
    return found
  }

  const answered = (event: Event): number | undefined => {
    switch (event.type) {
      case "engine.exited": case "engine.hung": return take("engine fault")
      case "supervisor.child_down": return event.offender === "engine" ? take("engine lost") : take("actor fault", "gave up")
      case "supervisor.gave_up": return newest("engine down", "actor down")
      case "run.failed": return take("gave up", "engine down", "actor down", "went back")
      case "engine.started": return take("engine down", "engine lost")
      case "checkpoint.loaded": return take("passed over") ?? newest("engine started")
      case "engine.ready": return take("engine started")
      case "run.started": return take("engine ready")
      case "train.not_finite": return take("actor fault")
      case "train.step": return take("run started", "actor down", "actor restart", "went back")
      case "eval.failed": return newest("actor down")
      case "snapshot.taken": return event.reason === "asked for" ? take("save asked") : event.reason === "stopped" ? newest("stop asked") : undefined
      case "checkpoint.started": return newest("save failed") ?? take("snapshot")
      case "checkpoint.room_made": return newest("save failed", "disk fault")
      case "checkpoint.failed": return newest("save failed") ?? take("disk fault")
      // one that was past a disk fault when it came does not answer it
      case "checkpoint.committed": return take("save failed") ?? take("saving")
      case "checkpoint.pruned": return take("committed")
      case "train.paused": return event.reason === "asked to" ? take("pause asked") : newest("save failed")
      case "train.resumed": return take("resume asked") ?? newest("stop asked", "committed")
      case "run.stopped": return take("stop asked")
      default: return undefined
    }
  }

  const wait = (event: Event, seq: number, cause: number | undefined): void => {
    const kind = waitsFor(event, cause !== undefined)
    if (kind !== null) waiting.set(kind, seq)
  }

  return {
    /** The number of the event that this one, number `seq`, answers. To be asked of every event once, in their order. */
    of: (event: Event, seq: number): number | undefined => {
      const cause = event.cause ?? answered(event)
      wait(event, seq, cause)
      return cause
    }
  }
}

/** A start answers nothing where it is the first: what follows from it is no recovery. */
const waitsFor = (event: Event, answers: boolean): string | null => {
  switch (event.type) {
    case "fault.injected": return !event.accepted ? null : event.fault.startsWith("engine-") ? "engine fault" : event.fault === "disk-full" ? "disk fault" : "actor fault"
    case "restart.requested": return !event.accepted ? null : event.target === "engine" ? "engine fault" : "actor restart"
    case "engine.exited": case "engine.hung": return "engine lost"
    case "supervisor.child_down": return event.offender === "engine" ? "engine down" : "actor down"
    case "supervisor.gave_up": return "gave up"
    case "train.not_finite": case "train.micro_batch": return "went back"
    case "engine.started": return answers ? "engine started" : null
    case "engine.ready": return answers ? "engine ready" : null
    case "run.started": return answers ? "run started" : null
    case "checkpoint.quarantined": case "checkpoint.unread": return "passed over"
    case "checkpoint.requested": return event.accepted ? "save asked" : null
    case "signal.received": return event.signal === checkpointSignal ? "save asked" : event.signal === "SIGHUP" ? null : "stop asked"
    case "stop.requested": return "stop asked"
    case "pause.requested": return "pause asked"
    case "resume.requested": return "resume asked"
    case "snapshot.taken": return "snapshot"
    case "checkpoint.started": return "saving"
    case "checkpoint.failed": return "save failed"
    case "checkpoint.committed": return "committed"
    default: return null
  }
}
