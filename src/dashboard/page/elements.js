/** Elements of the page. Text is set as text, never as markup: nothing that a run says can become part of the page. */

const svgNamespace = "http://www.w3.org/2000/svg"

const filled = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value)
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value))
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : String(child))))
  return element
}

export const h = (name, attributes = {}, ...children) => filled(document.createElement(name), attributes, children)
export const s = (name, attributes = {}, ...children) => filled(document.createElementNS(svgNamespace, name), attributes, children)
export const byId = (id) => document.getElementById(id)
export const show = (id, ...children) => byId(id).replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined))

/** `rows` are lists of cells, text or elements; a column whose title starts with `#` holds numbers. */
export const table = (titles, rows, attributes = {}) => h("div", { class: "wide" }, h("table", attributes,
  h("thead", {}, h("tr", {}, titles.map((title) => h("th", { class: title.startsWith("#") ? "n" : null, scope: "col" }, title.replace(/^#/, ""))))),
  h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, i) => h("td", { class: titles[i].startsWith("#") ? "n" : null }, cell)))))))

export const count = (n) => (n === null || n === undefined ? "n/a" : n.toLocaleString("en-US"))
export const figure = (n) => {
  if (n === null || n === undefined) return "n/a"
  if (!Number.isFinite(n)) return String(n)
  const magnitude = Math.abs(n)
  return magnitude !== 0 && (magnitude < 1e-3 || magnitude >= 1e6) ? n.toExponential(1) : n.toFixed(magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3)
}
export const size = (bytes) => {
  if (bytes === null || bytes === undefined) return "n/a"
  const power = bytes < 1000 ? 0 : Math.min(5, Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** power).toFixed(power > 0 && bytes / 1000 ** power < 100 ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB", "PB"][power]}`
}
export const span = (seconds) => {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "n/a"
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const t = Math.round(seconds)
  if (t < 60) return `${t} s`
  if (t < 3600) return `${Math.floor(t / 60)}m ${t % 60}s`
  return t < 86400 ? `${Math.floor(t / 3600)}h ${Math.floor(t / 60) % 60}m` : `${Math.floor(t / 86400)}d ${Math.floor(t / 3600) % 24}h`
}
export const clock = (time) => new Date(time).toTimeString().slice(0, 8)
/** `study/variant` as its variant alone. */
export const shortName = (run) => run.slice(run.indexOf("/") + 1)
