/** What the runs' configs differ in, where they ran, and one config whole. */
import { configDifferences, flatConfig } from "./description.ts"
import { html, type Html, nothing } from "./html.ts"
import type { RunRecord } from "./record.ts"

const cell = (value: string | null): Html => value === null ? html`<td class="none">–</td>` : html`<td><code>${value}</code></td>`

/** Those that have begun: of the others nothing is known that could differ. */
const begun = (runs: ReadonlyArray<RunRecord>, labels: ReadonlyArray<string>) => {
  const known = runs.flatMap((run, i) => (run.description.config === null && run.description.created_at === null ? [] : [{ run, label: labels[i]! }]))
  return { runs: known.map(({ run }) => run), labels: known.map(({ label }) => label) }
}

export const configSection = (all: ReadonlyArray<RunRecord>, allLabels: ReadonlyArray<string>): Html => {
  const { labels, runs } = begun(all, allLabels)
  const configs = runs.map(({ description }) => description.config)
  const differences = configDifferences(configs)
  const first = [...flatConfig(configs.find((config) => config !== null) ?? {})]
  return html`
${runs.length < 2 ? nothing : differences.length === 0 ? html`<p>The configs are equal.</p>` : html`
<div class="wide"><table><thead><tr><th>key</th>${labels.map((label) => html`<th>${label}</th>`)}</tr></thead><tbody>
${differences.map(({ key, values }) => html`<tr><th scope="row"><code>${key}</code></th>${values.map(cell)}</tr>`)}</tbody></table></div>`}
${first.length === 0 ? html`<p class="note">n/a: no config was recorded</p>` : html`<details><summary>the whole config${runs.length > 1 ? ` of ${labels[configs.findIndex((config) => config !== null)]}` : ""}, ${first.length} keys</summary><table><tbody>${first.map(([key, value]) => html`<tr><th scope="row"><code>${key}</code></th><td><code>${value}</code></td></tr>`)}</tbody></table></details>`}`
}

export const environmentSection = (all: ReadonlyArray<RunRecord>, allLabels: ReadonlyArray<string>): Html => {
  const { labels, runs } = begun(all, allLabels)
  if (runs.length === 0) return html`<p class="note">n/a: nothing was recorded</p>`
  const facts = runs.map(({ description: d }) => ({
    created: d.created_at, config: d.config_file, overrides: d.sets.join(" ") || null, data: d.data ?? "drawn pictures", profile: d.profile, device: d.device, precision: d.precision, libtorch: d.libtorch,
    weights: d.random_weights ? "random" : "pretrained", ...d.environment
  } as Readonly<Record<string, string | null>>))
  const names = [...new Set(facts.flatMap((each) => Object.keys(each)))]
  const same = (name: string): boolean => new Set(facts.map((each) => each[name] ?? null)).size === 1
  return html`
<div class="wide"><table><thead><tr><th></th>${runs.length > 1 && names.every(same) ? html`<th>all runs</th>` : labels.map((label) => html`<th>${label}</th>`)}</tr></thead><tbody>
${names.map((name) => html`<tr><th scope="row">${name}</th>${same(name) ? html`<td colspan="${names.every(same) ? 1 : runs.length}">${facts[0]?.[name] ?? "n/a"}</td>` : facts.map((each) => html`<td>${each[name] ?? "n/a"}</td>`)}</tr>`)}</tbody></table></div>`
}
