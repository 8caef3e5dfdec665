/** What the control socket of a run answers: `GET /status`, `GET /events?after=SEQ`, `POST /stop`, `POST /checkpoint`. */
import * as Effect from "effect/Effect"
import { json, ndjson, route, serveControl } from "../src/runtime/control.ts"
import { followEvents } from "../src/runtime/event-reader.ts"
import type { Status } from "./status.ts"

export interface Controls {
  readonly status: () => Status
  readonly stop: () => void
  readonly checkpoint: () => void
}

export const serve = (dir: string, { checkpoint, status, stop }: Controls) => serveControl({
  dir,
  routes: [
    route("GET", "/status", () => Effect.sync(() => json(status()))),
    route("GET", "/events", ({ query, signal }) => Effect.succeed(ndjson(followEvents(dir, { after: Number(query.get("after") ?? 0), signal })))),
    route("POST", "/stop", () => Effect.sync(() => { stop(); return json({ schema: 1, accepted: true }) })),
    route("POST", "/checkpoint", () => Effect.sync(() => { checkpoint(); return json({ schema: 1, accepted: true }) }))
  ]
})
