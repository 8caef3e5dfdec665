/** What `rae status` makes of a run's events. */
import { assert, it } from "vitest"
import { make as event, type Event } from "../actors/events.ts"
import { make } from "../actors/run-status.ts"

const stateAfter = (...events: ReadonlyArray<Event>) => {
  const status = make({ name: "r", kind: "run", profile: null, device: "cpu", precision: "fp32", data: "d", random_weights: false }, new Date(0))
  for (const happened of [started, ...events]) status.apply(happened, "2026-01-31T12:00:00.000Z")
  return status.toStatus({ actors: [], op: null, disk: { path: "/", free_bytes: 1, next_checkpoint_bytes: null } }).state
}
const started = event("run.started", "r", { profile: null, device: "cpu", precision: "fp32", data: "d", images: 1, steps: 9, resumed_from: null, random_weights: false })
const signal = (name: string) => event("signal.received", "r", { signal: name, action: "" })
const step = event("train.step", "r", { step: 1, epoch: 0, total: 1, rec: 1, lpips: null, gan: null, disc: null, weight: null, lr: 1, grad_norm: 1, images_per_second: 1, seconds: {} })
const down = event("supervisor.child_down", "r", { supervisor: "engine", context: "child_terminated", reason: "x", offender: "data_loader", strategy: "one-for-one", attempt: 1, max: 5, delay_seconds: 0, lost_steps: null })

it("is stopping where a stop was asked for, and not for every signal", () => {
  assert.deepStrictEqual(["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"].map((name) => stateAfter(signal(name))), ["stopping", "stopping", "training", "training"])
  assert.strictEqual(stateAfter(event("stop.requested", "r", { action: "" })), "stopping")
  assert.strictEqual(stateAfter(signal("SIGINT"), step), "stopping")
})

it("recovers from an actor's death with the next step, with no new engine", () => {
  assert.deepStrictEqual([stateAfter(down), stateAfter(down, step)], ["recovering", "training"])
})
