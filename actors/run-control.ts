/** What the control socket of a run answers: `GET /status`, `POST /stop`, `POST /checkpoint`. Events are read from the log itself. */
import * as Effect from "effect/Effect"
import { json, route, serveControl } from "../src/runtime/control.ts"
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
    route("POST", "/stop", () => Effect.sync(() => { stop(); return json({ schema: 1, accepted: true }) })),
    route("POST", "/checkpoint", () => Effect.sync(() => { checkpoint(); return json({ schema: 1, accepted: true }) }))
  ]
})
