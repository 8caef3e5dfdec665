/** Where the time went: of a step, by phase; of the whole run, by what it did. */
import { html, type Html, nothing } from "./html.ts"
import type { RunRecord } from "./record.ts"
import { duration } from "./run-table.ts"

const percent = (part: number, whole: number): string => whole > 0 ? `${((part / whole) * 100).toFixed(part / whole < 0.1 ? 1 : 0)} %` : "n/a"

const bar = (parts: ReadonlyArray<readonly [name: string, seconds: number]>, whole: number): Html => {
  let x = 0
  const shown = parts.map(([name, seconds], i) => {
    const width = (seconds / whole) * 1000
    const at = x
    x += width
    return html`<rect class="part p${i % 12}" x="${at.toFixed(1)}" y="0" width="${Math.max(0, width - 1).toFixed(1)}" height="18"><title>${name} ${percent(seconds, whole)}</title></rect>`
  })
  return html`<svg class="bar" viewBox="0 0 1000 18" preserveAspectRatio="none" aria-hidden="true">${shown}</svg>`
}

const key = (i: number): Html => html`<svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true"><rect class="part p${i % 12}" width="10" height="10"/></svg>`

const ofRun = ({ curves, spent }: RunRecord, label: string): Html => {
  const phases = Object.entries(spent.phases)
  const training = phases.reduce((sum, [, seconds]) => sum + seconds, 0)
  if (spent.steps === 0) return html`<h3>${label}</h3><p class="note">n/a: no step was logged</p>`
  const rates = curves.train["images_per_second"]?.values ?? []
  const known = training + spent.evaluating_seconds + spent.snapshot_seconds + spent.recovering_seconds
  const whole: ReadonlyArray<readonly [string, number]> = [
    ["useful training", training - spent.redone_seconds], ["steps redone", spent.redone_seconds], ["evaluating", spent.evaluating_seconds], ["copying snapshots", spent.snapshot_seconds],
    ["recovering", spent.recovering_seconds], ["other", Math.max(0, spent.running_seconds - known)]
  ]
  const all = whole.reduce((sum, [, seconds]) => sum + seconds, 0)
  return html`
<section class="keep"><h3>${label}</h3>
<p>${spent.steps.toLocaleString("en-US")} steps at ${((training / spent.steps) * 1000).toFixed(0)} ms${rates.length === 0 ? "" : `, ${rates.toSorted((a, b) => a - b)[rates.length >> 1]!.toFixed(1)} images/s`}; ${spent.redone_steps.toLocaleString("en-US")} of them done again after a restart. Checkpoints were written for ${duration(spent.writing_seconds)}, beside training.</p>
<div class="two">
<div>${bar(phases, training)}<table><thead><tr><th colspan="2">phase of the step</th><th class="n">ms</th><th class="n">share</th></tr></thead><tbody>
${phases.map(([name, seconds], i) => html`<tr><td>${key(i)}</td><td>${name}</td><td class="n">${((seconds / spent.steps) * 1000).toFixed(1)}</td><td class="n">${percent(seconds, training)}</td></tr>`)}</tbody></table></div>
<div>${bar(whole, all)}<table><thead><tr><th colspan="2">the whole run</th><th class="n">time</th><th class="n">share</th></tr></thead><tbody>
${whole.map(([name, seconds], i) => html`<tr><td>${key(i)}</td><td>${name}</td><td class="n">${duration(seconds)}</td><td class="n">${percent(seconds, all)}</td></tr>`)}</tbody></table></div>
</div></section>`
}

export const timeSection = (runs: ReadonlyArray<RunRecord>, labels: ReadonlyArray<string>): Html => runs.length === 0 ? nothing : html`
${runs.map((run, i) => ofRun(run, labels[i]!))}
<p class="note">A phase's time is its median over each log interval times the steps of that interval. Other: starting, waiting, steps that were not logged.</p>`
