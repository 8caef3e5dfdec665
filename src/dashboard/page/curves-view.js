/** The curves of all runs that are ticked, with a slider for smoothing. */
import { trainCurves } from "/report/curves.ts"
import { chart } from "/page/chart.js"
import { h, s, shortName } from "/page/elements.js"

const titles = {
  total: "total loss", rec: "reconstruction (L1)", lpips: "perceptual (LPIPS)", gan: "adversarial", disc: "discriminator", weight: "adaptive weight", lr: "learning rate",
  grad_norm: "gradient norm", images_per_second: "images per second", psnr: "PSNR, held out", ssim: "SSIM, held out", eval_lpips: "LPIPS, held out"
}
const hidden = new Set()
let weight = 0.9
const charts = h("div", { class: "curves" })
const legend = h("p", { class: "legend" })
let redraw = () => {}

const slider = h("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: weight, id: "smoothing", "aria-label": "smoothing", oninput: (event) => {
  weight = Number(event.target.value)
  weightText.textContent = weight.toFixed(2)
  redraw()
} })
const weightText = h("output", { for: "smoothing" }, weight.toFixed(2))
export const curvesView = h("div", {}, h("div", { class: "bar" }, h("label", {}, "smoothing ", slider, " ", weightText), legend), charts)

const evaluated = ({ evaluations }, name) => {
  const measured = evaluations.filter((each) => each[name] !== null)
  return { steps: measured.map(({ step }) => step), values: measured.map((each) => each[name]) }
}

/** `runs`: name and curves of each. */
export const drawCurves = (runs) => {
  redraw = () => drawCurves(runs)
  legend.replaceChildren(...(runs.length < 2 ? [] : runs.map(({ name }, index) => h("label", {},
    h("input", { type: "checkbox", checked: !hidden.has(name), onchange: (event) => {
      if (event.target.checked) hidden.delete(name)
      else hidden.add(name)
      redraw()
    } }),
    s("svg", { viewBox: "0 0 26 8", width: 26, height: 8 }, s("g", { class: `line c${index % 6} d${Math.floor(index / 6) % 3}` }, s("path", { d: "M0 4H26" }))), shortName(name)))))
  const series = (curveOf) => runs.map(({ curves, name }, index) => ({ index, label: shortName(name), restarts: curves.restarts, ...curveOf(curves) })).filter((_, i) => !hidden.has(runs[i].name))
  const none = { steps: [], values: [] }
  const drawn = [
    ...trainCurves.map((name) => chart(titles[name], series(({ train }) => train[name] ?? none), weight)),
    ...["psnr", "ssim", "lpips"].map((name) => chart(titles[name === "lpips" ? "eval_lpips" : name], series((curves) => evaluated(curves, name)), null))
  ].filter((each) => each !== null)
  charts.replaceChildren(...(drawn.length > 0 ? drawn : [h("p", { class: "note" }, "no step was logged yet")]))
}
