/** `rae ckpt save | pin | prune`: what changes a run's checkpoints. */
import * as Effect from "effect/Effect"
import { basename, dirname } from "node:path"
import type { StampedEvent } from "../../actors/journal.ts"
import type { Status } from "../../actors/status.ts"
import type { RunConfig } from "../config/schema.ts"
import { list, type Listed } from "../checkpoint/describe.ts"
import { changed, none, readMarks, writeMarks } from "../checkpoint/marks.ts"
import { expired, kept, type Retention } from "../checkpoint/retention.ts"
import * as Store from "../checkpoint/store.ts"
import { askControl } from "../runtime/control-client.ts"
import { claimRunDir } from "../runtime/lock.ts"
import type { CheckpointInput, PinInput, PruneInput } from "./checkpoint-commands.ts"
import { count, size } from "./quantities.ts"
import { findRun, runsDirectory, type RunDirectory } from "./run-directory.ts"
import { askRun, followRunning, notRunning } from "./steer.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

/** What became of a save that was asked for: where it lies, or why it does not. */
type Saved = { readonly _tag: "Committed"; readonly step: number; readonly path: string; readonly bytes: number } | { readonly _tag: "Refused"; readonly reason: string } | { readonly _tag: "Ended" }

const awaitSave = async (run: RunDirectory, after: number): Promise<Saved> => {
  /** Of the snapshot that answers the request; a commit before it is another one's. */
  let step: number | null = null
  for await (const event of followRunning(run, after)) {
    if (event.type === "snapshot.taken" && event.cause === after) {
      step = event.step
      // A run that is paused, or was resumed just now, has nothing newer than what is saved: no commit follows.
      const saved = (await askControl({ dir: run.home, path: "/status" }) as Status).last_checkpoint
      if (saved !== null && saved.step >= step) return { _tag: "Committed", ...saved }
    }
    if (event.type === "checkpoint.committed" && step !== null && event.step >= step) return { _tag: "Committed", step: event.step, path: event.path, bytes: event.bytes }
    // Without a wait, the second directory is tried at once.
    if (event.type === "checkpoint.failed" && step !== null && event.retry_seconds > 0) return { _tag: "Refused", reason: `${event.message}; the state stays in memory, next try in ${event.retry_seconds.toFixed(1)} s` }
    if (ends(event)) return { _tag: "Ended" }
  }
  return { _tag: "Ended" }
}
const ends = ({ type }: StampedEvent): boolean => type === "run.finished" || type === "run.stopped" || type === "run.failed" || type === "study.finished"

export const save = async ({ operand, values }: CheckpointInput, terminal: Terminal): Promise<number> => {
  const run = findRun(operand, runsDirectory(values["runs-dir"]))
  const asked = await askRun(run, "/checkpoint")
  if (asked === null) return notRunning(run, terminal)
  if (!asked.accepted) {
    terminal.err(`${run.name}: no engine is up, no checkpoint is taken`)
    return 1
  }
  const saved = await awaitSave(run, asked.seq)
  if (saved._tag === "Committed") {
    if (values.json) terminal.out(JSON.stringify({ schema: 1, step: saved.step, bytes: saved.bytes, path: saved.path }))
    else {
      terminal.out(saved.path)
      terminal.err(`${run.name}: step ${count(saved.step)}, ${size(saved.bytes)}, verified`)
    }
    return 0
  }
  terminal.err(`${run.name}: ${saved._tag === "Refused" ? saved.reason : "ended meanwhile, saved as it ends"}`)
  return saved._tag === "Refused" ? 1 : 0
}

/** The one run whose checkpoints are meant. */
const oneOf = (run: RunDirectory): RunDirectory => {
  if (run.description.kind === "run") return run
  throw new UsageError(`${run.name} is a study, expected one of its variants`, `one of ${run.description.variants.join(", ")}`)
}

export const checkpointsOf = async (operand: string | undefined, runsDir: string): Promise<{ readonly run: RunDirectory; readonly checkpoints: ReadonlyArray<Listed> }> => {
  const run = oneOf(findRun(operand, runsDir))
  return { run, checkpoints: await Effect.runPromise(list(run.dir, runsDir)) }
}

/** The checkpoint of a step, or the newest. */
export const chosen = (checkpoints: ReadonlyArray<Listed>, name: string, step: number | undefined): Listed & { readonly step: number } => {
  const found = step === undefined ? checkpoints.at(-1) : checkpoints.find((each) => each.step === step)
  if (found !== undefined && found.step !== null) return { ...found, step: found.step }
  const steps = checkpoints.map((each) => each.step).filter((each) => each !== null)
  throw new UsageError(step === undefined ? `${name} has no checkpoint yet` : `${name} has no checkpoint of step ${step}`, steps.length === 0 ? undefined : `there are ${steps.join(", ")}`)
}

export const pin = async ({ operand, values }: PinInput, terminal: Terminal): Promise<number> => {
  const { checkpoints, run } = await checkpointsOf(operand, runsDirectory(values["runs-dir"]))
  const { path, step } = chosen(checkpoints, run.name, values.step)
  const directory = dirname(path)
  const marks = await Effect.runPromise(readMarks(directory).pipe(
    Effect.map((before) => changed(before, values.remove ? { unpin: step } : { pin: step })), Effect.tap((after) => writeMarks(directory, after))))
  if (values.json) terminal.out(JSON.stringify({ schema: 1, step, path, pinned: marks.pinned }))
  else terminal.err(`${basename(path)} ${values.remove ? "is pruned like the others" : "stays whatever is pruned"}`)
  return 0
}

/** Steps of one directory that would go if all that is kept is good: verifying them is the business of the prune itself. */
const doomed = (checkpoints: ReadonlyArray<Listed>, retention: Retention, marks: Parameters<typeof expired>[3]): ReadonlyArray<number> => {
  const newestFirst = checkpoints.map(({ step }) => step).filter((step) => step !== null).toReversed()
  return expired(newestFirst.slice(0, kept(retention)), newestFirst.slice(kept(retention)), retention, marks)
}

export const prune = async ({ operand, values }: PruneInput, terminal: Terminal): Promise<number> => {
  const { checkpoints, run } = await checkpointsOf(operand, runsDirectory(values["runs-dir"]))
  const { keep_every, keep_last } = (run.description.config as RunConfig).checkpoint
  const retention: Retention = { keep_last: values.keep ?? keep_last, keep_every: keep_every === 0 ? null : keep_every }
  // Each directory keeps what the retention asks for, as it does while the run trains.
  const directories = [...Map.groupBy(checkpoints, ({ path }) => dirname(path))]
  const say = (gone: ReadonlyMap<string, ReadonlyArray<number>>, removed: boolean, quarantined: ReadonlyArray<string>) => {
    const going = checkpoints.filter(({ path, step }) => step !== null && gone.get(dirname(path))?.includes(step))
    const steps = [...new Set([...gone.values()].flat())]
    if (values.json) terminal.out(JSON.stringify({ schema: 1, steps, removed, quarantined }))
    else terminal.err(steps.length === 0 ? "nothing to remove" : `${removed ? "removed" : "would remove"} step ${steps.toSorted((a, b) => a - b).map(count).join(", ")}: ${size(going.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0))}`)
  }
  if (!values.yes) {
    const gone = new Map(await Promise.all(directories.map(async ([directory, listed]) =>
      [directory, doomed(listed, retention, await Effect.runPromise(readMarks(directory).pipe(Effect.orElseSucceed(() => none))))] as const)))
    say(gone, false, [])
    if ([...gone.values()].flat().length > 0) terminal.err("  = help: --yes removes them")
    return 0
  }
  const pruned = await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    yield* claimRunDir(run.home)
    return yield* Effect.forEach(directories, ([directory]) => Effect.flatMap(Store.open({ directory, retention }), (store) => Effect.map(store.prune, (done) => ({ directory, ...done }))))
  })))
  const quarantined = pruned.flatMap((each) => each.quarantined)
  for (const { path, reason } of quarantined) terminal.err(`damaged, moved to ${path}: ${reason}`)
  say(new Map(pruned.map(({ directory, removed }) => [directory, removed])), true, quarantined.map(({ path }) => path))
  return 0
}
