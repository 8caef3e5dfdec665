/** What happens on a machine besides the run. */
import { spawn } from "node:child_process"
import { availableParallelism } from "node:os"
import { at, type Fault, noRestart, stepMoment } from "../fault.ts"

export const machine: ReadonlyArray<Fault> = [{
  name: "busy-cpu", says: "every core is kept busy by others; nothing is restarted for it", combines: false, ends: "equal",
  draw: (draw, shape) => {
    const moment = stepMoment(draw, shape)
    const many = availableParallelism() * draw.whole(1, 2)
    const seconds = draw.whole(1, 3)
    return {
      text: `${many} busy processes for ${seconds} s ${at(moment)}`, moment,
      act: (scene) => scene.strike([], () => {
        for (let i = 0; i < many; i++) spawn(process.execPath, ["-e", `const end = Date.now() + ${seconds * 1000}; while (Date.now() < end);`], { stdio: "ignore" }).unref()
      }),
      complaints: noRestart
    }
  }
}]
