/**
 * One event in a few words, for the people who watch a run:
 *
 *     12:04:11  engine        down        SIGSEGV at step 408, 8 steps to redo, attempt 1/3
 *
 * `rae events` shows the fields as they are; this shows what they mean.
 */
import type { Event, EventType, Level } from "../../actors/events.ts"
import { padEnd } from "../formats/text-table.ts"
import { count, figure, milliseconds, size, span } from "./quantities.ts"
import { harmless, type Paint, type Style } from "./terminal.ts"

type Of<T extends EventType> = Extract<Event, { readonly type: T }>
type Words = readonly [verb: string, detail: string]

const some = (...parts: ReadonlyArray<string | null | false>): string => parts.filter((part) => part !== null && part !== false && part !== "").join(", ")
const plural = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? "" : "s"}`
const loss = (name: string, value: number | null): string | null => (value === null ? null : `${name} ${figure(value)}`)

/** Null: said elsewhere (the headline of a run) or of interest to debugging alone. */
const words: { readonly [T in EventType]: (event: Of<T>) => Words | null } = {
  "study.started": () => null,
  "study.finished": (e) => ["finished", some(plural(e.variants, "variant"), span(e.seconds), plural(e.restarts, "restart"))],
  "run.started": () => null,
  "run.finished": (e) => ["done", some(`${plural(e.step, "step")} in ${span(e.seconds)}`, plural(e.restarts, "restart"))],
  "run.stopped": (e) => ["stopped", some(`at step ${count(e.step)}`, e.saved ? "saved" : "not saved", e.reason)],
  "run.failed": (e) => ["failed", some(e.step !== null && `at step ${count(e.step)}`, e.message.split("\n")[0] ?? e.error)],
  "signal.received": (e) => [e.signal, e.action],
  "stop.requested": (e) => ["stop", e.action],
  "checkpoint.requested": (e) => ["asked", e.accepted ? "taking a checkpoint" : "no engine is up, no checkpoint is taken"],
  "pause.requested": (e) => ["pause", e.action],
  "resume.requested": (e) => ["resume", e.action],
  "restart.requested": (e) => ["restart", e.accepted ? e.target : `no ${e.target} to restart`],
  "fault.injected": (e) => ["injected", e.accepted ? e.fault : `${e.fault}: not possible now`],
  "record.failed": (e) => ["failed", e.message],
  "engine.started": (e) => (e.attempt > 1 ? ["started", `pid ${e.pid}, attempt ${e.attempt}`] : null),
  "engine.ready": (e) => ["ready", `at step ${count(e.step)} in ${span(e.seconds)}, libtorch ${e.libtorch}`],
  "engine.exited": (e) => ["exited", some(
    `${e.signal ?? `code ${e.code ?? "unknown"}`}${e.step === null ? "" : ` at step ${count(e.step)}`}`, e.stderr.at(-1) ?? null
  )],
  // logs of older versions have no stack
  "engine.hung": (e) => ["hung", some(
    `${e.kind} for ${span(e.silent_seconds)}${e.step === null ? "" : ` at step ${count(e.step)}`}`, e.op !== null ? `in ${e.op}` : e.stack?.[0] !== undefined && `in ${e.stack[0]}`
  )],
  "engine.stderr": (e) => ["says", e.line],
  "config.noted": (e) => ["noted", `${e.key}: ${e.note}`],
  "environment.changed": (e) => ["changed", `${e.variable} was ${e.was ?? "unset"}, is ${e.is ?? "unset"}: bits may differ`],
  "supervisor.child_down": (e) => ["down", some(
    (e.reason.split("\n")[0] ?? "").replace(`${e.offender}: `, ""), e.lost_steps !== null && `${plural(e.lost_steps, "step")} to redo`, `attempt ${e.attempt}/${e.max}`,
    e.delay_seconds > 0 && `again in ${span(e.delay_seconds)}`
  )],
  "supervisor.gave_up": (e) => ["gave up", some(e.offender, e.reason.split("\n")[0] ?? "")],
  "train.dry_step": (e) => ["dry step", `every phase fits, ${span(e.seconds)}`],
  "train.micro_batch": (e) => ["memory", some(`${plural(e.to, "image")} at a time instead of ${count(e.from)}`, e.rolled_back_to !== null && `back to step ${count(e.rolled_back_to)}`, e.reason)],
  "train.not_finite": (e) => ["passed by", some(`step ${count(e.step)}`, e.what === "loss" ? "a loss was not finite" : `the ${e.what}'s gradient was not finite`, e.rolled_back_to !== null && `back to step ${count(e.rolled_back_to)}`)],
  "train.diverging": (e) => ["diverging", some(`${e.guard} ${figure(e.value)} for ${plural(e.steps, "step")}`, `limit ${figure(e.limit)}`)],
  "train.phase": (e) => ["phase", `${e.phase} from step ${count(e.step)}`],
  "train.step": (e) => ["step", [
    count(e.step), loss("total", e.total), loss("rec", e.rec), loss("lpips", e.lpips), loss("gan", e.gan), loss("disc", e.disc), loss("w", e.weight),
    `lr ${figure(e.lr)}`, `${milliseconds(Object.values(e.seconds).reduce((sum, seconds) => sum + seconds, 0))} ms`, `${figure(e.images_per_second)} img/s`
  ].filter((part) => typeof part === "string").join("  ")],
  "train.paused": (e) => ["paused", some(`at step ${count(e.step)}`, e.reason)],
  "train.resumed": (e) => ["goes on", `at step ${count(e.step)}`],
  "train.epoch": (e) => ["epoch", some(`${count(e.epoch)} done at step ${count(e.step)}`, ...Object.entries(e.losses).map(([name, value]) => `${name} ${figure(value)}`))],
  "eval.finished": (e) => ["evaluated", some(
    `step ${count(e.step)}`, `psnr ${figure(e.psnr)}`, `ssim ${figure(e.ssim)}`, loss("lpips", e.lpips), loss("rfid", e.rfid ?? null), `${plural(e.images, "image")} in ${span(e.seconds)}`
  )],
  "eval.image_unreadable": (e) => ["left out", `${e.path}: ${e.reason}`],
  "eval.picture_failed": (e) => ["no picture", `step ${count(e.step)}, ${e.reason}`],
  "eval.cut_off": (e) => ["cut off", some(`step ${count(e.step)}`, `after ${plural(e.images, "image")}`)],
  "eval.failed": (e) => ["failed", `step ${count(e.step)}, ${e.reason}`],
  "snapshot.taken": () => null,
  "checkpoint.started": () => null,
  "checkpoint.committed": (e) => ["committed", `step ${count(e.step)}, ${size(e.bytes)} in ${span(e.seconds)}, verified`],
  "checkpoint.failed": (e) => [/diskfull/i.test(e.error) ? "disk full" : "failed", some(
    e.needed !== null && e.free !== null ? `needs ${size(e.needed)}, free ${size(e.free)}` : e.message,
    `unsaved for ${plural(e.unsaved_steps, "step")}`, e.retry_seconds > 0 ? `again in ${span(e.retry_seconds)}` : "trying the second directory"
  )],
  "checkpoint.room_made": (e) => ["made room", some(
    e.freed.length === 0 ? "nothing left to give up" : e.freed.map(({ bytes, name }) => `${name} (${size(bytes)})`).join(" and "), `free ${size(e.free)}`, e.needed !== null && `needs ${size(e.needed)}`
  )],
  "checkpoint.cleanup_failed": (e) => ["kept", e.message],
  "checkpoint.scrubbed": () => null,
  "checkpoint.pruned": () => null,
  "checkpoint.quarantined": (e) => ["quarantined", `step ${count(e.step)}, ${e.reason}; kept at ${e.path}`],
  "checkpoint.unread": (e) => ["not read", `step ${count(e.step)}, ${e.reason}; left at ${e.path}`],
  "checkpoint.loaded": (e) => ["loaded", `step ${count(e.step)}`],
  "checkpoint.leftovers_removed": (e) => ["removed", `${plural(e.paths.length, "unfinished checkpoint")}`],
  "feature_cache.used": (e) => ["cache", e.enabled ? some(`${count(e.hits)} latents found`, `${count(e.encoded)} encoded`, size(e.bytes)) : "off: no crop repeats"],
  "feature_cache.failed": (e) => ["failed", e.reason],
  "data.image_replaced": (e) => ["replaced", `${e.path}: ${e.reason}`],
  "data.unreadable": (e) => ["unreadable", some(plural(e.images.length, "image"), ...e.images.map(({ path, reason }) => `${path}: ${reason}`).slice(0, 5))],
  "data.upscaled": (e) => ["upscaled", `${e.path} is ${e.width}x${e.height}, smaller than ${e.needed}`],
  "log.dropped": (e) => ["dropped", `${plural(e.events, "event")}: ${e.reason}`]
}

const styles: Readonly<Record<Level, Style>> = { debug: "dim", info: "bold", warn: "yellow", error: "red" }

export const lineOf = ({ actor, detail, level, verb }: { readonly actor: string; readonly level: Level; readonly verb: string; readonly detail: string }, time: string, paint: Paint): string =>
  `${paint("dim", time)}  ${padEnd(actor, 13)}  ${paint(styles[level], padEnd(verb, 10))}  ${detail}`.trimEnd()

/** Null where there is nothing to say. `time` comes first, as the caller likes to show it. */
export const eventLine = (event: Event, time: string, paint: Paint): string | null => {
  const said = (words[event.type] as ((event: Event) => Words | null) | undefined)?.(event)
  if (!said) return null
  const actor = event.type === "supervisor.child_down" ? event.offender : event.actor
  return lineOf({ actor: harmless(actor), level: event.level, verb: said[0], detail: harmless(said[1]) }, time, paint)
}
