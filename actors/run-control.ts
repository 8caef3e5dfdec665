/**
 * What the control socket of a run answers: `GET /status`, `GET /metrics`, `GET /events?after=SEQ`, and the requests that steer it, each `{ schema, accepted, seq }`:
 * whether it was possible, and the number of the event that tells of it, from which on its outcome can be followed.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { textType } from "../src/formats/prometheus.ts"
import { ControlRefused, json, ndjson, route, serveControl, text } from "../src/runtime/control.ts"
import { followEvents } from "../src/runtime/event-reader.ts"
import { faultNames } from "./rehearsed-faults.ts"
import type { Status } from "./status.ts"

/** Was it possible, and which event tells of it. */
export interface Asked { readonly accepted: boolean; readonly seq: number }

export interface Controls {
  readonly status: () => Status
  /** For Prometheus. */
  readonly metrics: () => string
  readonly stop: () => Asked
  readonly checkpoint: () => Asked
  readonly pause: () => Asked
  readonly resume: () => Asked
  readonly restart: (target: string) => Effect.Effect<Asked>
  /** Null where the run's config does not allow it. */
  readonly inject: ((fault: string) => Effect.Effect<Asked>) | null
}

const bad = (reason: string) => new ControlRefused({ status: 400, code: "bad_request", reason, hint: null })
const answer = (asked: Asked) => json({ schema: 1, ...asked })

/** The one text in the body. */
const field = <K extends string>(name: K, body: unknown) =>
  Schema.decodeUnknownEffect(Schema.Struct({ [name]: Schema.String }))(body).pipe(
    Effect.map((decoded) => (decoded as Readonly<Record<K, string>>)[name]), Effect.mapError(() => bad(`expected a body {"${name}": …}`)))

const forbidden = new ControlRefused({
  status: 403, code: "not_allowed", reason: "this run allows no faults on purpose", hint: "start a run for the rehearsal with --set supervision.allow_inject=true"
})

export const serve = (dir: string, controls: Controls) => {
  const steer = (path: string, act: () => Asked) => route("POST", path, () => Effect.sync(() => answer(act())))
  return serveControl({
    dir,
    routes: [
      route("GET", "/status", () => Effect.sync(() => json(controls.status()))),
      route("GET", "/metrics", () => Effect.sync(() => text(controls.metrics(), textType))),
      route("GET", "/events", ({ query, signal }) => {
        const after = Number(query.get("after") ?? 0)
        return Number.isSafeInteger(after) ? Effect.succeed(ndjson(followEvents(dir, { after, signal }))) : bad(`after: expected a number of an event, got ${query.get("after")}`)
      }),
      steer("/stop", controls.stop),
      steer("/checkpoint", controls.checkpoint),
      steer("/pause", controls.pause),
      steer("/resume", controls.resume),
      route("POST", "/restart", ({ body }) => field("actor", body).pipe(Effect.flatMap(controls.restart), Effect.map(answer))),
      route("POST", "/inject", Effect.fnUntraced(function*({ body }) {
        if (controls.inject === null) return yield* forbidden
        const fault = yield* field("fault", body)
        if (!faultNames.some((name) => name === fault || (name.endsWith(":") && fault.startsWith(name)))) return yield* bad(`no fault \`${fault}\`, expected one of ${faultNames.join(", ")}`)
        return answer(yield* controls.inject(fault))
      }))
    ]
  })
}
