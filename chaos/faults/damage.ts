/** Bytes on the disk that are not those that were written: in the newest checkpoint while the engine is down, in the cache of latents. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync, truncateSync, writeSync } from "node:fs"
import { join } from "node:path"
import { stepOf, temporaryPrefix } from "../../src/checkpoint/layout.ts"
import type { Draw } from "../draw.ts"
import { isOf, variantOf } from "../fingerprint.ts"
import { at, type Fault, type Moment, type Scene, type Shape } from "../fault.ts"
import { Over } from "../watch.ts"

const flipBit = (path: string, where: number, bit: number): void => {
  const position = Math.floor(where * statSync(path).size)
  const file = openSync(path, "r+")
  try {
    const byte = Buffer.alloc(1)
    readSync(file, byte, 0, 1, position)
    byte[0]! ^= 1 << bit
    writeSync(file, byte, 0, 1, position)
  } finally {
    closeSync(file)
  }
}

/** The step after which a second checkpoint is there: the one before the newest is what the run falls back to. */
const withTwoCheckpoints = (draw: Draw, { commits, steps, variants }: Shape): Moment | null => {
  const variant = draw.pick(variants)
  const second = commits.filter((commit) => commit.variant === variant)[1]
  const last = steps.findLast((each) => each.variant === variant)
  if (second === undefined || last === undefined || second.step >= last.step - 2) return null
  return { _tag: "Step", variant, step: draw.whole(second.step, last.step - 2) }
}

/** The newest of several checkpoints; null while there are fewer than two, or one is being written, that would be newer in a moment. */
const newestCheckpoint = (runDir: string): string | null => {
  const dir = join(runDir, "checkpoints")
  const names = existsSync(dir) ? readdirSync(dir) : []
  const committed = names.filter((name) => stepOf(name) !== undefined).sort()
  return committed.length < 2 || names.some((name) => name.startsWith(temporaryPrefix)) ? null : join(dir, committed.at(-1)!)
}

const damaged = (name: string, says: string, damageOf: (draw: Draw) => { readonly text: string; readonly act: (path: string) => void }): Fault => ({
  name, says, combines: false, ends: "equal",
  draw: (draw, shape) => {
    const moment = withTwoCheckpoints(draw, shape)
    if (moment?._tag !== "Step") return null
    const { act, text } = damageOf(draw)
    const chosen = draw.fraction()
    return {
      text: `${text} in a file of the newest checkpoint, and SIGKILL to the engine, ${at(moment)}`, moment,
      act: async (scene: Scene) => {
        const runDir = join(scene.runDir, moment.variant)
        const pid = await scene.engine()
        await scene.eventually(() => {
          if (newestCheckpoint(runDir) === null) return null
          const supervisor = scene.supervisor().pid
          // While the supervisor stands still nothing newer can be committed.
          process.kill(supervisor, "SIGSTOP")
          try {
            const newest = newestCheckpoint(runDir)
            if (newest === null) return null
            const files = readdirSync(newest).sort()
            act(join(newest, files[Math.floor(chosen * files.length)]!))
            scene.strike(["checkpoint.quarantined"], () => { process.kill(pid, "SIGKILL") })
            return true
          } finally {
            process.kill(supervisor, "SIGCONT")
          }
        })
      },
      complaints: ({ events }) => events.some(({ type }) => type === "checkpoint.quarantined") ? [] : ["the damaged checkpoint was not put aside"]
    }
  }
})

const entriesOf = (cacheDir: string): ReadonlyArray<string> => {
  const dir = join(cacheDir, "rae/features")
  if (!existsSync(dir)) return []
  return readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && /^[0-9a-f]{32}$/.test(entry.name)).map((entry) => join(entry.parentPath, entry.name)).sort()
}

export const damage: ReadonlyArray<Fault> = [
  damaged("checkpoint-bit-flip", "one bit of the newest checkpoint flips while the engine is down", (draw) => {
    const [where, bit] = [draw.fraction(), draw.whole(0, 7)]
    return { text: `bit ${bit} flipped at ${(where * 100).toFixed(1)} %`, act: (path) => flipBit(path, where, bit) }
  }),
  damaged("checkpoint-truncated", "a file of the newest checkpoint is cut while the engine is down", (draw) => {
    const where = draw.chance(0.25) ? 0 : draw.fraction()
    return { text: `cut at ${(where * 100).toFixed(1)} %`, act: (path) => truncateSync(path, Math.floor(where * statSync(path).size)) }
  }),
  {
    name: "cache-damage", says: "entries of the latents' cache are damaged", combines: true, ends: "equal",
    draw: (draw, shape) => {
      if (!shape.cached) return null
      const { step, variant } = shape.steps[draw.whole(1, Math.max(1, Math.floor(shape.steps.length / 2)))]!
      const moment: Moment = { _tag: "Step", variant, step }
      const share = draw.pick([0.2, 0.5, 1])
      const cuts = draw.chance(0.3)
      const [where, bit] = [draw.fraction(), draw.whole(0, 7)]
      return {
        text: `${cuts ? "cut" : `bit ${bit} flipped`} at ${(where * 100).toFixed(1)} % of ${share === 1 ? "every entry" : `${share * 100} % of the entries`} of the latents' cache ${at(moment)}`, moment,
        act: (scene) => scene.strike(["feature_cache.failed"], () => {
          const entries = entriesOf(scene.cacheDir)
          if (entries.length === 0) throw new Over("the cache was empty then")
          for (const path of entries.slice(0, Math.ceil(share * entries.length))) {
            if (cuts) truncateSync(path, Math.floor(where * statSync(path).size))
            else flipBit(path, where, bit)
          }
        }),
        complaints: ({ events }) => events.filter(isOf("supervisor.child_down")).filter(({ offender }) => offender === "feature_cache").map(({ reason, run }) => `the cache of ${variantOf(run) || "the run"} went down: ${reason}`)
      }
    }
  }
]
