/** A run's figures for Prometheus, at a port and in OTLP, and that nothing of it can end a run. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createServer, type Server } from "node:http"
import { type AddressInfo } from "node:net"
import { make as event, type Event } from "../actors/events.ts"
import type { StampedEvent } from "../actors/journal.ts"
import { openMetrics } from "../actors/metrics.ts"
import type { Status } from "../actors/status.ts"

/** What the metrics are made of; a status has more. */
const status = {
  name: "r \"1\"", kind: "run", state: "training", variant: null, up_seconds: 5, step: 3, steps: 9, epoch: 0, losses: { total: 0.5, gan: null }, lr: 2e-4, phase_seconds: { decode: 0.1 },
  step_seconds: 0.1, images_per_second: 20, restarts: 0, engine: { pid: 1, op: null, handles: 7, bytes: 8, rss_bytes: 9 }, last_checkpoint: null, unsaved_steps: 3, eval: null,
  actors: [{ name: "checkpointer", depth: 0, state: "idle", detail: null, up_seconds: 1, restarts: 0, mailbox: { depth: 2, capacity: 4 }, handles: null, last_seconds: null }],
  disk: { path: "/", free_bytes: 5e9, next_checkpoint_bytes: null }
} as unknown as Status
const stamped = (happened: Event): StampedEvent => ({ seq: 1, time: "2026-01-31T12:00:00.000Z", ...happened })
const opened = (env: Readonly<Record<string, string>>, emit: (event: Event) => void = () => assert.fail("nothing to tell")) =>
  openMetrics({ name: "r \"1\"", dirOf: () => null, emit, env, status: () => status })
const down = stamped(event("supervisor.child_down", "r", {
  supervisor: "supervisor", context: "child_terminated", reason: "x", offender: "engine", strategy: "one-for-one", attempt: 1, max: 5, delay_seconds: 0, lost_steps: null
}))
const listening = Effect.acquireRelease(
  Effect.promise(() => new Promise<{ server: Server; bodies: Array<string>; port: number }>((resolve) => {
    const bodies: Array<string> = []
    const server = createServer((request, response) => {
      let body = ""
      request.on("data", (part) => { body += String(part) }).on("end", () => {
        bodies.push(`${request.url} ${body}`)
        response.setHeader("content-type", "application/json").end("{}")
      })
    }).listen(0, "127.0.0.1", () => resolve({ server, bodies, port: (server.address() as AddressInfo).port }))
  })),
  ({ server }) => Effect.sync(() => {
    server.closeAllConnections()
    server.close()
  })
)

it.live("counts events and measures the status, with labels that cannot break the format", () => Effect.gen(function*() {
  const metrics = yield* opened({})
  metrics.apply(down)
  metrics.apply(down)
  metrics.apply(stamped(event("checkpoint.committed", "r", { step: 3, bytes: 1, seconds: 0.5, path: "p" })))
  const text = metrics.text()
  const valueOf = (series: string) => text.split("\n").find((line) => line.startsWith(`${series} `))?.slice(series.length + 1)
  assert.strictEqual(valueOf("rae_restarts_total{run=\"r \\\"1\\\"\",actor=\"engine\"}"), "2")
  assert.strictEqual(valueOf("rae_checkpoints_total{run=\"r \\\"1\\\"\"}"), "1")
  assert.strictEqual(valueOf("rae_mailbox_letters{run=\"r \\\"1\\\"\",actor=\"checkpointer\"}"), "2")
  assert.strictEqual(valueOf("rae_disk_free_bytes{run=\"r \\\"1\\\"\"}"), "5000000000")
  assert.match(text, /^# TYPE rae_restarts_total counter$/m)
  for (const line of text.trimEnd().split("\n")) assert.match(line, /^(# (HELP|TYPE) rae_\w+ .+|rae_\w+\{(\w+="([^"\\]|\\.)*",?)+\} \S+)$/)
}))

it.live("serves them at a port, and says where it cannot", () => Effect.gen(function*() {
  const { port: taken } = yield* listening
  const told: Array<Event> = []
  yield* opened({ RAE_METRICS_LISTEN: String(taken) }, (happened) => told.push(happened))
  yield* opened({ RAE_METRICS_LISTEN: "nonsense" }, (happened) => told.push(happened))
  assert.deepStrictEqual(told.map(({ type }) => type), ["record.failed", "record.failed"])
  const free = yield* Effect.scoped(Effect.map(listening, ({ port }) => port))
  yield* opened({ RAE_METRICS_LISTEN: `127.0.0.1:${free}` })
  const [text, other] = yield* Effect.promise(() => Promise.all(["metrics", "other"].map((path) => fetch(`http://127.0.0.1:${free}/${path}`).then(async (answer) => `${answer.status} ${await answer.text()}`))))
  assert.match(text!, /^200 [\s\S]*rae_step\{/)
  assert.match(other!, /^404/)
}))

it.live("sends them over OTLP where that is configured, the last ones when the run ends", () => Effect.gen(function*() {
  const { bodies, port } = yield* listening
  yield* Effect.scoped(Effect.gen(function*() {
    const metrics = yield* opened({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` })
    metrics.apply(down)
  }))
  const told: Array<Event> = []
  yield* opened({ OTEL_EXPORTER_OTLP_ENDPOINT: "no address" }, (happened) => told.push(happened))
  assert.deepStrictEqual(told.map(({ type }) => type), ["record.failed"])
  const last = bodies.findLast((body) => body.startsWith("/v1/metrics"))
  assert.match(last ?? "", /"name":"rae_restarts_total"/)
}))
