/** The incidents with their numbers: what happened, what was done about it, what came of it. */
import type { Incident } from "./incidents.ts"
import { html, type Html, nothing } from "./html.ts"

const most = 150
const clock = (time: string): string => `${time.slice(5, 10)} ${time.slice(11, 19)}`

/** `labelOf` gives a run's label; '' for a whole study. */
export const incidentTable = (incidents: ReadonlyArray<Incident>, labelOf: (run: string) => string): Html => {
  if (incidents.length === 0) return html`<p>Nothing went wrong.</p>`
  return html`
<div class="wide"><table class="incidents"><thead><tr><th class="n">#</th><th>time (UTC)</th><th>run</th><th class="n">step</th><th>who</th><th>what happened</th><th>what was done</th><th>what came of it</th></tr></thead><tbody>
${incidents.slice(0, most).map((incident, i) => html`<tr><td class="n"><span class="number ${incident.level === "error" ? "bad" : "mild"}">${i + 1}</span></td><td class="time">${clock(incident.time)}</td><td class="who">${labelOf(incident.run)}</td><td class="n">${incident.step === null ? "n/a" : incident.step.toLocaleString("en-US")}</td><td class="who">${incident.actor}</td><td>${incident.what}${incident.times > 1 ? html` <b>×${incident.times}</b>` : nothing}</td><td>${incident.done}</td><td>${incident.outcome}</td></tr>`)}
</tbody></table></div>
${incidents.length > most ? html`<p class="note">${incidents.length - most} more: <code>rae events --level warn</code> has them all.</p>` : nothing}`
}
