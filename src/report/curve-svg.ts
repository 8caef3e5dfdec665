/** One diagram: a curve of each run over the steps, raw in a light line and smoothed in a strong one, with marks where a run was restarted. */
import type { Curve } from "./curves.ts"
import { smoothed, thinned } from "./curves.ts"
import { html, type Html, nothing } from "./html.ts"
import { range, scale, shortNumber, ticks } from "./plot-scale.ts"

export interface Series {
  /** Place among the runs: decides colour and dashes. */
  readonly index: number
  readonly label: string
  readonly curve: Curve
  readonly restarts: ReadonlyArray<{ readonly step: number; readonly actor: string }>
}

const [width, height] = [480, 230]
const [left, right, top, bottom] = [52, 10, 10, 24]
const smoothing = 0.9
/** Of all runs of a diagram together: many runs must not make a large file. */
const mostPoints = 2400
const mostPointsOfOne = 400

/** A class of the style sheet: colours repeat after six runs, dashes go on. */
export const lineClass = (index: number): string => `c${index % 6} d${Math.floor(index / 6) % 3}`

type Place = (value: number) => number
/** Breaks where a value is not finite. */
const path = ({ steps, values }: Curve, x: Place, y: Place): string => {
  let broken = true
  return steps.map((step, i) => {
    const value = values[i]!
    if (!Number.isFinite(value)) {
      broken = true
      return ""
    }
    const point = `${broken ? "M" : "L"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`
    broken = false
    return point
  }).join("")
}

const line = ({ curve, index }: Series, x: Place, y: Place, most: number, measured: boolean): Html => {
  if (measured) {
    const dots = curve.steps.flatMap((step, i) => (Number.isFinite(curve.values[i]) ? [html`<circle cx="${x(step).toFixed(1)}" cy="${y(curve.values[i]!).toFixed(1)}" r="2.5"/>`] : []))
    return html`<g class="line ${lineClass(index)}"><path d="${path(curve, x, y)}"/>${dots}</g>`
  }
  const smooth = thinned({ steps: curve.steps, values: [...smoothed(curve.values, smoothing)] }, most)
  return html`<g class="line ${lineClass(index)}"><path class="raw" d="${path(thinned(curve, most), x, y)}"/><path d="${path(smooth, x, y)}"/></g>`
}

/** Nothing where no run has such a curve. `id` is unique on the page. `measured`: each point counts, and is drawn as it is. */
export const curveSvg = (title: string, id: string, series: ReadonlyArray<Series>, measured: boolean): Html => {
  const shown = series.filter(({ curve }) => curve.steps.length > 0)
  const values = range(shown.flatMap(({ curve }) => measured ? curve.values : [...smoothed(curve.values, smoothing), ...curve.values]))
  if (values === null) return nothing
  const steps = shown.flatMap(({ curve }) => [curve.steps[0]!, curve.steps.at(-1)!])
  const x = scale(Math.min(...steps), Math.max(...steps), left, width - right)
  const pad = (values[1] - values[0]) * 0.06
  const y = scale(values[0] - pad, values[1] + pad, height - bottom, top)
  const marks = shown.flatMap(({ index, label, restarts }) => restarts.filter(({ step }) => step >= x.low && step <= x.high).map(({ actor, step }) => html`
    <g class="restart c${index % 6}"><title>${label}: ${actor} restarted at step ${step}</title><path d="M${x.place(step).toFixed(1)} ${top}V${height - bottom}"/><path class="flag" d="M${x.place(step).toFixed(1)} ${top}l7 4l-7 4z"/></g>`))
  return html`
<figure class="curve"><figcaption>${title}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title} over the steps">
<clipPath id="${id}"><rect x="${left}" y="${top}" width="${width - left - right}" height="${height - top - bottom}"/></clipPath>
<g class="axis">${ticks(y, 4).map((tick) => html`<path d="M${left} ${y.place(tick).toFixed(1)}H${width - right}"/><text x="${left - 6}" y="${(y.place(tick) + 3.5).toFixed(1)}" text-anchor="end">${shortNumber(tick)}</text>`)}
${ticks(x, 6).filter((tick) => Number.isInteger(tick)).map((tick) => html`<text x="${x.place(tick).toFixed(1)}" y="${height - 8}" text-anchor="middle">${shortNumber(tick)}</text>`)}</g>
${marks}
<g clip-path="url(#${id})">${shown.map((each) => line(each, x.place, y.place, Math.min(mostPointsOfOne, mostPoints / shown.length), measured))}</g>
</svg></figure>`
}

export const legend = (labels: ReadonlyArray<string>, restarts: boolean): Html => html`
<p class="legend">${labels.map((label, index) => html`<span><svg viewBox="0 0 26 8" width="26" height="8" aria-hidden="true"><g class="line ${lineClass(index)}"><path d="M0 4H26"/></g></svg> ${label}</span> `)}${restarts ? html`<span><svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true"><g class="restart"><path d="M1 0V10"/><path class="flag" d="M1 0l7 4l-7 4z"/></g></svg> restart</span>` : nothing}</p>`
