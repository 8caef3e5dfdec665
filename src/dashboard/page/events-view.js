/** Events as they are logged, newest first, filtered by level and text; and the incidents that they amount to. */
import { clock, count, h, shortName, table } from "/page/elements.js"

const levels = ["debug", "info", "warn", "error"]
const mostRows = 300
let events = []
const level = h("select", { id: "event-level", "aria-label": "least level" }, levels.map((each) => h("option", { value: each, selected: each === "info" }, each)))
const wanted = h("input", { type: "search", id: "event-text", placeholder: "type, actor or detail", "aria-label": "filter" })
const list = h("div", {})
const told = h("span", { class: "note" })
export const eventsView = h("div", {}, h("div", { class: "bar" }, h("label", {}, "level ", level), wanted, told), list)

const columns = new Set(["seq", "time", "type", "level", "actor", "run"])
const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value, (_, each) => (typeof each === "number" && !Number.isInteger(each) ? Number(each.toPrecision(4)) : each)))
const detail = (event) => Object.entries(event).filter(([name]) => !columns.has(name)).map(([name, value]) => `${name}=${shown(value)}`).join("  ")

const draw = () => {
  const text = wanted.value.toLowerCase()
  const least = levels.indexOf(level.value)
  const found = events.filter((event) => levels.indexOf(event.level) >= least && (text === "" || `${event.type} ${event.actor} ${event.run} ${detail(event)}`.toLowerCase().includes(text)))
  told.textContent = `${count(Math.min(found.length, mostRows))} of the last ${count(events.length)}`
  list.replaceChildren(table(["#seq", "time", "level", "run", "actor", "event", "detail"], found.slice(-mostRows).toReversed().map((event) => [
    count(event.seq), clock(event.time), h("span", { class: `level ${event.level}` }, event.level), shortName(event.run), event.actor, h("code", { class: "type" }, event.type), h("span", { class: "detail", title: detail(event) }, detail(event))
  ])))
}
level.addEventListener("change", draw)
wanted.addEventListener("input", draw)

export const drawEvents = (all) => {
  events = all
  draw()
}

/** `11-24`, local as the clock is. */
const dayOf = (time) => { const at = new Date(time); return [at.getMonth() + 1, at.getDate()].map((n) => String(n).padStart(2, "0")).join("-") }

export const incidentsView = h("div", {})
export const drawIncidents = (incidents) => {
  incidentsView.replaceChildren(incidents.length === 0 ? h("p", { class: "note" }, "Nothing went wrong.") : table(["#", "time", "run", "#step", "who", "what happened", "what was done", "what came of it"], incidents.toReversed().map((each, i) => [
    h("span", { class: `number ${each.level}` }, String(incidents.length - i)), `${dayOf(each.time)} ${clock(each.time)}`, shortName(each.run), each.step === null ? "n/a" : count(each.step), each.actor,
    [each.what, each.times > 1 ? h("b", {}, ` ×${each.times}`) : null], each.done, each.outcome
  ])))
}
