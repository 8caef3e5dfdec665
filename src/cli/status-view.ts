/** `rae status` on one screen: pure, from documents to lines. */
import { total, type Account, type Ledger } from "../../actors/goodput.ts"
import type { Incident } from "../../actors/incidents.ts"
import type { RunJson } from "../../actors/run-json.ts"
import type { ActorStatus, Status } from "../../actors/status.ts"
import { displayWidth, layOut } from "../formats/text-table.ts"
import { clock, count, countdown, figure, milliseconds, size, span } from "./quantities.ts"
import { harmless, type Paint, type Style } from "./terminal.ts"

const stateStyles: Readonly<Record<string, Style>> = {
  training: "green", starting: "yellow", paused: "yellow", recovering: "yellow", stopping: "yellow", done: "green", stopped: "dim", failed: "red", died: "red"
}

const name = (actor: ActorStatus, i: number, actors: ReadonlyArray<ActorStatus>): string =>
  actor.depth === 0 ? actor.name : `${(actors[i + 1]?.depth ?? 0) < actor.depth ? " └" : " ├"} ${actor.name}`

const actorRows = (actors: ReadonlyArray<ActorStatus>): ReadonlyArray<ReadonlyArray<string>> =>
  actors.map((actor, i) => [
    name(actor, i, actors),
    actor.state,
    actor.up_seconds === null ? "–" : span(actor.up_seconds),
    count(actor.restarts),
    actor.mailbox === null ? "–" : `${actor.mailbox.depth}/${actor.mailbox.capacity}`,
    actor.handles === null ? "–" : count(actor.handles.count),
    actor.last_seconds === null ? "–" : span(actor.last_seconds),
    actor.detail ?? ""
  ])
const actorColumns = [
  { title: "ACTOR" }, { title: "STATE" }, { title: "UP" }, { title: "RESTARTS" }, { title: "MAILBOX" }, { title: "HANDLES" }, { title: "LAST" }, { title: "DETAIL", least: 10 }
]

const facts = (rows: ReadonlyArray<readonly [string, string]>, width: number): ReadonlyArray<string> =>
  layOut([{ title: "" }, { title: "", least: 20 }], rows.filter(([, fact]) => fact !== ""), width).slice(1)

const lossText = (losses: Status["losses"]): string =>
  Object.entries(losses).filter((entry): entry is [string, number] => entry[1] !== null).map(([key, value]) => `${key} ${figure(value)}`).join("  ")

const setting = (of: { readonly profile: string | null; readonly device: string; readonly precision: string; readonly data: string | null; readonly random_weights: boolean }): string =>
  [`profile ${of.profile ?? "none"}`, `${of.device} ${of.precision}`, `data ${harmless(of.data ?? "drawn pictures")}`, of.random_weights ? "random weights" : ""].filter((part) => part !== "").join("  ")

const memory = ({ bytes, handles, rss_bytes }: Status["engine"]): string =>
  [handles === null ? "" : `${count(handles)} tensors${bytes === null ? "" : `, ${size(bytes)}`}`, rss_bytes === null ? "" : `engine ${size(rss_bytes)}`].filter((part) => part !== "").join("; ")

const spent = (ledger: Ledger, among: ReadonlyArray<Account>): string =>
  among.filter((account) => ledger[account] >= 0.05).map((account) => `${account.replaceAll("_", " ")} ${span(ledger[account])}`).join(", ")

/** Two rows: what was useful and what was lost; where the rest went. What took no time is left out. */
const goodputRows = (ledger: Ledger): ReadonlyArray<readonly [string, string]> => {
  const all = total(ledger)
  if (all === 0) return []
  const lost = spent(ledger, ["lost", "recovering"])
  return [
    ["goodput", `${Math.floor((100 * ledger.useful) / all)}% useful (${span(ledger.useful)})${lost === "" ? "" : `; ${lost}`}`],
    ["", spent(ledger, ["waiting_for_data", "saving", "evaluating", "starting", "paused"])]
  ]
}

/** What was done about it, what came of it, what it cost. */
const incidentText = ({ action, lost_seconds, lost_steps, outcome }: Incident): string => {
  const lost = [lost_steps === null ? "" : `${count(lost_steps)} step${lost_steps === 1 ? "" : "s"}`, lost_seconds === null ? "" : span(lost_seconds)].filter((part) => part !== "")
  return [lost.length === 0 ? "" : `lost ${lost.join(", ")}`, action, outcome ?? ""].filter((part) => part !== "").join("; ")
}

const incidentLines = (incidents: ReadonlyArray<Incident>, width: number): ReadonlyArray<string> => incidents.length === 0 ? [] : [
  "",
  "last failures",
  ...layOut([{ title: "" }, { title: "" }, { title: "", least: 20 }], incidents.flatMap((incident) => [
    [clock(new Date(incident.at)), incident.actor, harmless(incident.reason.split("\n")[0] ?? "")],
    ["", "", harmless(incidentText(incident))]
  ]), width).slice(1)
]

const unsaved = ({ unsaved_steps: steps }: Status): string => `${count(steps)} step${steps === 1 ? "" : "s"} unsaved`

/** What does not fit is left out from the right, whole. */
const headline = (first: string, more: ReadonlyArray<string>, columns: number): string =>
  more.reduce((line, part) => (part === "" || displayWidth(line) + part.length + 2 > columns ? line : `${line}, ${part}`), first)

/** Of a run that answers. `now` is when it answered. */
export const runningView = (status: Status, now: Date, columns: number, paint: Paint): ReadonlyArray<string> => {
  const width = columns - 2
  const title = status.variant === null ? status.name : status.variant.name
  const place = status.variant === null ? "" : `variant ${status.variant.index} of ${status.variant.count}`
  const speed = status.step_seconds === null ? "" : `  ${milliseconds(status.step_seconds)} ms a step`
  const images = status.images_per_second === null ? "" : `  ${figure(status.images_per_second)} img/s`
  const percent = status.steps > 0 ? `  ${Math.floor((status.step / status.steps) * 100)}%` : ""
  const checkpoint = status.last_checkpoint
  const { disk, eval: evaluated, last_failures } = status
  const since = new Date(status.started_at)
  return [
    headline(`${paint(stateStyles[status.state] ?? "bold", "●")} ${paint("bold", title)}   ${status.state} since ${clock(since).slice(0, 5)} (${span(status.up_seconds)})`,
      [`pid ${status.pid}`, `restarts ${status.restarts}`, place], columns),
    ...[
      ...facts([
        ["setting", setting(status)],
        ["progress", `step ${count(status.step)}/${count(status.steps)}${percent}  epoch ${count(status.epoch)}${status.eta_seconds === null ? "" : `  eta ${countdown(status.eta_seconds)}`}${speed}${images}`],
        ["losses", lossText(status.losses)],
        ["evaluation", evaluated === null ? "" : `step ${count(evaluated.step)}: psnr ${figure(evaluated.psnr)}  ssim ${figure(evaluated.ssim)}${evaluated.lpips === null ? "" : `  lpips ${figure(evaluated.lpips)}`}`],
        ["checkpoint", checkpoint === null ? `none yet, ${unsaved(status)}`
          : `step ${count(checkpoint.step)}${checkpoint.bytes > 0 ? `, ${size(checkpoint.bytes)}` : ""}, ${span((now.getTime() - Date.parse(checkpoint.at)) / 1000)} ago; ${unsaved(status)}`],
        ...goodputRows(status.goodput),
        ["memory", memory(status.engine)],
        ["disk", `${size(disk.free_bytes)} free${disk.next_checkpoint_bytes === null ? "" : `, the next checkpoint needs ${size(disk.next_checkpoint_bytes)}`}`]
      ], width),
      "",
      ...layOut(actorColumns, actorRows(status.actors), width),
      ...incidentLines(last_failures, width)
    ].map((line) => (line === "" ? "" : `  ${line}`))
  ]
}

/** What the directory says of a run that does not answer; `died`: it meant to be running. */
export interface Stopped {
  readonly name: string
  readonly description: RunJson
  readonly state: "done" | "stopped" | "failed" | "died"
  readonly variants: ReadonlyArray<{ readonly name: string; readonly state: string; readonly step: number; readonly steps: number; readonly restarts: number }>
  readonly goodput: Ledger
  readonly failures: ReadonlyArray<Incident>
  /** Rendered last lines of the event log. */
  readonly events: ReadonlyArray<string>
}

const stateWords: Readonly<Record<Stopped["state"], string>> = {
  done: "done", stopped: "stopped, not done", failed: "failed", died: "ended without saying why"
}

export const stoppedView = (stopped: Stopped, columns: number, paint: Paint): ReadonlyArray<string> => {
  const width = columns - 2
  const { description, variants } = stopped
  return [
    `${paint(stateStyles[stopped.state] ?? "bold", "○")} ${paint("bold", stopped.name)}   ${stateWords[stopped.state]}; not running`,
    ...[
      ...facts([
        ["setting", setting(description)],
        ["progress", description.kind === "study" ? "" : `step ${count(description.step)}/${count(description.steps)}, restarts ${count(description.restarts)}`],
        ...goodputRows(stopped.goodput),
        ["config", description.config_file]
      ], width),
      ...(variants.length === 0 ? [] : ["", ...layOut([{ title: "VARIANT", least: 8 }, { title: "STATE" }, { title: "STEP" }, { title: "RESTARTS" }],
        variants.map((each) => [each.name, each.state, each.steps === 0 ? "–" : `${count(each.step)}/${count(each.steps)}`, count(each.restarts)]), width)]),
      ...incidentLines(stopped.failures, width),
      ...(stopped.events.length === 0 ? [] : ["", ...stopped.events])
    ].map((line) => (line === "" ? "" : `  ${line}`))
  ]
}
