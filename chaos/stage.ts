/** Where a run under faults takes place: its processes, its log, its disk, and the scene that faults act on. */
import { cpSync, lstatSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { EventType } from "../actors/events.ts"
import type { StampedEvent } from "../actors/journal.ts"
import { askControl } from "../src/runtime/control-client.ts"
import type { Scene } from "./fault.ts"
import { type Ended, engineOf, eventually, type RaeProcess } from "./rae-process.ts"
import { type RunSettings, startRun } from "./run-settings.ts"
import { mountSmallDisk, type SmallDisk } from "./small-disk.ts"
import { Over, watchRun } from "./watch.ts"

export interface Strike {
  readonly at: number
  readonly detectedBy: ReadonlyArray<EventType>
}

export interface Stage {
  readonly scene: Scene
  readonly runDir: string
  readonly events: ReadonlyArray<StampedEvent>
  readonly strikes: ReadonlyArray<Strike>
  /** The supervisor that runs now. */
  readonly current: () => RaeProcess | null
  /** Starts the run, again where it has begun; with faults in its environment. */
  readonly start: (env: Readonly<Record<string, string>>) => RaeProcess
  /** Whether an end of a process was made by a signal of ours, and so is no failure. */
  readonly wasMade: (ended: Ended) => boolean
  /** Ends by SIGKILL are expected from now on: a failpoint makes them. */
  readonly expectKill: () => void
  /** No further process will be started: who waits for something is told. */
  readonly end: () => void
  /** Frees the small disk; what lies on it is copied beside where it is to be kept. */
  readonly close: (keep: boolean) => void
}

export interface StageOptions {
  readonly settings: RunSettings
  readonly dir: string
  /** Of a small disk that the run lies on; null: none. */
  readonly diskBytes: number | null
  readonly words?: ReadonlyArray<string>
}

const name = "run"

export const openStage = ({ dir, diskBytes, settings, words = [] }: StageOptions): Stage => {
  rmSync(dir, { recursive: true, force: true })
  const mounted = diskBytes === null ? null : mountSmallDisk(join(dir, "disk"), diskBytes)
  if (typeof mounted === "string") throw new Error(`no small disk can be mounted: ${mounted}`)
  const disk: SmallDisk | null = mounted
  const base = disk?.path ?? dir
  const runsDir = join(base, "runs")
  const runDir = join(runsDir, name)
  const cacheDir = join(base, "cache")
  const over = new AbortController()
  const watch = watchRun(runDir, over.signal)
  const strikes: Array<Strike> = []
  const sent = new Set<string>()
  let current: RaeProcess | null = null

  const orOver = async <A>(found: () => A | null): Promise<A> => {
    const value = await eventually(found, over.signal)
    if (value === null) throw new Over("the run was over before")
    return value
  }
  const running = (): RaeProcess => {
    if (current === null) throw new Over("the run was over before")
    return current
  }

  const scene: Scene = {
    runDir, disk, cacheDir,
    supervisor: running,
    runOf: (variant) => variant === "" ? name : `${name}/${variant}`,
    engine: (not) => orOver(() => {
      const pid = current === null ? null : engineOf(current.pid)
      return pid === not ? null : pid
    }),
    signal: (signal) => {
      sent.add(signal)
      running().kill(signal)
    },
    until: watch.until,
    eventually: orOver,
    strike: (detectedBy, act) => {
      strikes.push({ at: Date.now(), detectedBy })
      return act()
    },
    // No run answers any more: it is over, or between two processes.
    inject: (fault) => askControl({ dir: runDir, method: "POST", path: "/inject", body: { fault } }).then((answer) => {
      if (!(answer as { readonly accepted: boolean }).accepted) throw new Over("the fault was not possible then")
    }, (error: { readonly _tag?: string }) => {
      throw error._tag === "NotRunning" || error._tag === "NoAnswer" ? new Over("the run was over before") : error
    }),
    now: () => watch.events.length
  }

  return {
    scene, runDir, strikes, events: watch.events,
    current: () => current,
    start: (env) => current = startRun(settings, { runsDir, name, cacheDir, env, words }),
    wasMade: ({ code, signal }) => signal !== null ? sent.has(signal) : (code === 130 && sent.has("SIGINT")) || (code === 143 && sent.has("SIGTERM")),
    expectKill: () => { sent.add("SIGKILL") },
    end: () => {
      current = null
      over.abort()
      disk?.release()
    },
    close: (keep) => {
      if (disk === null) return
      try {
        // A socket cannot be copied.
        if (keep) cpSync(disk.path, join(dir, "from-disk"), { recursive: true, filter: (path) => !lstatSync(path).isSocket() })
      } finally {
        disk.unmount()
      }
    }
  }
}

/** Seconds from each strike to the first event that tells of it. */
export const detectionsOf = (strikes: ReadonlyArray<Strike>, events: ReadonlyArray<StampedEvent>): ReadonlyArray<number> =>
  strikes.flatMap(({ at, detectedBy }) => {
    const told = events.find((event) => detectedBy.includes(event.type) && Date.parse(event.time) >= at)
    return told === undefined ? [] : [(Date.parse(told.time) - at) / 1000]
  })
