/** A campaign: the undisturbed run, the trials, several at a time where asked for, and the table. */
import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { type Kind, planOf } from "./faults/all.ts"
import { runReference } from "./reference.ts"
import { failureLines, rowsOf, tableLines } from "./report.ts"
import type { RunSettings } from "./run-settings.ts"
import { whyNoDisk } from "./small-disk.ts"
import { type Outcome, runTrial } from "./trial.ts"

export interface Campaign {
  readonly settings: RunSettings
  readonly seed: number
  readonly kinds: ReadonlyArray<Kind>
  readonly trials: ReadonlyArray<number>
  /** Passing trials are deleted otherwise. */
  readonly keep: boolean
  readonly json: boolean
  /** A file that trials are added to, a line each; those that the same words replay are not done again. */
  readonly record: string | null
  /** Ends the campaign early: the table is of the trials that were over by then. */
  readonly stop: AbortSignal
  /** The command that replays a trial. */
  readonly replayWords: (trial: number) => string
  readonly out: (line: string) => void
  readonly say: (line: string) => void
}

const lineOf = ({ dir, kind, problems, secondsLost, stepsLost, text, trial, verdict }: Outcome): string =>
  `trial ${trial}  ${kind}  ${verdict}  ${stepsLost} steps and ${secondsLost.toFixed(1)} s lost  ${text}${problems.length > 0 && verdict === "failed" ? `  ${problems[0]}  (${dir})` : ""}`

interface Recorded extends Outcome {
  /** The command that replays it: of another seed, config or choice of faults it is another trial. */
  readonly replay: string
}

/** A last line that was cut off is a trial that was not recorded. */
export const recorded = (file: string | null, replayWords: Campaign["replayWords"]): ReadonlyArray<Outcome> =>
  file === null || !existsSync(file) ? [] : readFileSync(file, "utf8").split("\n").slice(0, -1).map((line) => JSON.parse(line) as Recorded).filter(({ replay, trial }) => replay === replayWords(trial))

/** The exit code: 1 where a trial did not end as it must, or no fault struck in any. Where nothing is left to do, the table is that of the record. */
export const runCampaign = async (campaign: Campaign): Promise<number> => {
  const { kinds, out, record, replayWords, seed, settings, stop } = campaign
  const began = performance.now()
  const outcomes = [...recorded(record, replayWords)]
  const known = new Set(outcomes.map(({ trial }) => trial))
  const waiting = campaign.trials.filter((trial) => !known.has(trial))
  const skipped = waiting.length === 0 ? 0 : await runTrials(campaign, waiting, (outcome) => {
    outcomes.push(outcome)
    if (record !== null) appendFileSync(record, `${JSON.stringify({ replay: replayWords(outcome.trial), ...outcome } satisfies Recorded)}\n`)
  })

  outcomes.sort((a, b) => a.trial - b.trial)
  const rows = rowsOf(kinds, outcomes)
  const seconds = (performance.now() - began) / 1000
  if (campaign.json) out(JSON.stringify({ schema: 1, seed, seconds, rows, skipped, trials: outcomes.map((outcome) => ({ ...outcome, replay: replayWords(outcome.trial) })) }))
  else {
    for (const line of failureLines(outcomes, replayWords)) out(line)
    for (const line of tableLines(rows)) out(line)
    out(`Seed ${seed}, ${settings.jobs} at a time, ${Math.round(seconds)} s in all${skipped > 0 ? `; ${skipped} trials skipped` : ""}.`)
  }
  if (stop.aborted) return 130
  return outcomes.some(({ verdict }) => verdict === "failed") || outcomes.every(({ verdict }) => verdict === "missed") ? 1 : 0
}

/** Does the trials; gives how many had to be left out. */
const runTrials = async ({ keep, kinds, say, seed, settings, stop }: Campaign, trials: ReadonlyArray<number>, done: (outcome: Outcome) => void): Promise<number> => {
  const noDisk = whyNoDisk(settings.dir)
  if (noDisk !== null) say(`no small disk can be mounted here (${noDisk}): trials that need one are skipped`)
  const reference = await runReference(settings)
  const { shape } = reference
  say(`undisturbed: ${shape.steps.length} steps, ${shape.commits.length} checkpoints of ${shape.checkpointBytes} bytes, ${shape.seconds.toFixed(1)} s`)
  const impossible = kinds.filter((kind) => planOf(seed, 0, [kind], shape) === null)
  if (impossible.length > 0) say(`cannot happen in this run: ${impossible.map(({ name }) => name).join(", ")}`)

  const waiting = [...trials]
  let skipped = 0
  const work = async () => {
    for (let trial = waiting.shift(); trial !== undefined && !stop.aborted; trial = waiting.shift()) {
      const plan = planOf(seed, trial, kinds, shape)
      if (plan === null || (noDisk !== null && plan.plans.some(({ needsDisk }) => needsDisk))) {
        skipped++
        continue
      }
      const outcome = await runTrial(plan, reference, settings)
      if (stop.aborted) return
      done(outcome)
      say(lineOf(outcome))
      if (outcome.verdict !== "failed" && !keep) {
        await sleep(0) // the last lines of its processes are out
        rmSync(outcome.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
      }
    }
  }
  await Promise.all(Array.from({ length: settings.jobs }, work))
  return skipped
}
