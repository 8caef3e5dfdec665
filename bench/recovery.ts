/**
 * What a death of the engine costs, by real kills of real processes, and what supervision costs while nothing dies.
 *
 * A run of the tiny profile goes on while its engine is killed again and again, at moments spread over the steps; times are those of its event log.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { followEvents } from "../src/runtime/event-reader.ts"
import type { StampedEvent } from "../actors/journal.ts"
import type { Values } from "./main.ts"
import { stepOverhead } from "./step-overhead.ts"

const checkout = resolve(import.meta.dirname, "..")
const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
const spread = (values: ReadonlyArray<number>) => ({ median: median(values), worst: Math.max(...values), count: values.length })
/** No two kills at the same place of a step. */
const pause = (kill: number) => 20 + (kill * 37) % 200

/** Over the profile's: every step is logged, and no number of kills is too many, nor the pause before a restart any longer for them. */
const settings = [
  "training.epochs=100000", "training.log_interval=1", "eval.eval_interval=0", "checkpoint.every_steps=20",
  "supervision.max_restarts=1000", "supervision.max_without_progress=1000", "supervision.within_seconds=1"
]

/** Milliseconds until the kernel is done with a process that was just killed: it frees its memory first, and only then can anybody hear of its end. */
const endOf = async (pid: number): Promise<number> => {
  const killed = performance.now()
  const isThere = () => {
    try {
      return readdirSync(`/proc/${pid}/task`).length > 1 || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))
    } catch {
      return false // its parent has taken note of it
    }
  }
  while (isThere()) await sleep(1)
  return performance.now() - killed
}

/** Kills the engine of one run so many times; milliseconds from each kill to what came of it. */
const killAgainAndAgain = async (values: Values) => {
  const root = mkdtempSync(join(tmpdir(), "rae-recovery-"))
  const words = ["run", resolve(values.config), "--name", "recovery", "--profile", values.profile, ...settings.flatMap((setting) => ["--set", setting])]
  const run = spawn(join(checkout, "bin/rae"), words, {
    cwd: checkout, stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, RAE_RUNS_DIR: join(root, "runs"), XDG_CACHE_HOME: join(root, "cache") }
  })
  const closed = new Promise<void>((done) => run.once("close", () => done()))
  const ended: Array<Promise<number>> = [], noticed: Array<number> = [], up: Array<number> = [], stepped: Array<number> = [], lost: Array<number> = []
  let killed: number | null = null, engine = 0, kills = 0
  try {
    for await (const record of followEvents(join(root, "runs", "recovery"), { after: 0, pollMillis: 5, signal: AbortSignal.timeout(540_000) })) {
      const event = record as unknown as StampedEvent
      const since = killed === null ? 0 : Date.parse(event.time) - killed
      if (event.type === "engine.started") engine = event.pid
      if (event.type === "engine.exited") noticed.push(since)
      if (event.type === "supervisor.child_down") lost.push(event.lost_steps ?? 0)
      if (event.type === "engine.ready" && killed !== null) up.push(since)
      if (event.type !== "train.step" || (killed !== null && since < 0)) continue
      // Steps that were on their way when it was killed come before the news of its end.
      if (killed !== null && noticed.length < kills) continue
      if (killed !== null) stepped.push(since)
      killed = null
      if (kills === Number(values.kills)) break
      await sleep(pause(kills++))
      killed = Date.now()
      process.kill(engine, "SIGKILL")
      ended.push(endOf(engine))
    }
  } finally {
    run.kill("SIGTERM")
    await closed
    rmSync(root, { recursive: true })
  }
  const gone = await Promise.all(ended)
  return { ended_ms: spread(gone), noticed_ms: spread(noticed), told_ms: spread(noticed.map((millis, kill) => millis - gone[kill]!)), engine_ready_ms: spread(up), next_step_ms: spread(stepped), lost_steps: spread(lost) }
}

export const run = async (values: Values): Promise<void> => {
  const overhead = await stepOverhead()
  const kills = await killAgainAndAgain(values)
  const figures = { ...kills, ...overhead }
  const line = (name: string, { count, median: middle, worst }: ReturnType<typeof spread>, unit: string) => `${name.padEnd(34)} ${middle.toFixed(0)} ${unit} (worst of ${count}: ${worst.toFixed(0)})`
  process.stdout.write(values.json ? `${JSON.stringify(figures)}\n` : [
    line("death of the engine noticed after", kills.noticed_ms, "ms"), line("  of it, the kernel's for its end", kills.ended_ms, "ms"), line("  of it, from there to the log", kills.told_ms, "ms"), line("next engine ready after", kills.engine_ready_ms, "ms"),
    line("next training step done after", kills.next_step_ms, "ms"), line("steps done again", kills.lost_steps, "steps"),
    `${"an event, in the step's path".padEnd(34)} ${overhead.event_us.toFixed(1)} µs`,
    `${"supervision of a step".padEnd(34)} ${overhead.supervision_us.toFixed(0)} µs, ${(overhead.supervision_us / 100).toFixed(2)} % of a step of 10 ms`, ""
  ].join("\n"))
  process.exit(0)
}
