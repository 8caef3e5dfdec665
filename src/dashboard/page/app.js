/** Listens to the run's feed and draws the view that is open, at most twice a second. */
import { makeCurves } from "/report/curves.ts"
import { byId, show } from "/page/elements.js"
import { curvesView, drawCurves } from "/page/curves-view.js"
import { drawEvents, drawIncidents, eventsView, incidentsView } from "/page/events-view.js"
import { drawOverview } from "/page/overview.js"
import { drawPictures, picturesView } from "/page/pictures-view.js"
import { drawRecord, recordView } from "/page/record-view.js"

const keptEvents = 500
const redrawMillis = 500
const views = ["overview", "curves", "pictures", "incidents", "events", "config"]
let state = null
const folds = new Map()
let open = "overview"
let due = false

const draw = () => {
  due = false
  if (state === null) return
  const runs = state.runs.map((run) => ({ ...run, curves: folds.get(run.name)?.curves() ?? { train: {}, evaluations: [], restarts: [] } }))
  const whole = { ...state, runs }
  drawOverview(whole)
  if (open === "curves") drawCurves(runs)
  if (open === "pictures") drawPictures(runs.map(({ curves, name, pictures }) => ({ name, pictures, evaluations: curves.evaluations })))
  if (open === "incidents") drawIncidents(state.incidents)
  if (open === "events") drawEvents(state.events)
  if (open === "config") drawRecord(runs)
}
const redraw = () => {
  if (due) return
  due = true
  setTimeout(draw, redrawMillis)
}

const select = (view) => {
  open = views.includes(view) ? view : "overview"
  for (const each of views) {
    byId(each).hidden = each !== open
    byId(`tab-${each}`).setAttribute("aria-selected", String(each === open))
  }
  draw()
}
for (const view of views) byId(`tab-${view}`).addEventListener("click", () => { location.hash = `/${view}` })
/** `#/curves`: with a name that is no element's, so that the browser scrolls nowhere. */
const chosen = () => select(location.hash.slice(2))
addEventListener("hashchange", chosen)

show("curves", curvesView)
show("pictures", picturesView)
show("incidents", incidentsView)
show("events", eventsView)
show("config", recordView)

/** What JSON has no word for comes as null: a loss that is not a number. */
const revived = (curves) => ({ ...curves, train: Object.fromEntries(Object.entries(curves.train).map(([name, { steps, values }]) => [name, { steps, values: values.map((value) => value ?? Number.NaN) }])) })

const feed = new EventSource("/live")
const on = (name, take) => feed.addEventListener(name, (message) => {
  take(JSON.parse(message.data))
  redraw()
})
on("record", (record) => {
  folds.clear()
  for (const [name, curves] of Object.entries(record.curves)) folds.set(name, makeCurves(revived(curves)))
  state = { ...record, live: state?.live ?? { status: null, disk: null } }
  byId("link").textContent = ""
})
on("events", (events) => {
  if (state === null) return
  for (const event of events) {
    if (!folds.has(event.run)) folds.set(event.run, makeCurves())
    folds.get(event.run).apply(event)
  }
  state.events = [...state.events, ...events].slice(-keptEvents)
})
on("details", (details) => { if (state !== null) Object.assign(state, details) })
on("status", (live) => { if (state !== null) state.live = live })
feed.addEventListener("error", () => { byId("link").textContent = "no answer from `rae dashboard`; what is shown may be old" })
chosen()
