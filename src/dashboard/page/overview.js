/** How the run is: what its supervisor answers, and where nobody answers, what its directory says. */
import { byId, clock, count, figure, h, shortName, size, span, show, table } from "/page/elements.js"

const facts = (rows) => h("dl", {}, rows.filter(([, value]) => value !== null && value !== "").map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))
const card = (title, ...content) => h("section", { class: "card" }, h("h2", {}, title), content)

const actors = (status) => table(["actor", "state", "#up", "#restarts", "mailbox", "#tensors", "#last act", "detail"], status.actors.map((actor) => [
  h("span", { class: `depth${actor.depth}` }, actor.name), h("span", { class: `pill ${actor.state}` }, actor.state), actor.up_seconds === null ? "–" : span(actor.up_seconds), count(actor.restarts),
  actor.mailbox === null ? "–" : h("span", { class: "box" }, h("meter", { min: 0, max: actor.mailbox.capacity, value: actor.mailbox.depth, "aria-label": "mailbox" }), ` ${actor.mailbox.depth}/${actor.mailbox.capacity}`),
  actor.handles === null ? "–" : count(actor.handles.count), actor.last_seconds === null ? "–" : span(actor.last_seconds), actor.detail ?? ""
]))

const phases = (seconds) => {
  const all = Object.values(seconds).reduce((sum, each) => sum + each, 0)
  return Object.entries(seconds).map(([name, each]) => h("div", { class: "phase" }, h("span", {}, name), h("meter", { min: 0, max: all, value: each, "aria-label": name }), h("span", { class: "n" }, `${(each * 1000).toFixed(0)} ms`)))
}

const spentText = ({ spent }) => [
  ["trained", `${count(spent.steps)} steps in ${span(Object.values(spent.phases).reduce((sum, each) => sum + each, 0))}`],
  ["redone", spent.redone_steps === 0 ? "" : `${count(spent.redone_steps)} steps, ${span(spent.redone_seconds)}`],
  ["evaluating", span(spent.evaluating_seconds)], ["recovering", spent.recovering_seconds === 0 ? "" : span(spent.recovering_seconds)], ["writing checkpoints", `${span(spent.writing_seconds)}, beside training`]
]

const stateWords = { running: "ended without saying why", stopped: "stopped, not done" }

const head = (state, status) => {
  byId("name").textContent = status?.variant?.name ?? state.name
  const word = status?.state ?? stateWords[state.description.state] ?? state.description.state ?? "n/a"
  byId("state").textContent = word
  byId("state").className = `pill ${word.replaceAll(/\W/g, "-")}`
  const run = lastBegun(state.runs)
  const [step, steps] = status ? [status.step, status.steps] : [run?.description.step ?? 0, run?.description.steps ?? 0]
  byId("place").textContent = [
    status?.variant ? `variant ${status.variant.index} of ${status.variant.count}` : "", `step ${count(step)} of ${count(steps)}`,
    status?.eta_seconds ? `${span(status.eta_seconds)} to go` : "", status?.images_per_second ? `${figure(status.images_per_second)} images/s` : ""
  ].filter((part) => part !== "").join(" · ")
  byId("progress").value = steps > 0 ? step / steps : 0
  document.title = `${state.name}: ${word}`
}

/** The variant that was worked on last: the later ones have no step count yet. */
const lastBegun = (runs) => runs.findLast(({ description }) => description.steps !== null)

const runsTable = (runs) => table(["run", "state", "#step", "#total", "#rec", "#lpips", "#gan", "#disc", "#PSNR", "#restarts"], runs.map((run) => {
  const last = (name) => run.description.means[name] ?? run.curves.train[name]?.values.at(-1)
  const step = run.curves.train.total?.steps.at(-1) ?? run.description.step
  return [h("b", {}, shortName(run.name)), run.description.state ?? "not started", `${count(step)} / ${count(run.description.steps)}`, ...["total", "rec", "lpips", "gan", "disc"].map((name) => figure(last(name))), figure(run.curves.evaluations.at(-1)?.psnr), count(run.description.restarts ?? 0)]
}))

/** `state` is all that is known of the run; its `live` is what the run last answered, and the disk. */
export const drawOverview = (state) => {
  const { disk, status } = state.live
  head(state, status)
  const { description } = lastBegun(state.runs) ?? state
  const checkpoint = status?.last_checkpoint
  show("overview", h("div", { class: "cards" },
    card("Runs", runsTable(state.runs)),
    h("div", { class: "pair" },
      card("Now", facts([
        ["started", status ? `${new Date(status.started_at).toLocaleString()} (${span(status.up_seconds)} ago)` : "not running"],
        ["setting", [description.profile === null ? "" : `profile ${description.profile}`, description.device, description.precision, description.random_weights ? "random weights" : ""].filter(Boolean).join(", ")],
        ["data", description.data ?? "drawn pictures"],
        ["losses", status ? Object.entries(status.losses).filter(([, value]) => value !== null).map(([name, value]) => `${name} ${figure(value)}`).join("  ") : ""],
        ["evaluation", status?.eval ? `step ${count(status.eval.step)}: PSNR ${figure(status.eval.psnr)}, SSIM ${figure(status.eval.ssim)}` : ""],
        ["checkpoint", status ? (checkpoint ? `step ${count(checkpoint.step)}, ${size(checkpoint.bytes)}, at ${clock(checkpoint.at)}; ${count(status.unsaved_steps)} steps unsaved` : `none yet, ${count(status.unsaved_steps)} steps unsaved`) : ""],
        ["memory", status?.engine.rss_bytes ? `engine ${size(status.engine.rss_bytes)}, ${count(status.engine.handles)} tensors` : ""],
        ["restarts", status ? count(status.restarts) : ""]
      ])),
      card("Disk", disk === null ? h("p", { class: "note" }, "n/a") : [
        h("meter", { class: "wide-meter", min: 0, max: disk.total_bytes, value: disk.total_bytes - disk.free_bytes, high: disk.total_bytes * 0.95, "aria-label": "disk used" }),
        facts([["free", `${size(disk.free_bytes)} of ${size(disk.total_bytes)}`], ["next checkpoint", status?.disk.next_checkpoint_bytes ? `needs ${size(status.disk.next_checkpoint_bytes)}` : ""]])
      ]),
      card("Time", facts(state.runs.length === 0 ? [] : spentText(state.runs.findLast(({ spent }) => spent.steps > 0) ?? state.runs[0])))),
    status ? card("Actors", actors(status)) : null,
    status && Object.keys(status.phase_seconds).length > 0 ? card("Phases of a step", phases(status.phase_seconds)) : null,
    status && status.last_failures.length > 0 ? card("Last failures", table(["time", "who", "what", "what was done"], status.last_failures.toReversed().map((each) => [clock(each.at), each.actor, each.reason.split("\n")[0], each.action]))) : null))
}
