/** A disk that is full, for real. */
import { at, type Fault, stepMoment } from "../fault.ts"
import { Over } from "../watch.ts"
import { metRefusal } from "./commit.ts"

/** How often the run has said that it could not save: on standard error, for its log may be on the full disk too. */
const refusals = (said: string): number => said.match(/ (disk full|failed) +.*again in/g)?.length ?? 0

export const disk: ReadonlyArray<Fault> = [{
  name: "enospc", says: "a neighbour fills the disk that the run is on, and frees it later", combines: true, ends: "equal",
  draw: (draw, shape) => {
    const moment = stepMoment(draw, shape)
    const leave = Math.floor(draw.pick([0, 4096, 65536, draw.fraction() * shape.checkpointBytes / 2]))
    const keeps = draw.chance(0.5)
    const times = draw.whole(1, 2)
    return {
      text: `disk filled but for ${leave} bytes ${at(moment)}${keeps ? " (what is freed is taken too)" : ""}, freed after ${times === 1 ? "one refused save" : "two refused saves"}`,
      moment, needsDisk: true,
      act: async (scene) => {
        const { disk } = scene
        if (disk === null) throw new Error("a trial on a full disk needs a disk of its own")
        const before = scene.supervisor().position()
        scene.strike(["checkpoint.failed"], () => disk.fill(leave, keeps))
        // What the run gives up itself may be room enough: then it ends, and no save was refused.
        await scene.eventually(() => refusals(scene.supervisor().said(before)) >= times ? true : null).catch((error: unknown) => {
          if (!(error instanceof Over)) throw error
        })
        disk.release()
      },
      // The log and the cache may be what met the full disk.
      struck: (seen) => metRefusal(seen) || seen.events.some(({ type }) => type === "log.dropped" || type === "feature_cache.failed")
    }
  }
}]
