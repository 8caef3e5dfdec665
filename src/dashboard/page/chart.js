/** A diagram that follows the pointer: raw values light, smoothed ones strong, flags where a run was restarted. */
import { smoothed } from "/report/curves.ts"
import { range, scale, shortNumber, ticks } from "/report/plot-scale.ts"
import { h, s } from "/page/elements.js"

const [width, height, left, right, top, bottom] = [520, 240, 54, 12, 10, 24]

const path = (steps, values, x, y) => {
  let broken = true
  return steps.map((step, i) => {
    if (!Number.isFinite(values[i])) {
      broken = true
      return ""
    }
    const point = `${broken ? "M" : "L"}${x(step).toFixed(1)} ${y(values[i]).toFixed(1)}`
    broken = false
    return point
  }).join("")
}

const nearestIndex = (steps, step) => {
  let best = 0
  for (let i = 1; i < steps.length; i++) if (Math.abs(steps[i] - step) < Math.abs(steps[best] - step)) best = i
  return best
}

/** `series`: { index, label, steps, values, restarts }. `weight` null: measurements that each count, drawn as they are. Null where there is nothing to draw. */
export const chart = (title, series, weight) => {
  const shown = series.filter(({ steps }) => steps.length > 0).map((each) => ({ ...each, strong: weight === null ? each.values : smoothed(each.values, weight) }))
  const bounds = range(shown.flatMap(({ strong, values }) => [...values, ...strong]))
  if (bounds === null) return null
  const pad = (bounds[1] - bounds[0]) * 0.06
  const x = scale(Math.min(...shown.map(({ steps }) => steps[0])), Math.max(...shown.map(({ steps }) => steps.at(-1))), left, width - right)
  const y = scale(bounds[0] - pad, bounds[1] + pad, height - bottom, top)
  const id = `clip-${title.replaceAll(/\W/g, "-")}`
  const readout = h("span", { class: "readout" }, shown.map(({ strong }) => shortNumber(strong.at(-1))).join("  "))
  const hair = s("path", { class: "hair" })
  const drawing = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title} over the steps` },
    s("clipPath", { id }, s("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom })),
    s("g", { class: "axis" },
      ticks(y, 4).map((tick) => [s("path", { d: `M${left} ${y.place(tick)}H${width - right}` }), s("text", { x: left - 6, y: y.place(tick) + 3.5, "text-anchor": "end" }, shortNumber(tick))]),
      ticks(x, 6).filter(Number.isInteger).map((tick) => s("text", { x: x.place(tick), y: height - 8, "text-anchor": "middle" }, shortNumber(tick)))),
    shown.flatMap(({ label, restarts }) => restarts.filter(({ step }) => step >= x.low && step <= x.high).map(({ actor, step }) => s("g", { class: "restart" },
      s("title", {}, `${label}: ${actor} restarted at step ${step}`), s("path", { d: `M${x.place(step)} ${top}V${height - bottom}` }), s("path", { class: "flag", d: `M${x.place(step)} ${top}l7 4l-7 4z` })))),
    s("g", { "clip-path": `url(#${id})` }, shown.map(({ index, steps, strong, values }) => s("g", { class: `line c${index % 6} d${Math.floor(index / 6) % 3}` },
      weight !== null ? s("path", { class: "raw", d: path(steps, values, x.place, y.place) }) : steps.map((step, i) => (Number.isFinite(values[i]) ? s("circle", { cx: x.place(step), cy: y.place(values[i]), r: 2.5 }) : null)),
      s("path", { d: path(steps, strong, x.place, y.place) })))),
    hair)
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect()
    const step = x.low + ((event.clientX - box.left) / box.width * width - left) / (width - left - right) * (x.high - x.low)
    const found = shown.map((each) => ({ ...each, at: nearestIndex(each.steps, step) }))
    hair.setAttribute("d", `M${x.place(found[0].steps[found[0].at])} ${top}V${height - bottom}`)
    readout.textContent = found.map(({ at, label, steps, strong, values }) => `${shown.length > 1 ? `${label} ` : ""}step ${steps[at]}: ${shortNumber(values[at])}${strong[at] === values[at] ? "" : ` (smoothed ${shortNumber(strong[at])})`}`).join("   ")
  })
  drawing.addEventListener("pointerleave", () => {
    hair.removeAttribute("d")
    readout.textContent = shown.map(({ strong }) => shortNumber(strong.at(-1))).join("  ")
  })
  return h("figure", { class: "curve" }, h("figcaption", {}, h("b", {}, title), " ", readout), drawing)
}
