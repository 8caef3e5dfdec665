/** What a run has come to, in every bit: the hash of each tensor of its newest checkpoints, and what `state.json` says beside them. */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { StampedEvent } from "../actors/journal.ts"
import { hashLines, show } from "../src/checkpoint/describe.ts"
import { stateFile } from "../src/checkpoint/layout.ts"
import { readEvents } from "../src/runtime/event-reader.ts"

export interface Fingerprint {
  /** The lines of `rae ckpt show --hash`, and one line a counter of the training state: place in the data, schedules, sums of losses. */
  readonly state: ReadonlyArray<string>
  /** The losses of each step that was logged, by run and step: they hang on the batch, the draws and the weights of that step. */
  readonly losses: ReadonlyMap<string, string>
}

type Logged<T extends StampedEvent["type"]> = Extract<StampedEvent, { readonly type: T }>

export const isOf = <T extends StampedEvent["type"]>(type: T) => (event: StampedEvent): event is Logged<T> => event.type === type

export const stepKey = (run: string, step: number): string => `${variantOf(run)} ${step}`
/** A run's own name differs from trial to trial, its variants' names do not. */
export const variantOf = (run: string): string => run.split("/")[1] ?? ""

export const lossesOf = ({ disc, gan, grad_norm, lpips, lr, rec, total, weight }: Logged<"train.step">): string =>
  JSON.stringify([total, rec, lpips, gan, disc, weight, grad_norm, lr])

const flatten = (name: string, value: unknown): ReadonlyArray<string> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.keys(value).sort().flatMap((key) => flatten(`${name}.${key}`, (value as Readonly<Record<string, unknown>>)[key]))
    : [`${name} ${JSON.stringify(value)}`]

const stateLines = (dir: string) => Effect.gen(function*() {
  const tensors = yield* hashLines(dir, dir)
  const shown = yield* show(dir, dir)
  const counters = shown.flatMap(({ path, variant }) =>
    flatten(variant === null ? "state" : `${variant}/state`, JSON.parse(readFileSync(join(path, stateFile), "utf8"))))
  return [...tensors, ...counters]
})

/** Every event of a run's log. */
export const eventsOf = async (dir: string): Promise<ReadonlyArray<StampedEvent>> => {
  const all: Array<StampedEvent> = []
  for await (const record of readEvents(dir)) all.push(record as unknown as StampedEvent)
  return all
}

export const fingerprint = async (dir: string): Promise<Fingerprint> => ({
  state: await Effect.runPromise(stateLines(dir)),
  losses: new Map((await eventsOf(dir)).filter(isOf("train.step")).map((event) => [stepKey(event.run, event.step), lossesOf(event)]))
})

const few = 5
const firstFew = (names: ReadonlyArray<string>) => `${names.slice(0, few).join(", ")}${names.length > few ? ", …" : ""}`

/** What differs from the reference, in words; nothing where all is equal. Every logged step counts, one that was computed twice both times. */
export const differences = (reference: Fingerprint, got: Fingerprint, events: ReadonlyArray<StampedEvent>): ReadonlyArray<string> => {
  const state = new Set(got.state)
  const missing = reference.state.filter((line) => !state.has(line)).map((line) => line.split(" ")[0] ?? "")
  const wrong = events.filter(isOf("train.step")).filter((event) => reference.losses.get(stepKey(event.run, event.step)) !== lossesOf(event))
  return [
    ...(missing.length > 0 ? [`${missing.length} of ${reference.state.length} tensors and counters differ: ${firstFew(missing)}`] : []),
    ...(got.state.length !== reference.state.length ? [`${got.state.length} tensors and counters, expected ${reference.state.length}`] : []),
    ...(wrong.length > 0 ? [`the losses of ${wrong.length} steps differ: ${firstFew(wrong.map(({ run, step }) => stepKey(run, step).trim()))}`] : [])
  ]
}
