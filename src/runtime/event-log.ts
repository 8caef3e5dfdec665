/**
 * A run's event log: NDJSON with sequence numbers that go on across restarts. Appending is synchronous and cheap; one fiber
 * owns the file and writes in batches.
 *
 * The log must never stop the work it reports. On a full or failing disk it holds events up to a limit, counts what it drops,
 * retries with backoff, and says in the log, once it can, how much is missing.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import { type Backoff, delayMillis } from "./backoff.ts"
import { EventLogFailed } from "./event-log-error.ts"
import { endOf, eventsDir, listSegments } from "./segments.ts"
import { type Line, makeSegmentWriter } from "./segment-writer.ts"

export { EventLogFailed } from "./event-log-error.ts"

export type Stamped<A> = A & { readonly seq: number; readonly time: string }

export interface EventLog<A> {
  /** Stamps the event with the next sequence number and the time in UTC, and queues it. */
  readonly append: (event: A) => Stamped<A>
  /** Waits until all that was appended before is on disk, or until the disk has just refused it. */
  readonly flush: Effect.Effect<void>
  readonly lastSeq: () => number
  /** The newest number on disk. */
  readonly written: () => number
  /** Events dropped and not yet reported in the log. */
  readonly dropped: () => number
}

export interface EventLogOptions<A extends object> {
  /** The run's directory; the log is in `events/` below it. */
  readonly dir: string
  readonly schema: Schema.Codec<A>
  /** Makes the event that reports a gap. */
  readonly dropped: (events: number, reason: string) => A
  readonly segmentBytes?: number | undefined
  /** Bytes of all segments beyond which the oldest are removed; the newest always stays. */
  readonly keepBytes?: number | undefined
  /** How long the writer waits for more events before it writes. */
  readonly batch?: Duration.Input | undefined
  /** Events held while the disk refuses them; a newer one is dropped. */
  readonly capacity?: number | undefined
}

const defaultSegmentBytes = 8 * 1024 * 1024
const defaultBatch: Duration.Input = "20 millis"
const defaultCapacity = 20_000
const linesPerWrite = 512
const retry: Backoff = { initial: "100 millis", factor: 2, max: "5 seconds", jitter: 0 }

/** Opens the log, with whatever a crash tore off repaired; it lives, and its last events are written, with the scope. */
export const openEventLog = Effect.fnUntraced(function*<A extends object>(options: EventLogOptions<A>) {
  const { dir, dropped: gap } = options
  const capacity = options.capacity ?? defaultCapacity
  const clock = yield* Clock.Clock
  const encode = encoderOf(options.schema)
  const end = yield* findEnd(dir)
  const writer = makeSegmentWriter(dir, { segmentBytes: options.segmentBytes ?? defaultSegmentBytes, keepBytes: options.keepBytes ?? Infinity }, end.segment)

  let seq = end.lastSeq
  let written = end.lastSeq
  let dropped = 0
  let reason = ""
  const pending: Array<Stamped<A>> = []
  /** Encoded and on their way; what the disk refused stays here. */
  const lines: Array<Line> = []
  const work = Latch.makeUnsafe()
  const hurry = Latch.makeUnsafe()
  const attempts = new Set<() => void>()

  const drop = (why: string) => {
    dropped++
    reason = why
  }

  const append = (event: A): Stamped<A> => {
    const stamped = { seq: ++seq, time: new Date(clock.currentTimeMillisUnsafe()).toISOString(), ...event }
    if (pending.length + lines.length >= capacity) drop(reason === "" ? "more events than the log can take" : reason)
    else {
      pending.push(stamped)
      work.openUnsafe()
    }
    return stamped
  }

  const encodePending = () => {
    for (const { seq, time, ...event } of pending.splice(0, linesPerWrite)) {
      try {
        const bytes = Buffer.from(`${JSON.stringify({ seq, time, ...encode(event as unknown as A) as object })}\n`)
        lines.push({ seq, bytes })
      } catch (error) {
        drop(`event could not be encoded: ${messageOf(error)}`)
      }
    }
  }

  /** One try at everything that waits; false when the disk refuses. */
  const writeAll = Effect.promise(async () => {
    let reported = false
    while (pending.length > 0 || lines.length > 0 || (dropped > 0 && !reported)) {
      if (lines.length === 0 && pending.length === 0) {
        const missing = gap(dropped, reason)
        reported = true
        dropped = 0
        append(missing)
      }
      if (lines.length === 0) encodePending()
      const last = lines.at(-1)
      try {
        await writer.write(lines)
      } catch (error) {
        reason = messageOf(error)
        if (lines[0] !== undefined) written = lines[0].seq - 1
        return false
      }
      if (last !== undefined) written = last.seq
    }
    reason = ""
    return true
  })
  const attempt = Effect.map(writeAll, (complete) => {
    const waiting = [...attempts] // whoever goes on may flush again at once, and waits for the next attempt
    attempts.clear()
    for (const attempted of waiting) attempted()
    return complete
  })

  // added before the owner is forked, so run after it has ended: there are never two writers
  yield* Effect.addFinalizer(() => Effect.andThen(attempt, Effect.promise(writer.close)))
  yield* Effect.gen(function*() {
    let failures = 0
    while (true) {
      yield* work.await
      yield* Effect.timeoutOption(hurry.await, options.batch ?? defaultBatch)
      work.closeUnsafe()
      hurry.closeUnsafe()
      failures = (yield* Effect.uninterruptible(attempt)) ? 0 : failures + 1
      if (failures === 0) continue
      yield* Effect.timeoutOption(hurry.await, delayMillis(retry, failures, 0))
      work.openUnsafe()
    }
  }).pipe(Effect.forkScoped)

  const flush = Effect.callback<void>((resume) => {
    if (pending.length === 0 && lines.length === 0) return resume(Effect.void)
    const attempted = () => resume(Effect.void)
    attempts.add(attempted)
    hurry.openUnsafe()
    return Effect.sync(() => attempts.delete(attempted))
  })

  return { append, flush, lastSeq: () => seq, written: () => written, dropped: () => dropped } satisfies EventLog<A>
})

/** Throws on an event that is none: the writer catches it for that one event. */
const encoderOf = <A>(schema: Schema.Codec<A>) => Schema.encodeSync(Schema.toCodecJson(schema))

const messageOf = (error: unknown) => error instanceof Error ? error.message : String(error)

/** Where the last run's log ends; its numbers go on from there. */
const findEnd = (dir: string) =>
  Effect.tryPromise({
    try: async () => {
      const last = (await listSegments(dir)).at(-1)
      if (last === undefined) return { lastSeq: 0, segment: undefined }
      const { bytes, lastSeq } = await endOf(last)
      return { lastSeq, segment: { path: last.path, bytes } }
    },
    catch: (error) => new EventLogFailed({ path: eventsDir(dir), reason: messageOf(error) })
  })
