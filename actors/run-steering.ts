/** What the owner of a run may ask of it while it trains: each request is an event first, then done. */
import * as Effect from "effect/Effect"
import { type Hit, parse } from "../src/checkpoint/failpoints.ts"
import type { Supervisor } from "../src/runtime/supervisor.ts"
import type { LiveEngine } from "./engine-keeper.ts"
import { type Event, make as event } from "./events.ts"
import type { Asked, Controls } from "./run-control.ts"

export interface Steered {
  readonly run: string
  readonly allowInject: boolean
  /** Gives the event's number. */
  readonly emit: (event: Event) => number
  readonly engine: () => LiveEngine | null
  /** Asks the engine that is up; false where none is. */
  readonly ask: (request: (live: LiveEngine) => Effect.Effect<unknown, unknown>) => boolean
  readonly tree: () => Supervisor<never> | null
  readonly stop: () => void
}

/** Long enough for a save to fail after all that can give way has given way, and to be tried again. */
const refusedMillis = 3000

const signals: Readonly<Record<string, NodeJS.Signals>> = { "engine-kill": "SIGKILL", "engine-segv": "SIGSEGV", "engine-stop": "SIGSTOP" }

export const makeSteering = ({ allowInject, ask, emit, engine, run, stop, tree }: Steered) => {
  let paused = false
  /** On the monotonic clock: until then no save finds space. */
  let refusedUntil = 0
  const failpoint = parse(process.env["RAE_FAILPOINT"] ?? "")

  const told = (accepted: boolean, happened: Event): Asked => ({ accepted, seq: emit(happened) })
  /** The answer of the engine; false where there is none, or it ends before it answers. */
  const answered = (request: (live: LiveEngine) => Effect.Effect<boolean, unknown>): Effect.Effect<boolean> => Effect.suspend(() => {
    const live = engine()
    return live === null ? Effect.succeed(false) : Effect.orElseSucceed(request(live), () => false)
  })
  const hold = (live: LiveEngine) => live.handle.client.Pause({ paused })

  const inject = Effect.fnUntraced(function*(fault: string) {
    const signal = signals[fault]
    const live = engine()
    // Told first: what follows from it comes after it in the log.
    const seq = emit(event("fault.injected", run, { fault, accepted: fault === "disk-full" || live !== null }))
    if (signal !== undefined) live?.handle.kill(signal)
    else if (fault === "disk-full") refusedUntil = performance.now() + refusedMillis
    else return { accepted: yield* answered(({ handle }) => handle.client.Inject({ actor: fault.startsWith("crash:") ? fault.slice("crash:".length) : null })), seq }
    return { accepted: fault === "disk-full" || live !== null, seq }
  })

  const controls: Omit<Controls, "status" | "metrics"> = {
    stop: () => {
      const asked = told(true, event("stop.requested", run, { action: "finishing the step and saving" }))
      stop()
      return asked
    },
    checkpoint: () => {
      const accepted = engine() !== null
      const asked = told(accepted, event("checkpoint.requested", run, { accepted }))
      ask((live) => live.handle.client.TakeSnapshot())
      return asked
    },
    pause: () => {
      const asked = told(true, event("pause.requested", run, { action: paused ? "paused already" : "holding before the next step" }))
      paused = true
      ask(hold)
      return asked
    },
    resume: () => {
      const asked = told(true, event("resume.requested", run, { action: paused ? "going on" : "not paused" }))
      paused = false
      ask(hold)
      return asked
    },
    restart: Effect.fnUntraced(function*(target) {
      if (target === "engine") {
        const live = engine()
        const asked = told(live !== null, event("restart.requested", run, { target, accepted: live !== null }))
        live?.handle.kill("SIGTERM")
        return asked
      }
      // Whoever supervises it answers: a child that is listed may be on its way out, and no longer to be restarted.
      const accepted = (yield* tree()?.restartChild(target) ?? Effect.succeed(false)) || (yield* answered(({ handle }) => handle.client.RestartActor({ actor: target })))
      return told(accepted, event("restart.requested", run, { target, accepted }))
    }),
    inject: allowInject ? inject : null
  }

  return {
    controls,
    /** For an engine that is new: what was asked of the one before holds for it. */
    settle: (live: LiveEngine): Effect.Effect<void> => paused ? Effect.ignore(hold(live)) : Effect.void,
    /** The commit protocol's failpoints, with the refusals that were asked for. */
    hit: (async (name) => {
      if (name === "manifest.before" && performance.now() < refusedUntil) throw Object.assign(new Error("fault injected: no space left"), { code: "ENOSPC" })
      return failpoint(name)
    }) satisfies Hit as Hit
  }
}
