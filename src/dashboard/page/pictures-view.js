/** Originals and reconstructions of every run at the step that the slider chooses; it stays at the newest until it is moved. */
import { count, h, shortName } from "/page/elements.js"

const slider = h("input", { type: "range", min: 0, max: 0, step: 1, value: 0, id: "picture-step", "aria-label": "step" })
const stepText = h("output", { for: "picture-step" })
const images = h("div", { class: "pictures" })
export const picturesView = h("div", {}, h("div", { class: "bar" }, h("label", {}, "step ", slider, " ", stepText)), images, h("p", { class: "note" }, "Held-out images above, their reconstructions by the averaged weights below."))

let steps = []
let runs = []
let newest = true
/** Step and time of the evaluation: a picture that was made again is loaded again. */
const address = (run, step) => `/picture?${new URLSearchParams({ run: run.name, step, at: run.evaluations.find((each) => each.step === step)?.time ?? "" })}`

const draw = () => {
  const step = steps[Number(slider.value)]
  stepText.textContent = step === undefined ? "none yet" : `${count(step)} (${Number(slider.value) + 1} of ${steps.length})`
  const shown = runs.map((run) => ({ run, at: run.pictures.findLast((each) => each <= step) })).filter(({ at }) => at !== undefined)
  images.replaceChildren(...shown.map(({ at, run }) => h("figure", {}, h("figcaption", {}, h("b", {}, shortName(run.name)), ` step ${count(at)}`), h("img", { src: address(run, at), alt: `originals above, reconstructions below, of ${run.name} at step ${at}` }))))
}
slider.addEventListener("input", () => {
  newest = Number(slider.value) === steps.length - 1
  draw()
})

/** `given`: name, pictures (steps) and evaluations of each run. */
export const drawPictures = (given) => {
  const before = steps[Number(slider.value)]
  runs = given
  steps = [...new Set(runs.flatMap(({ pictures }) => pictures))].sort((a, b) => a - b)
  slider.max = String(Math.max(0, steps.length - 1))
  slider.value = String(newest ? steps.length - 1 : Math.max(0, steps.indexOf(before)))
  draw()
}
