/** Faults at named points of the commit protocol (src/checkpoint/failpoints.ts): deaths, refusals of the file system, a slow disk. */
import { type Name, names } from "../../src/checkpoint/failpoints.ts"
import type { Draw } from "../draw.ts"
import { at, type Fault, type Moment, noRestart, type Seen, type Shape } from "../fault.ts"

const written = names.filter((name) => !name.startsWith("prune."))
const pruned = names.filter((name) => name.startsWith("prune."))

/** A point and the number of the visit: prune points are visited only once there are more checkpoints than are kept. */
const point = (draw: Draw, shape: Shape, among: ReadonlyArray<Name>): { readonly name: Name; readonly visit: number } => {
  const possible = shape.pruned === 0 ? among.filter((name) => !pruned.includes(name)) : among
  const name = draw.pick(possible)
  // Not the last: how many saves there are hangs on how long each takes.
  const visits = pruned.includes(name) ? shape.pruned : Math.max(1, shape.commits.length - 1)
  return { name, visit: draw.whole(1, visits) }
}

const startedSaves = ({ events }: Seen) => events.filter(({ type }) => type === "checkpoint.started").length
/** What a refusal leads to, each time that one is met. */
const refused = new Set<string>(["checkpoint.failed", "checkpoint.room_made", "checkpoint.cleanup_failed"])
export const metRefusal = ({ events }: Seen): boolean => events.some(({ type }) => refused.has(type))

const refusal = (name: string, says: string, among: ReadonlyArray<Name>, errnos: ReadonlyArray<string>): Fault => ({
  name, says, combines: true, ends: "equal",
  draw: (draw, shape) => {
    if (shape.pruned === 0 && among.every((each) => pruned.includes(each))) return null
    const { name: failpoint, visit } = point(draw, shape, among)
    const errno = draw.pick(errnos)
    const times = pruned.includes(failpoint) ? 1 : draw.whole(1, 2)
    return {
      text: `${errno} at ${failpoint} of ${times === 1 ? `save ${visit}` : `saves ${visit} and ${visit + 1}`}`, moment: { _tag: "FromStart" },
      failpoints: Array.from({ length: times }, (_, i) => `${failpoint}@${visit + i}:error:${errno}`),
      struck: metRefusal,
      complaints: noRestart
    }
  }
})

const refusals = ["EIO", "EDQUOT", "EROFS", "ENOSPC"]

export const commit: ReadonlyArray<Fault> = [
  {
    name: "engine-kill-at-commit", says: "the engine is killed at a point of the commit protocol", combines: true, ends: "equal",
    draw: (draw, shape) => {
      const { name: failpoint, visit } = point(draw, shape, names)
      const moment: Moment = { _tag: "Held", failpoint, visit }
      return {
        text: `SIGKILL to the engine ${at(moment)}`, moment,
        act: async (scene) => {
          const pid = await scene.engine()
          scene.strike(["engine.exited"], () => { process.kill(pid, "SIGKILL") })
        }
      }
    }
  },
  {
    name: "supervisor-kill-at-commit", says: "the supervisor is killed at a point of the commit protocol; the same command goes on", combines: true, ends: "equal",
    draw: (draw, shape) => {
      const { name, visit } = point(draw, shape, names)
      return { text: `SIGKILL to the supervisor at ${name} of save ${visit}, then the same command`, moment: { _tag: "FromStart" }, failpoints: [`${name}@${visit}:kill`], endsItself: true }
    }
  },
  refusal("write-error", "writing a checkpoint is refused", written.filter((name) => /^(write|manifest|verify)/.test(name)), refusals),
  refusal("fsync-error", "fsync is refused", ["fsync.before", "fsync.after", "dir-fsync.before", "dir-fsync.after"], ["EIO", "EDQUOT", "ENOSPC"]),
  refusal("rename-error", "the rename of a checkpoint is refused", ["rename.before", "rename.between", "rename.after"], ["EIO", "EROFS", "EACCES"]),
  refusal("prune-error", "removing an old checkpoint is refused", pruned, ["EIO", "EROFS", "EBUSY"]),
  {
    name: "slow-disk", says: "a save takes seconds instead of milliseconds; nothing is restarted for it", combines: true, ends: "equal",
    draw: (draw, shape) => {
      const { name, visit } = point(draw, shape, names)
      const millis = draw.whole(500, 2000)
      // A prune point is met only after as many saves as checkpoints are kept.
      return { text: `${millis} ms at ${name} of save ${visit}`, moment: { _tag: "FromStart" }, failpoints: [`${name}@${visit}:delay:${millis}`], struck: (seen) => startedSaves(seen) >= visit + (pruned.includes(name) ? shape.commits.length - shape.pruned : 0), complaints: noRestart }
    }
  }
]
