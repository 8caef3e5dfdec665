/** The engine process: loads the addon, serves the supervisor's requests on fd 3, beats on fd 4, and dies with its parent. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { heartbeatFd, servePort } from "../src/runtime/engine-port.ts"
import { dieWithParent, startHeartbeat } from "../src/tensor/heartbeat.ts"
import { Engine } from "./engine-protocol.ts"
import { engineHandlers } from "./engine-service.ts"

/** Often enough that a death of the loop shows within a second, seldom enough to cost nothing. */
const beatMillis = 100

const program = Effect.gen(function*() {
  startHeartbeat(heartbeatFd, beatMillis)
  const handlers = Engine.toLayer(yield* engineHandlers)
  yield* servePort({ group: Engine, handlers, dieWithParent })
}).pipe(Effect.scoped)

// The native threads would keep the process alive: it ends when its work has.
NodeRuntime.runMain(program, { teardown: (exit, onExit) => Runtime.defaultTeardown(exit, (code) => {
  onExit(code)
  process.exit(code)
}) })
