/** What the control socket of a run answers: `GET /status`, `GET /events?after=SEQ`, `POST /stop`, `POST /checkpoint`. */
import * as Effect from "effect/Effect"
import { ControlRefused, json, ndjson, route, serveControl } from "../src/runtime/control.ts"
import { followEvents } from "../src/runtime/event-reader.ts"
import type { Status } from "./status.ts"

export interface Controls {
  readonly status: () => Status
  readonly stop: () => void
  /** False where no engine is up to take it. */
  readonly checkpoint: () => boolean
}

export const serve = (dir: string, { checkpoint, status, stop }: Controls) => serveControl({
  dir,
  routes: [
    route("GET", "/status", () => Effect.sync(() => json(status()))),
    route("GET", "/events", ({ query, signal }) => {
      const after = Number(query.get("after") ?? 0)
      return Number.isSafeInteger(after) ? Effect.succeed(ndjson(followEvents(dir, { after, signal })))
        : Effect.fail(new ControlRefused({ status: 400, code: "bad_request", reason: `after: expected a number of an event, got ${query.get("after")}`, hint: null }))
    }),
    route("POST", "/stop", () => Effect.sync(() => { stop(); return json({ schema: 1, accepted: true }) })),
    route("POST", "/checkpoint", () => Effect.sync(() => json({ schema: 1, accepted: checkpoint() })))
  ]
})
