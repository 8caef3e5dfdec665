/**
 * The block at the foot of the terminal while a run trains: pure, from the status document to lines.
 *
 *     lpips-1.0  step 520/1,000  ━━━━━━━━━━╺─────────  52%  eta 0:41
 *     loss  rec 0.204  lpips 0.541  gan 0.61  disc 0.94  w 0.27  lr 2.0e-4
 *     step 86 ms = data 1 + encode 0 + generator 48 + losses 19 + disc 18   11.6 img/s
 *
 * No line is as wide as the terminal, or some terminals would break it; what does not fit is left out from the right.
 */
import type { Status } from "../../actors/status.ts"
import { displayWidth, truncate } from "../formats/text-table.ts"
import { count, countdown, figure, milliseconds, size } from "./quantities.ts"
import type { Paint } from "./terminal.ts"

const shortNames: Readonly<Record<string, string>> = { weight: "w", discriminator: "disc" }
const short = (name: string) => shortNames[name] ?? name

export const bar = (fraction: number, width: number, paint: Paint): string => {
  const halves = Math.round(Math.min(1, Math.max(0, fraction)) * width * 2)
  const filled = "━".repeat(Math.floor(halves / 2)) + (halves % 2 === 1 ? "╺" : "")
  return paint("green", filled) + paint("dim", "─".repeat(width - filled.length))
}

/** As many parts as fit, in their order. */
const joined = (parts: ReadonlyArray<string>, gap: string, width: number): string => {
  let line = ""
  for (const part of parts) {
    const longer = line === "" ? part : line + gap + part
    if (displayWidth(longer) > width) break
    line = longer
  }
  return line
}

const words: Readonly<Record<Status["state"], string>> = {
  starting: "starting", training: "", paused: "paused", recovering: "recovering", stopping: "saving, then stopping", done: "done", stopped: "stopped", failed: "failed"
}

const progressLine = (status: Status, width: number, paint: Paint): string => {
  const variant = status.variant === null ? "" : `${status.variant.name.slice(status.variant.name.lastIndexOf("/") + 1)}  `
  if (status.steps === 0) return truncate(variant + words[status.state], width)
  const fraction = status.step / status.steps
  const step = `step ${count(status.step)}/${count(status.steps)}`
  const state = words[status.state]
  const percent = `${Math.floor(fraction * 100)}%`
  const eta = status.eta_seconds === null ? "" : `eta ${countdown(status.eta_seconds)}`
  const after = [percent, state === "" ? eta : state].filter((part) => part !== "")
  const least = `${step}  ${after.join("  ")}`
  const name = displayWidth(variant + least) + 12 <= width ? variant : ""
  const room = Math.min(40, width - displayWidth(name + least) - 2)
  if (room < 5) return truncate(least, width)
  return `${paint("bold", name)}${step}  ${bar(fraction, room, paint)}  ${after.join("  ")}`
}

const lossLine = (status: Status, width: number): string => {
  const known = Object.entries(status.losses).filter((entry): entry is [string, number] => entry[1] !== null && entry[0] !== "total")
  if (known.length === 0) return ""
  return joined(["loss", ...known.map(([name, value]) => `${short(name)} ${figure(value)}`), ...(status.lr === null ? [] : [`lr ${figure(status.lr)}`])], "  ", width)
}

const speedLine = (status: Status, width: number): string => {
  if (status.step_seconds === null) return ""
  const step = `step ${milliseconds(status.step_seconds)} ms`
  const speed = status.images_per_second === null ? "" : `${figure(status.images_per_second)} img/s`
  const phases = Object.entries(status.phase_seconds)
  /** The slowest `kept` phases, in their order, and a mark where others take time too. */
  const split = (kept: number) => {
    const slowest = new Set(phases.toSorted((a, b) => b[1] - a[1]).slice(0, kept))
    const told = phases.filter((phase) => slowest.has(phase)).map(([name, seconds]) => `${short(name)} ${milliseconds(seconds)}`)
    const rest = phases.some((phase) => !slowest.has(phase) && phase[1] >= 0.0005) ? ["…"] : []
    return told.length === 0 ? step : `${step} = ${[...told, ...rest].join(" + ")}`
  }
  const counts = phases.map((_, i) => phases.length - i)
  const fitting = counts.map(split).find((text) => displayWidth(text) + displayWidth(speed) + 3 <= width) ?? step
  return joined([fitting, speed], "   ", width)
}

const warningLine = (status: Status, width: number): string => {
  const { disk, last_checkpoint } = status
  const short = disk.next_checkpoint_bytes !== null && disk.free_bytes < disk.next_checkpoint_bytes
  if (!short) return ""
  const since = last_checkpoint === null ? "nothing saved yet" : `unsaved for ${count(status.unsaved_steps)} steps`
  return truncate(`${since}: disk has ${size(disk.free_bytes)} free, needs ${size(disk.next_checkpoint_bytes ?? 0)}`, width)
}

/** Two blanks at the left, one column free at the right. */
export const liveView = (status: Status, columns: number, paint: Paint): ReadonlyArray<string> => {
  const width = Math.max(1, columns - 3)
  const warning = warningLine(status, width)
  return [progressLine(status, width, paint), lossLine(status, width), speedLine(status, width), ...(warning === "" ? [] : [paint("yellow", warning)])]
    .filter((line) => line !== "")
    .map((line) => `  ${line}`)
}
