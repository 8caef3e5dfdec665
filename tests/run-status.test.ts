/** What `rae status` makes of a run's events: its state, its failures with what came of them, and where its time went. */
import { assert, it } from "vitest"
import { makeCauses } from "../actors/event-causes.ts"
import { make as event, type Event } from "../actors/events.ts"
import { accounts, empty, makeGoodput, total } from "../actors/goodput.ts"
import { makeIncidents } from "../actors/incidents.ts"
import type { StampedEvent } from "../actors/journal.ts"
import { make } from "../actors/run-status.ts"

const run = "r"
const started = (resumed_from: number | null = null) =>
  event("run.started", run, { profile: null, device: "cpu", precision: "fp32", data: "d", images: 1, steps: 9, resumed_from, random_weights: false })
const signal = (name: string) => event("signal.received", run, { signal: name, action: "" })
const step = (n: number, data = 0) =>
  event("train.step", run, { step: n, epoch: 0, total: 1, rec: 1, lpips: null, gan: null, disc: null, weight: null, lr: 1, grad_norm: 1, images_per_second: 1, seconds: { data } })
const down = (offender: string, lost_steps: number | null = null, supervisor = "supervisor") => event("supervisor.child_down", run, {
  supervisor, context: "child_terminated", reason: `${offender}: died`, offender, strategy: "one-for-one", attempt: 1, max: 5, delay_seconds: 0, lost_steps
})
const exited = event("engine.exited", run, { pid: 7, code: null, signal: "SIGKILL", step: 5, stderr: [] })
const engineStarted = (attempt: number) => event("engine.started", run, { pid: 7 + attempt, attempt })
const ready = event("engine.ready", run, { pid: 8, step: 3, seconds: 1, libtorch: "2" })
const snapshot = (n: number, seconds = 0, reason = "interval") => event("snapshot.taken", run, { step: n, bytes: 1, seconds, reason })
const saving = (n: number) => event("checkpoint.started", run, { step: n, bytes: 1, free: 2 })
const committed = (n: number) => event("checkpoint.committed", run, { step: n, bytes: 1, seconds: 0.1, path: "p" })
const refused = (n: number) => event("checkpoint.failed", run, { step: n, error: "DiskFull", message: "no space", needed: 2, free: 1, unsaved_steps: 3, retry_seconds: 1 })

const epoch = Date.parse("2026-01-31T12:00:00.000Z")
/** Events as the journal stamps them: one a second unless a number of seconds stands before one. */
const stamp = (happened: ReadonlyArray<Event | number>): ReadonlyArray<StampedEvent> => {
  const causes = makeCauses()
  const stamped: Array<StampedEvent> = []
  let at = epoch
  for (const each of happened) {
    if (typeof each === "number") { at += (each - 1) * 1000; continue }
    at += 1000
    const seq = stamped.length + 1
    const cause = causes.of(each, seq)
    stamped.push({ ...each, ...(cause === undefined ? {} : { cause }), seq, time: new Date(at).toISOString() })
  }
  return stamped
}

const stateAfter = (...events: ReadonlyArray<Event>) => {
  const status = make({ name: run, kind: "run", profile: null, device: "cpu", precision: "fp32", data: "d", random_weights: false }, new Date(epoch))
  for (const happened of stamp([started(), ...events])) status.apply(happened)
  return status.toStatus({ actors: [], op: null, disk: { path: "/", free_bytes: 1, next_checkpoint_bytes: null } }).state
}

it("is stopping where a stop was asked for, and not for every signal", () => {
  assert.deepStrictEqual(["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"].map((name) => stateAfter(signal(name))), ["stopping", "stopping", "training", "training"])
  assert.strictEqual(stateAfter(event("stop.requested", run, { action: "" })), "stopping")
  assert.strictEqual(stateAfter(signal("SIGINT"), step(1)), "stopping")
})

it("recovers from an actor's death with the next step, with no new engine", () => {
  assert.deepStrictEqual([stateAfter(down("data_loader")), stateAfter(down("data_loader"), step(1))], ["recovering", "training"])
})

it("is paused between the two events that say so", () => {
  const paused = event("train.paused", run, { step: 1, reason: "asked to" })
  assert.deepStrictEqual([stateAfter(step(1), paused), stateAfter(step(1), paused, event("train.resumed", run, { step: 1 }))], ["paused", "training"])
})

/** Each event that answers another, as `type ← type`. */
const links = (...happened: ReadonlyArray<Event>) => {
  const all = stamp(happened)
  return all.flatMap(({ cause, type }) => (cause === undefined ? [] : [`${type} ← ${all[cause - 1]?.type}`]))
}

it("links a fault to the decision, the action and the outcome", () => {
  const injected = event("fault.injected", run, { fault: "engine-kill", accepted: true })
  assert.deepStrictEqual(links(engineStarted(1), ready, started(), step(1), injected, exited, down("engine", 2), engineStarted(2), ready, started(3), step(4), step(5)), [
    "engine.exited ← fault.injected", "supervisor.child_down ← engine.exited", "engine.started ← supervisor.child_down", "engine.ready ← engine.started",
    "run.started ← engine.ready", "train.step ← run.started"
  ])
})

it("links a save to what asked for it, and to the refusal that it makes good", () => {
  const asked = event("checkpoint.requested", run, { accepted: true })
  assert.deepStrictEqual(links(asked, snapshot(3, 0, "asked for"), saving(3), committed(3), snapshot(6), saving(6), refused(6), saving(6), committed(6)), [
    "snapshot.taken ← checkpoint.requested", "checkpoint.started ← snapshot.taken", "checkpoint.committed ← checkpoint.started",
    "checkpoint.started ← snapshot.taken", "checkpoint.started ← checkpoint.failed", "checkpoint.committed ← checkpoint.failed"
  ])
})

it("links a batch that was not finite to the fault, and the step after it to both", () => {
  const injected = event("fault.injected", run, { fault: "not-finite", accepted: true })
  const passed = event("train.not_finite", run, { step: 2, what: "loss", rolled_back_to: null })
  // a step that was done before the fault had its effect may be told after it
  assert.deepStrictEqual(links(started(), injected, step(2), passed, step(3), step(4)), ["train.not_finite ← fault.injected", "train.step ← train.not_finite"])
})

it("links a pause and a stop to the request, and nothing to a signal that changes nothing", () => {
  const paused = event("train.paused", run, { step: 1, reason: "asked to" })
  const stopped = event("run.stopped", run, { step: 2, reason: "asked to", saved: true })
  assert.deepStrictEqual(links(event("pause.requested", run, { action: "" }), paused, event("resume.requested", run, { action: "" }), event("train.resumed", run, { step: 1 }), signal("SIGHUP"), stopped),
    ["train.paused ← pause.requested", "train.resumed ← resume.requested"])
  assert.deepStrictEqual(links(event("stop.requested", run, { action: "" }), snapshot(2, 0, "stopped"), stopped), ["snapshot.taken ← stop.requested", "run.stopped ← stop.requested"])
})

const incidentsOf = (...happened: ReadonlyArray<Event | number>) => {
  const incidents = makeIncidents()
  for (const each of stamp(happened)) incidents.apply(each)
  return incidents.list().map(({ action, actor, lost_seconds, lost_steps, outcome, reason }) => [actor, reason, action, outcome, lost_steps, lost_seconds])
}

it("tells a failure as one: what was done, what came of it, steps and seconds lost", () => {
  assert.deepStrictEqual(incidentsOf(started(), step(5), exited, down("engine", 2), engineStarted(2), ready, started(3), 5, step(4)),
    [["engine", "SIGKILL at step 5", "restarted it (attempt 1 of 5)", "training again from step 3", 2, 4]])
  assert.deepStrictEqual(incidentsOf(started(), refused(3), refused(3), 4, committed(3)), [["checkpointer", "no space", "kept step 3 in memory, next try in 1.0 s", "saved at step 3", null, 5]])
  assert.deepStrictEqual(incidentsOf(down("engine", 2)).map(([, , , outcome]) => outcome), [null])
})

const ledgerOf = (...happened: ReadonlyArray<Event | number>) => {
  const goodput = makeGoodput(new Date(epoch))
  const all = stamp(happened)
  for (const each of all) goodput.apply(each)
  const ledger = goodput.ledger(new Date(all.at(-1)!.time))
  return Object.fromEntries(accounts.filter((account) => ledger[account] > 0).map((account) => [account, Number(ledger[account].toFixed(6))]))
}

it("books useful work, waiting for data, saving and evaluating", () => {
  const evaluated = event("eval.finished", run, { step: 2, images: 1, psnr: 1, ssim: 1, lpips: null, seconds: 3, picture: null })
  assert.deepStrictEqual(ledgerOf(started(), 10, step(2, 0.5), snapshot(2, 1), 9, evaluated, 10, step(4, 0.25)),
    { starting: 1, useful: 9 + 15.5, waiting_for_data: 1.5, saving: 1, evaluating: 3 })
})

it("books work anew as lost that an engine's death undoes, and only that", () => {
  const history = [started(), 10, step(2), committed(2), 9, step(4), exited, down("engine", 2)] as const
  assert.deepStrictEqual(ledgerOf(...history), { starting: 1, useful: 10, lost: 12 })
  assert.deepStrictEqual(ledgerOf(...history, 7, started(2), 10, step(4)), { starting: 1, useful: 20, lost: 12, recovering: 7 })
  assert.deepStrictEqual(ledgerOf(started(), 10, step(2), down("data_loader", null, "engine"), 9, step(4)), { starting: 1, useful: 20 })
  // two steps were done since the last one that the log tells of
  assert.deepStrictEqual(ledgerOf(started(), 10, step(2), snapshot(2), committed(2), 5, down("engine", 2)), { starting: 1, useful: 11, lost: 6 })
  const back = (rolled_back_to: number | null) => event("train.not_finite", run, { step: 4, what: "generator", rolled_back_to })
  assert.deepStrictEqual(ledgerOf(started(), 10, step(2), 9, step(4), back(2), 10, step(3)), { starting: 1, useful: 20, lost: 10 })
  assert.deepStrictEqual(ledgerOf(started(), 10, step(2), 9, step(4), back(null), 10, step(5)), { starting: 1, useful: 30 })
  assert.deepStrictEqual(ledgerOf(started(), 10, step(2), snapshot(2), 9, step(4), down("generator", null, "training"), 5, step(4)), { starting: 1, useful: 11, lost: 10, recovering: 5 })
})

it("accounts for every second, and goes on from what was booked before", () => {
  const all = stamp([started(), 10, step(2), snapshot(2, 0.2), committed(2), step(3), exited, down("engine", 1), started(2), step(3), event("run.finished", run, { step: 9, restarts: 1, seconds: 9 })])
  const goodput = makeGoodput(new Date(epoch), { ...empty, useful: 100 })
  for (const each of all) goodput.apply(each)
  const end = epoch + 60_000
  assert.approximately(total(goodput.ledger(new Date(end))), 160, 1e-6)
})
