/** The report: one HTML file that holds everything it shows, and asks nobody for anything. */
import { basename } from "node:path"
import { configSection, environmentSection } from "./config-section.ts"
import { curveSvg, legend, type Series } from "./curve-svg.ts"
import { trainCurves, type Curve } from "./curves.ts"
import { html, type Html, nothing, raw } from "./html.ts"
import { incidentTable } from "./incident-table.ts"
import { shownPictures } from "./pictures.ts"
import type { HomeRecord, RunRecord } from "./record.ts"
import { runTable, stateText } from "./run-table.ts"
import { style } from "./style.ts"
import { timeSection } from "./time-section.ts"
import { timelineSvg } from "./timeline-svg.ts"

export interface Subject {
  readonly record: HomeRecord
  /** Its supervisor answers. */
  readonly live: boolean
  /** The command that makes it go on; null where no config file is known. */
  readonly resume: string | null
}

const titles: Readonly<Record<string, string>> = {
  total: "total loss", rec: "reconstruction loss (L1)", lpips: "perceptual loss (LPIPS)", gan: "adversarial loss", disc: "discriminator loss", weight: "adaptive weight", lr: "learning rate",
  grad_norm: "gradient norm", images_per_second: "images per second", psnr: "PSNR of held-out images, dB", ssim: "SSIM of held-out images", eval_lpips: "LPIPS of held-out images"
}

const evaluationCurve = ({ curves }: RunRecord, name: "psnr" | "ssim" | "lpips"): Curve => {
  const measured = curves.evaluations.filter((each) => each[name] !== null)
  return { steps: measured.map(({ step }) => step), values: measured.map((each) => each[name]!) }
}

const curveSection = (runs: ReadonlyArray<RunRecord>, labels: ReadonlyArray<string>): Html => {
  const series = (curveOf: (run: RunRecord) => Curve): ReadonlyArray<Series> => runs.map((run, index) => ({ index, label: labels[index]!, curve: curveOf(run), restarts: run.curves.restarts }))
  const none: Curve = { steps: [], values: [] }
  const figures = [
    ...trainCurves.map((name) => curveSvg(titles[name] ?? name, `plot-${name}`, series(({ curves }) => curves.train[name] ?? none), false)),
    ...(["psnr", "ssim", "lpips"] as const).map((name) => curveSvg(titles[name === "lpips" ? "eval_lpips" : name] ?? name, `plot-eval-${name}`, series((run) => evaluationCurve(run, name)), true))
  ].filter((figure) => figure !== nothing)
  if (figures.length === 0) return html`<p class="note">n/a: no step was logged</p>`
  return html`${legend(labels, runs.some(({ curves }) => curves.restarts.length > 0))}<div class="curves">${figures}</div>
<p class="note">Light: as logged, means over a log interval. Strong: smoothed (exponential mean, weight 0.9). Where a run went back, what it did again replaces what it had done.</p>`
}

const pictureSection = (runs: ReadonlyArray<RunRecord>, labels: ReadonlyArray<string>): Html => {
  const shown = shownPictures(runs)
  if (shown.every((pictures) => pictures.length === 0)) return html`<p class="note">n/a: no picture was made yet</p>`
  return html`${runs.map((_, i) => shown[i]!.length === 0 ? nothing : html`<section><h3>${labels[i]}</h3><div class="pictures">${shown[i]!.map(({ height, step, url, width }) => html`
<figure><img src="${url}" width="${width}" height="${height}" alt="originals above, reconstructions below"><figcaption>step ${step.toLocaleString("en-US")}</figcaption></figure>`)}</div></section>`)}
<p class="note">Held-out images above, their reconstructions by the averaged weights below.</p>`
}

const resumeSection = (subjects: ReadonlyArray<Subject>): Html => html`${subjects.map(({ live, record: { description, name }, resume }) => {
  if (live) return html`<p><b>${name}</b> is running; <code>rae stop ${name}</code> finishes the step and saves.</p>`
  if (resume === null) return html`<p><b>${name}</b>: n/a, no config file was recorded</p>`
  return html`<p><b>${name}</b> ${description.state === "done" ? html`is done; the same command with <code>--fresh</code> starts anew:` : html`goes on from its last checkpoint with:`}</p><pre>${resume}</pre>`
})}
<p class="note">Profile, data, device and overrides are taken from run.json where the command gives none. It may be given as often as you like: what is done is not done again.</p>`

/** Shortest names that tell the runs apart: a single study's variants need not say whose they are. */
const labelsOf = (subjects: ReadonlyArray<Subject>): ReadonlyArray<string> => subjects.flatMap(({ record }) => record.runs.map(({ name }) => (subjects.length === 1 ? basename(name) : name)))

export const reportPage = (subjects: ReadonlyArray<Subject>, version: string, now: Date): string => {
  const runs = subjects.flatMap(({ record }) => record.runs)
  const labels = labelsOf(subjects)
  const incidents = subjects.flatMap(({ record }) => record.incidents).toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time))
  const live = subjects.flatMap(({ live, record }) => record.runs.map(() => live))
  const title = subjects.map(({ record }) => record.name).join(", ")
  const labelOf = (run: string): string => labels[runs.findIndex(({ name }) => name === run)] ?? run
  return `${html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}: report</title><style>${raw(style)}</style></head><body>
<header><h1>${title}</h1><p class="lead">${subjects.map(({ live, record: { description, name } }) => html`${subjects.length > 1 ? html`${name}: ` : nothing}${description.kind}, ${stateText(description.state, live)}. `)}Report of rae ${version}, ${now.toISOString().slice(0, 16).replace("T", " ")} UTC.</p></header>
<h2>Runs</h2>${runTable(runs, labels, live)}
<h2>Curves</h2>${curveSection(runs, labels)}
<h2>Reconstructions</h2>${pictureSection(runs, labels)}
<h2>Incidents</h2>${timelineSvg(runs, labels, incidents)}${incidentTable(incidents, labelOf)}
<h2>Where the time went</h2>${timeSection(runs, labels)}
<h2>Config</h2>${configSection(runs, labels)}
<h2>Environment</h2>${environmentSection(runs, labels)}
<h2>How to go on</h2>${resumeSection(subjects)}
</body></html>`.text}\n`
}
