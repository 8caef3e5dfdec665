/**
 * The run's figures as Effect metrics, in a registry of their own: as text for Prometheus, and for OTLP where that is configured.
 *
 * What is counted comes from events, what is measured from the status, at the moment that somebody looks. Names follow Prometheus's
 * conventions: base units, `_total` for what only grows; it counts from the supervisor's start.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { prometheusText, type Sample } from "../src/formats/prometheus.ts"
import type { StampedEvent } from "./journal.ts"
import type { Status } from "./status.ts"

type Labels = Readonly<Record<string, string>>

const states: ReadonlyArray<string> = ["starting", "training", "paused", "recovering", "stopping", "done", "stopped", "failed"]

const sampleOf = (snapshot: Metric.Metric.Snapshot): ReadonlyArray<Sample> => {
  if (snapshot.type !== "Counter" && snapshot.type !== "Gauge") return []
  const value = Number(snapshot.type === "Counter" ? snapshot.state.count : snapshot.state.value)
  return [{ id: snapshot.id, type: snapshot.type === "Counter" ? "counter" : "gauge", description: snapshot.description ?? "", labels: snapshot.attributes ?? {}, value }]
}

export const makeRegistry = (name: string) => {
  const map: Metric.MetricRegistry = new Map()
  const registry = Context.merge(Context.empty(), Context.make(Metric.MetricRegistry, map)) as Context.Context<never>
  const gauge = (id: string, description: string, value: number | null | undefined, labels: Labels = {}) => {
    if (value !== null && value !== undefined) Metric.gauge(`rae_${id}`, { description, attributes: { run: name, ...labels } }).updateUnsafe(value, registry)
  }
  const counted = (id: string, description: string, by: number, labels: Labels = {}) =>
    Metric.counter(`rae_${id}`, { description, attributes: { run: name, ...labels }, incremental: true }).updateUnsafe(by, registry)

  /** Counts; returns at once and never throws. */
  const apply = (event: StampedEvent): void => {
    if (event.level === "warn" || event.level === "error") counted("events_total", "events of level warn and error", 1, { level: event.level })
    switch (event.type) {
      case "supervisor.child_down": counted("restarts_total", "restarts of an actor or of the engine", 1, { actor: event.offender }); break
      case "checkpoint.committed":
        counted("checkpoints_total", "checkpoints committed", 1)
        gauge("checkpoint_seconds", "time that the last checkpoint took to write and verify", event.seconds)
        break
      case "checkpoint.failed": counted("checkpoint_failures_total", "checkpoints that the disk refused", 1); break
      case "data.image_replaced": counted("images_replaced_total", "unreadable images", 1); break
      case "log.dropped": counted("log_events_dropped_total", "events that the log could not keep", event.events); break
      default: break
    }
  }

  const measure = (status: Status): void => {
    const variant = status.variant?.name ?? status.name
    for (const state of states) gauge("state", "1 for the state that the run is in", status.state === state ? 1 : 0, { state })
    gauge("up_seconds", "time since the supervisor started", status.up_seconds)
    gauge("step", "last step", status.step)
    gauge("steps", "steps of the whole run", status.steps)
    gauge("epoch", "epochs done", status.epoch)
    gauge("variant", "place of the variant in the study, from 1", status.variant?.index)
    for (const [loss, value] of Object.entries(status.losses)) gauge("loss", "mean over the last log interval", value, { loss, variant })
    gauge("learning_rate", "of the decoder's optimizer", status.lr)
    gauge("step_seconds", "median time of a step", status.step_seconds)
    for (const [phase, seconds] of Object.entries(status.phase_seconds)) gauge("phase_seconds", "median time of a phase of the step", seconds, { phase })
    gauge("images_per_second", "training speed", status.images_per_second)
    gauge("unsaved_steps", "steps since the last checkpoint", status.unsaved_steps)
    gauge("checkpoint_step", "step of the last checkpoint", status.last_checkpoint?.step)
    gauge("checkpoint_timestamp_seconds", "when the last checkpoint was committed", status.last_checkpoint === null ? null : Date.parse(status.last_checkpoint.at) / 1000)
    gauge("disk_free_bytes", "free space where the run is kept", status.disk.free_bytes)
    gauge("next_checkpoint_bytes", "space that the next checkpoint needs", status.disk.next_checkpoint_bytes)
    gauge("engine_resident_bytes", "memory of the engine", status.engine.rss_bytes)
    gauge("tensors", "live tensors of the engine", status.engine.handles)
    gauge("tensor_bytes", "bytes of the engine's live tensors", status.engine.bytes)
    for (const { mailbox, name: actor } of status.actors) gauge("mailbox_letters", "letters that wait for an actor", mailbox?.depth, { actor })
    for (const metric of ["psnr", "ssim", "lpips"] as const) gauge("evaluation", "last evaluation on held-out images", status.eval?.[metric], { metric, variant })
  }
  return { map, apply, measure, text: (): string => prometheusText(Metric.snapshotUnsafe(registry).flatMap(sampleOf)) }
}
export type Registry = ReturnType<typeof makeRegistry>
