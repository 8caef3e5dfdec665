/** When each run ran, and its incidents by number, on one line of time. */
import type { Incident } from "./incidents.ts"
import { html, type Html, nothing } from "./html.ts"
import { scale } from "./plot-scale.ts"
import type { RunRecord } from "./record.ts"

const width = 980
const [left, right, row] = [130, 14, 34]
/** Marks nearer to each other than this are one mark that says so. */
const nearest = 16

const steps = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600].map((seconds) => seconds * 1000)
const label = (time: number, step: number): string => {
  const text = new Date(time).toISOString()
  return step >= 24 * 3600_000 ? text.slice(5, 10) : step >= 60_000 ? text.slice(11, 16) : text.slice(11, 19)
}

/** `incidents` in the order of their numbers, which start at 1. Nothing where no run ran. */
export const timelineSvg = (runs: ReadonlyArray<Pick<RunRecord, "name" | "sessions">>, labels: ReadonlyArray<string>, incidents: ReadonlyArray<Incident>): Html => {
  const times = [...runs.flatMap(({ sessions }) => sessions.flatMap(({ from, to }) => [from, to])), ...incidents.flatMap(({ time, until }) => [time, until])].map((time) => Date.parse(time)).filter(Number.isFinite)
  if (times.length === 0) return nothing
  const [first, last] = [Math.min(...times), Math.max(...times)]
  const x = scale(first, Math.max(last, first + 1000), left, width - right)
  const height = runs.length * row + 26
  const step = steps.find((each) => (x.high - x.low) / each <= 9) ?? steps.at(-1)!
  const marks = Array.from({ length: Math.floor(x.high / step) - Math.ceil(x.low / step) + 1 }, (_, i) => (Math.ceil(x.low / step) + i) * step)
  const rows = runs.map(({ name, sessions }, i) => {
    const y = i * row + 8
    const bars = sessions.map(({ from, to }) => {
      const [a, b] = [x.place(Date.parse(from)), x.place(Date.parse(to))]
      return html`<rect class="session c${i % 6}" x="${a.toFixed(1)}" y="${y + 5}" width="${Math.max(2, b - a).toFixed(1)}" height="10" rx="2"/>`
    })
    const groups: Array<{ at: number; numbers: Array<number>; level: string }> = []
    for (const [n, incident] of incidents.entries()) {
      if (incident.run !== name) continue
      const at = x.place(Date.parse(incident.time))
      const before = groups.at(-1)
      if (before !== undefined && at - before.at < nearest) {
        before.numbers.push(n + 1)
        if (incident.level === "error") before.level = "error"
      } else groups.push({ at, numbers: [n + 1], level: incident.level })
    }
    return html`<text class="name" x="0" y="${y + 14}">${labels[i]!.length > 20 ? `${labels[i]!.slice(0, 19)}…` : labels[i]}</text>${bars}${groups.map(({ at, level, numbers }) => html`
      <g class="mark ${level === "error" ? "bad" : "mild"}"><title>incident ${numbers.join(", ")}</title><circle cx="${at.toFixed(1)}" cy="${y + 10}" r="8"/><text x="${at.toFixed(1)}" y="${y + 13.5}" text-anchor="middle">${numbers.length > 1 ? `${numbers[0]}+` : numbers[0]}</text></g>`)}`
  })
  return html`
<svg class="timeline" viewBox="0 0 ${width} ${height}" role="img" aria-label="incidents over time">
<g class="axis">${marks.map((time) => html`<path d="M${x.place(time).toFixed(1)} 4V${height - 20}"/><text x="${x.place(time).toFixed(1)}" y="${height - 6}" text-anchor="middle">${label(time, step)}</text>`)}</g>
${rows}</svg>`
}
