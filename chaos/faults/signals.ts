/** Signals to the engine and to the supervisor, at a step, while the engine loads, at the end and between two variants. */
import type { Draw } from "../draw.ts"
import { at, type Fault, type Moment, type Scene, type Shape, stepMoment } from "../fault.ts"

const dead = ["engine.exited"] as const

const killEngine = (signal: NodeJS.Signals) => async (scene: Scene) => {
  const pid = await scene.engine()
  scene.strike(dead, () => { process.kill(pid, signal) })
}

const engineDies = (name: string, signal: NodeJS.Signals, says: string): Fault => ({
  name, says, combines: true, ends: "equal",
  draw: (draw, shape) => {
    const moment = stepMoment(draw, shape)
    return { text: `${signal} to the engine ${at(moment)}`, moment, act: killEngine(signal) }
  }
})

const supervisorDies = (name: string, says: string, momentOf: (draw: Draw, shape: Shape) => Moment | null): Fault => ({
  name, says, combines: name === "supervisor-sigkill", ends: "equal",
  draw: (draw, shape) => {
    const moment = momentOf(draw, shape)
    return moment && { text: `SIGKILL to the supervisor ${at(moment)}, then the same command`, moment, act: (scene) => scene.strike([], () => scene.signal("SIGKILL")) }
  }
})

/** Ends, within the deadline of an orderly stop, what the first signal had asked to end. */
const stops = (times: 1 | 2): Fault => ({
  name: times === 1 ? "stop-once" : "stop-twice", ends: "equal", combines: times === 1,
  says: times === 1 ? "SIGINT or SIGTERM: the step is finished and saved; the same command goes on" : "the same signal again: ends at once; the same command goes on",
  draw: (draw, shape) => {
    const moment = stepMoment(draw, shape)
    const signal = draw.pick(["SIGINT", "SIGTERM"] as const)
    return {
      text: `${signal} ${times === 1 ? "once" : "twice"} ${at(moment)}, then the same command`, moment,
      act: async (scene) => {
        const before = scene.now()
        scene.strike(["signal.received"], () => scene.signal(signal))
        if (times === 1) return
        await scene.until(({ type }) => type === "signal.received", before)
        scene.signal(signal)
      }
    }
  }
})

export const signals: ReadonlyArray<Fault> = [
  engineDies("engine-sigkill", "SIGKILL", "the engine is killed"),
  engineDies("engine-sigsegv", "SIGSEGV", "the engine crashes"),
  engineDies("engine-sigabrt", "SIGABRT", "the engine aborts"),
  {
    name: "engine-hang", says: "the engine is stopped (SIGSTOP) and says nothing any more", combines: false, ends: "equal",
    draw: (draw, shape) => {
      const moment = stepMoment(draw, shape)
      return {
        text: `SIGSTOP to the engine ${at(moment)}`, moment,
        act: async (scene) => {
          const pid = await scene.engine()
          scene.strike(["engine.hung"], () => { process.kill(pid, "SIGSTOP") })
        }
      }
    }
  },
  {
    name: "engine-kill-loading", says: "the engine is killed before it has loaded, once or twice", combines: false, ends: "equal",
    draw: (draw) => {
      const times = draw.whole(1, 2)
      return {
        text: `SIGKILL to the engine while it loads, ${times === 1 ? "once" : "twice"}`, moment: { _tag: "Loading" },
        act: async (scene) => {
          let killed: number | undefined
          for (let kills = 0; kills < times; kills++) {
            const pid = await scene.engine(killed)
            // Not timed: events before the run has a directory bear the time at which its log was opened.
            scene.strike([], () => { process.kill(pid, "SIGKILL") })
            killed = pid
          }
        }
      }
    }
  },
  {
    name: "engine-kill-last-save", says: "the engine is killed while its last state is saved", combines: false, ends: "equal",
    draw: (_, shape) => {
      const last = shape.steps.at(-1)!
      const moment: Moment = { _tag: "Step", ...last }
      // Each save is held for a moment, so that the news of the last step comes before the end of the run.
      return { text: `SIGKILL to the engine ${at(moment)}, the last`, moment, failpoints: ["write.before:delay:300"], act: killEngine("SIGKILL") }
    }
  },
  supervisorDies("supervisor-sigkill", "the supervisor is killed, its engine dies with it; the same command goes on", stepMoment),
  supervisorDies("supervisor-kill-between", "the supervisor is killed between two variants of a study", (draw, { variants }) =>
    variants.length < 2 ? null : { _tag: "Event", type: draw.pick(["run.finished", "engine.started"] as const), nth: draw.whole(1, variants.length - 1) }),
  stops(1),
  stops(2)
]
