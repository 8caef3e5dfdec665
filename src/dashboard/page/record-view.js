/** The configs: what the runs differ in first, then every key. And where they ran. */
import { h, shortName, table } from "/page/elements.js"

const flat = (config, prefix = "") => (typeof config !== "object" || config === null || Array.isArray(config)
  ? [[prefix, JSON.stringify(config)]]
  : Object.entries(config).flatMap(([key, value]) => flat(value, prefix === "" ? key : `${prefix}.${key}`)))

export const recordView = h("div", {})
export const drawRecord = (runs) => {
  const known = runs.filter(({ description }) => description.config !== null)
  const maps = known.map(({ description }) => new Map(flat(description.config)))
  const keys = [...new Set(maps.flatMap((each) => [...each.keys()]))]
  const differs = (key) => new Set(maps.map((each) => each.get(key))).size > 1
  const titles = ["key", ...known.map(({ name }) => shortName(name))]
  const row = (key) => [h("code", {}, key), ...maps.map((each) => h("code", {}, each.get(key) ?? "–"))]
  const first = runs[0]?.description
  recordView.replaceChildren(
    ...(maps.length > 1 ? [h("h2", {}, "What the runs differ in"), table(titles, keys.filter(differs).map(row))] : []),
    ...(first ? [h("h2", {}, "Environment"), table(["name", "value"], Object.entries({ config: first.config_file, overrides: first.sets.join(" "), libtorch: first.libtorch, ...first.environment }).filter(([, value]) => value).map(([name, value]) => [name, h("code", {}, value)]))] : []),
    h("h2", {}, "Every key"), keys.length === 0 ? h("p", { class: "note" }, "no config was recorded") : table(titles.slice(0, 2), keys.map((key) => row(key).slice(0, 2))))
}
