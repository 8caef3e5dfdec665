/**
 * What is known of the running study, folded from its events and the engine's pulses: the document that `rae status` prints.
 *
 * `apply` takes events as they are logged; `pulse` takes what the engine says of its actors several times a second.
 */
import type { EngineActor } from "./engine-protocol.ts"
import { type Ledger, makeGoodput } from "./goodput.ts"
import { makeIncidents } from "./incidents.ts"
import type { StampedEvent } from "./journal.ts"
import type { ActorStatus, RunState, Status } from "./status.ts"
import { exitCodes } from "./stop-signals.ts"

export interface Identity {
  readonly name: string
  readonly kind: "run" | "study"
  readonly profile: string | null
  readonly device: string
  readonly precision: string
  readonly data: string
  readonly random_weights: boolean
}

interface Pulse { readonly step: number; readonly epoch: number; readonly actors: ReadonlyArray<EngineActor>; readonly handles: number; readonly bytes: number; readonly rss_bytes: number }

const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? null

/** `booked`: what earlier processes of this run have spent. */
export const make = (identity: Identity, startedAt: Date, booked?: Ledger) => {
  let state: RunState = "starting"
  let variant: Status["variant"] = null
  let step = 0, steps = 0, epoch = 0, lr: number | null = null, restarts = 0
  let losses: Record<string, number | null> = {}
  let phases: Record<string, number> = {}
  let imagesPerSecond: number | null = null
  let stepSeconds: number | null = null
  let recentSeconds: Array<number> = []
  let enginePid: number | null = null, engineSince: number | null = null, engineRestarts = 0, lastPulse: number | null = null
  let pulsed: Pulse | null = null
  let checkpoint: Status["last_checkpoint"] = null
  /** The run that it belongs to: events of the first engine come before its variant is entered. */
  let checkpointOf: string | null = null
  let evaluated: Status["eval"] = null

  const incidents = makeIncidents()
  const goodput = makeGoodput(startedAt, booked)

  const apply = (event: StampedEvent): void => {
    const { time } = event
    incidents.apply(event)
    goodput.apply(event)
    switch (event.type) {
      case "run.started": state = "training"; steps = event.steps; step = event.resumed_from ?? 0; recentSeconds = []; stepSeconds = null; losses = {}; evaluated = null; break
      case "run.finished": state = "done"; step = event.step; break
      case "run.stopped": state = "stopped"; step = event.step; break
      case "run.failed": state = "failed"; break
      case "engine.started": enginePid = event.pid; engineSince = Date.now(); break
      case "engine.ready": if (state !== "stopping") state = "training"; step = event.step; break
      case "engine.exited": enginePid = null; pulsed = null; break
      case "engine.hung": enginePid = null; pulsed = null; break
      case "stop.requested": state = "stopping"; break
      case "signal.received": if (event.signal in exitCodes) state = "stopping"; break
      case "supervisor.child_down":
        state = "recovering"
        restarts++
        if (event.offender === "engine") engineRestarts++
        break
      case "train.paused": if (state !== "stopping") state = "paused"; break
      case "train.resumed": if (state === "paused") state = "training"; break
      case "train.step":
        // Actors within the engine restart without its being made ready again.
        if (state === "recovering") state = "training"
        step = event.step
        epoch = event.epoch
        lr = event.lr
        losses = { total: event.total, rec: event.rec, lpips: event.lpips, gan: event.gan, disc: event.disc, weight: event.weight }
        phases = { ...event.seconds }
        imagesPerSecond = event.images_per_second
        recentSeconds = [...recentSeconds, Object.values(event.seconds).reduce((sum, seconds) => sum + seconds, 0)].slice(-10)
        stepSeconds = median(recentSeconds)
        break
      case "eval.finished": evaluated = { step: event.step, psnr: event.psnr, ssim: event.ssim, lpips: event.lpips }; break
      case "checkpoint.committed": checkpointOf = event.run; checkpoint = { step: event.step, bytes: event.bytes, at: time, path: event.path }; break
      case "checkpoint.loaded": checkpointOf = event.run; checkpoint = { step: event.step, bytes: event.bytes, at: event.written_at, path: event.path }; break
      default: break
    }
  }

  /** `op`: the native operation in flight. */
  const toStatus = (own: { readonly actors: ReadonlyArray<ActorStatus>; readonly op: string | null; readonly disk: Status["disk"] }): Status => {
    const now = Date.now()
    const engine: ActorStatus = {
      name: "engine", depth: 0, state: enginePid === null ? "restarting" : pulsed === null ? "starting" : "busy", detail: enginePid === null ? null : `pid ${enginePid}`,
      up_seconds: engineSince === null ? null : (now - engineSince) / 1000, restarts: engineRestarts, mailbox: null,
      handles: pulsed === null ? null : { count: pulsed.handles, bytes: pulsed.bytes }, last_seconds: lastPulse === null ? null : (now - lastPulse) / 1000
    }
    return {
      schema: 1, ...identity, state, pid: process.pid, started_at: startedAt.toISOString(), up_seconds: (now - startedAt.getTime()) / 1000, variant,
      step, steps, epoch, losses, lr, phase_seconds: phases, step_seconds: stepSeconds, images_per_second: imagesPerSecond,
      eta_seconds: stepSeconds === null || state === "done" ? null : Math.max(0, steps - step) * stepSeconds, restarts,
      engine: { pid: enginePid, op: own.op ?? pulsed?.actors.find(({ name }) => name === "trainer")?.detail ?? null, handles: pulsed?.handles ?? null, bytes: pulsed?.bytes ?? null, rss_bytes: pulsed?.rss_bytes ?? null },
      actors: [...own.actors, engine, ...(pulsed?.actors ?? [])], last_checkpoint: checkpoint, unsaved_steps: Math.max(0, step - (checkpoint?.step ?? 0)),
      disk: own.disk, last_failures: incidents.list(), goodput: goodput.ledger(new Date(now)), eval: evaluated
    }
  }

  return {
    apply, toStatus,
    pulse: (pulse: Pulse): void => { pulsed = pulse; lastPulse = Date.now(); step = Math.max(step, pulse.step); epoch = pulse.epoch },
    enter: (run: string, next: NonNullable<Status["variant"]> | null): void => {
      variant = next
      checkpoint = checkpointOf === run ? checkpoint : null
      step = checkpoint?.step ?? 0
    },
    ledger: () => goodput.ledger(new Date()),
    step: () => step,
    stepSeconds: () => stepSeconds,
    restarts: () => restarts
  }
}
export type RunStatus = ReturnType<typeof make>
