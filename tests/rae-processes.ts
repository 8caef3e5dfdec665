/**
 * Real `rae` processes for the end-to-end tests, in a folder of their own that is gone afterwards: runs, caches and sockets included.
 *
 * Nothing here waits for a time: tests wait for events of the run's log, for the end of a process, or for a condition with a deadline.
 */
import { afterAll, assert, vi } from "vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { homedir, tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import type { EventType } from "../actors/events.ts"
import type { StampedEvent } from "../actors/journal.ts"
import { hashLines, verifyAll } from "../src/checkpoint/describe.ts"
import { followEvents, readEvents } from "../src/runtime/event-reader.ts"

const checkout = resolve(import.meta.dirname, "..")
const bin = join(checkout, "bin/rae")
/** Generous: the machine may be busy with other tests. A test that hangs fails by this, with what it waited for. */
const patience = 100_000
const pollMillis = 10
/** The user's own, as bin/rae has it: compiled code is the same wherever the other caches are. */
const compileCache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "rae/compiled")

/** The tiny profile made smaller still: a step takes 40 ms; two epochs of six steps; a checkpoint every three. */
export const smallConfig = `extends: ${join(checkout, "configs/base.yaml")}
profiles:
  tiny:
    data: { image_size: 32, synthetic: { images: 12 } }
    stage_1: { params: { encoder_input_size: 28 } }
    architecture:
      encoder: { image_size: 28, hidden_size: 24, num_hidden_layers: 1 }
      decoder: { decoder_hidden_size: 32, decoder_num_hidden_layers: 1, decoder_intermediate_size: 32 }
      dino: { embed_dim: 12, depth: 2, num_heads: 2, patch_size: 56 }
      vgg: { widths: [2, 4, 4, 4, 4] }
    gan: { disc: { arch: { key_depths: [0] } } }
    eval: { images: 4, samples: 4, eval_interval: 0 }
    checkpoint: { every_steps: 3 }
    training: { epochs: 2, log_interval: 1 }
`

export type EventOf<T extends EventType> = Extract<StampedEvent, { readonly type: T }>

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RaeProcess {
  readonly pid: number
  readonly ended: Promise<Ended>
  /** What it has said so far. */
  readonly stdout: () => string
  readonly kill: (signal: NodeJS.Signals) => void
}

export interface StartOptions {
  /** One thread to an engine where nothing else is said: tests run side by side. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** Waits until `found` gives something; fails by the deadline with `what` was awaited. */
export const eventually = async <A>(what: string, found: () => A | undefined | Promise<A | undefined>): Promise<A> => {
  for (const deadline = Date.now() + patience; Date.now() < deadline; await sleep(pollMillis)) {
    const value = await found()
    if (value !== undefined) return value
  }
  return assert.fail(`waited ${patience / 1000} s for ${what}`)
}

export const isAlive = (pid: number): boolean => {
  try {
    // A zombie whose parent has not asked for its end runs no more.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

/** A folder with `small.yaml`; all processes started through it end with the tests of the file. */
export const makeWorkplace = () => {
  vi.setConfig({ testTimeout: 3 * patience, hookTimeout: 3 * patience })
  const root = mkdtempSync(join(tmpdir(), "rae-run-"))
  const runsDir = join(root, "runs")
  const started: Array<ChildProcess> = []

  const write = (name: string, text: string | Uint8Array): string => {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
    return join(root, name)
  }
  const small = write("small.yaml", smallConfig)

  const start = (words: ReadonlyArray<string>, { env = {} }: StartOptions = {}): RaeProcess => {
    const child = spawn(bin, words, {
      stdio: ["ignore", "pipe", "pipe"], cwd: root,
      env: { ...process.env, NO_COLOR: "1", RAE_DEBUG: "", RAE_RUNS_DIR: runsDir, XDG_CACHE_HOME: join(root, "cache"), NODE_COMPILE_CACHE: compileCache, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", ...env }
    })
    started.push(child)
    let stdout = "", stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => { stdout += text })
    child.stderr.setEncoding("utf8").on("data", (text: string) => { stderr += text })
    const ended = new Promise<Ended>((done, failed) => {
      child.once("error", failed)
      child.once("close", (code, signal) => done({ code, signal, stdout, stderr }))
    })
    return { pid: child.pid!, ended, stdout: () => stdout, kill: (signal) => void child.kill(signal) }
  }

  const rae = (words: ReadonlyArray<string>, options?: StartOptions): Promise<Ended> => start(words, options).ended
  /** `rae` that must succeed. */
  const done = async (words: ReadonlyArray<string>, options?: StartOptions): Promise<Ended> => {
    const ended = await rae(words, options)
    assert.strictEqual(ended.code, 0, `rae ${words.join(" ")}\n${ended.stderr}`)
    return ended
  }

  /** `rae run` of the small config under a name, with overrides. */
  const runWords = (name: string, ...words: ReadonlyArray<string>) => ["run", small, "--name", name, ...words]

  const runDir = (name: string) => join(runsDir, name)
  const events = async (name: string): Promise<ReadonlyArray<StampedEvent>> => {
    const all: Array<StampedEvent> = []
    for await (const record of readEvents(runDir(name))) all.push(record as unknown as StampedEvent)
    return all
  }

  /** The first event of a type in the run's log that is as wanted, there already or still to come; `after` is the number of an earlier one. */
  const seen = async <T extends EventType>(name: string, type: T, wanted: (event: EventOf<T>) => boolean = () => true, after = 0): Promise<EventOf<T>> => {
    const signal = AbortSignal.timeout(patience)
    for await (const record of followEvents(runDir(name), { after, pollMillis, signal })) {
      const event = record as unknown as StampedEvent
      if (event.type === type && wanted(event as EventOf<T>)) return event as EventOf<T>
    }
    return assert.fail(`waited ${patience / 1000} s for ${type} (${wanted}) in the events of ${name}`)
  }

  /** The engine of a running supervisor, once it has loaded its addon: its process is up, its `Load` under way or done. */
  const enginePid = (supervisor: number): Promise<number> => eventually("an engine process", () =>
    readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, "utf8").split(" ").map(Number).filter((pid) => pid > 0).find((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("actors/engine.ts") && readFileSync(`/proc/${pid}/maps`, "utf8").includes("rae.node")
      } catch {
        return false // it ended meanwhile
      }
    }))

  /** What `rae ckpt show NAME --hash` prints: every tensor of the newest checkpoint, one a line. */
  const hashes = async (name: string): Promise<ReadonlyArray<string>> => {
    const lines = await Effect.runPromise(hashLines(runDir(name), runsDir))
    assert.isAbove(lines.length, 50, "a checkpoint holds decoder, average, heads and moments")
    return lines
  }

  /** Both ended with the same bits in every tensor of the training state. */
  const assertSameState = async (name: string, expected: string) => {
    const [got, wanted] = [await hashes(name), await hashes(expected)]
    const different = wanted.filter((line, i) => line !== got[i]).map((line) => line.split(" ")[0])
    if (different.length > 0 || got.length !== wanted.length) {
      assert.fail(`${different.length} of ${wanted.length} tensors of ${name} (${got.length}) differ from those of ${expected}: ${different.slice(0, 5).join(", ")}`)
    }
  }

  const assertEnginesGone = async (name: string) => {
    const pids = (await events(name)).filter((event) => event.type === "engine.started").map(({ pid }) => pid)
    assert.isNotEmpty(pids)
    await eventually("the engines' end", () => pids.some(isAlive) ? undefined : true)
  }

  /** What must hold once a run is over: engines gone, every checkpoint whole, no socket, no half-written checkpoint or file. */
  const assertLeftInOrder = async (name: string) => {
    await assertEnginesGone(name)
    const checkpoints = await Effect.runPromise(verifyAll(runDir(name), runsDir))
    assert.deepStrictEqual(checkpoints.filter(({ ok }) => !ok), [])
    const files = readdirSync(runDir(name), { recursive: true, encoding: "utf8" })
    assert.deepStrictEqual(files.filter((file) => /\.sock$|\.new$|(^|\/)\.(tmp|pruned|replaced)-/.test(file)), [])
  }

  afterAll(async () => {
    for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
    rmSync(root, { recursive: true, maxRetries: 5, retryDelay: 100 })
  })

  return {
    root, runsDir, small, write, start, rae, done, runWords, runDir, events, seen, enginePid, hashes, assertSameState, assertEnginesGone, assertLeftInOrder,
    exists: (...path: ReadonlyArray<string>) => existsSync(join(root, ...path)),
    readJson: (...path: ReadonlyArray<string>): unknown => JSON.parse(readFileSync(join(root, ...path), "utf8"))
  }
}
export type Workplace = ReturnType<typeof makeWorkplace>
