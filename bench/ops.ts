/** What an operation call, a message between actors and an event cost, in microseconds: medians of several rounds. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { make as event, Event } from "../actors/events.ts"
import { actor } from "../src/runtime/actor.ts"
import { openEventLog } from "../src/runtime/event-log.ts"
import { libtorchVersion } from "../src/tensor/device.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import type { Values } from "./main.ts"

const rounds = 15
const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** Microseconds of one of `count` calls. */
const each = (count: number, work: () => void): number => median(Array.from({ length: rounds }, () => {
  const started = performance.now()
  work()
  return ((performance.now() - started) * 1000) / count
}))

const addAndRelease = (): number => {
  const [a, b] = [T.full([4], 1), T.full([4], 2)]
  const count = 20_000
  return each(count, () => { for (let i = 0; i < count; i++) T.add(a, b).dispose() })
}
const addInScope = (): number => {
  const [a, b] = [T.full([4], 1), T.full([4], 2)]
  const count = 20_000
  return each(count, () => scope(() => { for (let i = 0; i < count; i++) T.add(a, b) }))
}

const messages = Effect.gen(function*() {
  const echo = yield* actor({ name: "echo", init: Effect.succeed({ call: (n: number) => Effect.succeed(n) }) })
  yield* Effect.forkScoped(echo.run(Effect.void))
  const count = 5000
  const times: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const started = performance.now()
    for (let i = 0; i < count; i++) yield* echo.ask.call(i)
    times.push(((performance.now() - started) * 1000) / count)
  }
  return median(times)
})

const events = Effect.gen(function*() {
  const dir = yield* Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "rae-bench-"))), (made) => Effect.sync(() => rmSync(made, { recursive: true })))
  const log = yield* openEventLog<Event>({ dir, schema: Event as Schema.Codec<Event>, dropped: (count, reason) => event("log.dropped", "bench", { events: count, reason }) })
  const count = 2000
  const said = event("train.phase", "bench", { step: 1, phase: "lpips" })
  const appended: Array<number> = [], written: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const started = performance.now()
    for (let i = 0; i < count; i++) log.append(said)
    appended.push(((performance.now() - started) * 1000) / count)
    yield* log.flush
    written.push(((performance.now() - started) * 1000) / count)
  }
  return { append: median(appended), toDisk: median(written) }
})

export const run = async (values: Values): Promise<void> => {
  const log = await Effect.runPromise(Effect.scoped(events))
  const figures = {
    "add + release": addAndRelease(), "add, released by its scope": addInScope(), "ask of an actor": await Effect.runPromise(Effect.scoped(messages)),
    "event, in the caller": log.append, "event, to the disk": log.toDisk
  }
  process.stdout.write(values.json
    ? `${JSON.stringify({ libtorch: libtorchVersion(), microseconds: figures })}\n`
    : `${Object.entries(figures).map(([name, micros]) => `${name.padEnd(28)} ${micros.toFixed(2)} µs`).join("\n")}\nlibtorch ${libtorchVersion()}, median of ${rounds} rounds\n`)
  process.exit(0)
}
