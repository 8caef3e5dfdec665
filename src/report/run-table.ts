/** The table that a report starts with: every run, how far it is, and its figures. */
import { lossText } from "../formats/study-table.ts"
import { html, type Html } from "./html.ts"
import type { RunRecord } from "./record.ts"

/** Who says so decides: a run that its directory calls running, and that does not answer, has died. */
export const stateText = (state: string | null, live: boolean): string =>
  live ? "running" : state === "running" ? "ended without saying why" : state === "stopped" ? "stopped, not done" : state ?? "n/a"

const losses = ["total", "rec", "lpips", "gan", "disc"] as const
const count = (n: number | null): string => n === null ? "n/a" : n.toLocaleString("en-US")
const figure = (n: number | null | undefined): string => lossText(n ?? null)

/** Mean over the last epoch where the run is done; else the last logged value. */
const lossOf = ({ curves, description }: RunRecord, name: string): number | null => description.means[name] ?? curves.train[name]?.values.at(-1) ?? null

export const duration = (seconds: number): string => {
  const s = Math.round(seconds)
  if (s < 60) return `${seconds.toFixed(1)} s`
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`
  if (s < 86_400) return `${Math.floor(s / 3600)}h ${Math.floor(s / 60) % 60}m`
  return `${Math.floor(s / 86_400)}d ${Math.floor(s / 3600) % 24}h`
}

const median = (values: ReadonlyArray<number>): number | null => values.toSorted((a, b) => a - b)[values.length >> 1] ?? null

/** `live`: the run, or the study that it belongs to, answers. */
export const runTable = (runs: ReadonlyArray<RunRecord>, labels: ReadonlyArray<string>, live: ReadonlyArray<boolean>): Html => {
  const row = (run: RunRecord, i: number) => {
    const { curves, description, spent } = run
    const evaluated = curves.evaluations.at(-1)
    const cells = [
      ...losses.map((name) => figure(lossOf(run, name))), figure(evaluated?.psnr), figure(evaluated?.ssim), figure(evaluated?.lpips),
      figure(median(curves.train["images_per_second"]?.values ?? [])), count(description.restarts), spent.running_seconds === 0 ? "n/a" : duration(spent.running_seconds)
    ]
    return html`<tr><th scope="row">${labels[i]}</th><td class="word">${stateText(description.state, live[i] === true && description.state === "running")}</td><td>${count(curves.train["total"]?.steps.at(-1) ?? description.step)} / ${count(description.steps)}</td>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`
  }
  const titles = [...losses, "PSNR", "SSIM", "LPIPS eval", "img/s", "restarts", "ran for"]
  return html`
<div class="wide"><table class="figures"><thead><tr><th>run</th><th class="word">state</th><th>step</th>${titles.map((title) => html`<th>${title}</th>`)}</tr></thead>
<tbody>${runs.map(row)}</tbody></table></div>
<p class="note">Losses: mean over the last epoch of a run that is done, else the last logged value. PSNR, SSIM, LPIPS: held-out images, averaged weights.${runs.some(({ description }) => description.random_weights) ? " Random weights in place of pretrained ones: a trial, not a result." : ""}</p>`
}
