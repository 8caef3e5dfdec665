/** The event log: numbers that go on, torn lines, segments, full disks, and readers that neither lose nor repeat. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { execFileSync } from "node:child_process"
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type EventLogOptions, openEventLog } from "../src/runtime/event-log.ts"
import { followEvents, type LogRecord, openCursor, readEvents } from "../src/runtime/event-reader.ts"

const Tick = Schema.Struct({ type: Schema.String, n: Schema.Number })
type Tick = typeof Tick.Type
const tick = (n: number): Tick => ({ type: "tick", n })
const dropped = (events: number, reason: string): Tick => ({ type: `dropped: ${reason}`, n: events })

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "rae-log-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true }))
)
const open = (dir: string, options: Partial<EventLogOptions<Tick>> = {}) => openEventLog<Tick>({ dir, schema: Tick, dropped, ...options })
const all = (dir: string, after = 0) => Effect.promise(() => Array.fromAsync(readEvents(dir, { after })))
const segments = (dir: string) => readdirSync(join(dir, "events")).sort()
const seqs = (records: ReadonlyArray<LogRecord>) => records.map(({ seq }) => seq)
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)
const appendAll = (log: { readonly append: (event: Tick) => unknown }, from: number, to: number) => {
  for (let n = from; n <= to; n++) log.append(tick(n))
}

describe("event log", () => {
  it.effect("stamps number and time in UTC, and writes what JSON cannot hold", () => Effect.gen(function*() {
    const dir = yield* folder
    yield* TestClock.setTime(Date.UTC(2026, 0, 2, 3, 4, 5))
    const log = yield* open(dir)
    assert.deepStrictEqual(log.append(tick(Number.NaN)), { seq: 1, time: "2026-01-02T03:04:05.000Z", type: "tick", n: Number.NaN })
    log.append(tick(Number.NEGATIVE_INFINITY))
    assert.strictEqual(log.written(), 0)
    yield* log.flush
    assert.strictEqual(log.written(), 2)
    assert.strictEqual(readFileSync(join(dir, "events", "0000000001.ndjson"), "utf8"),
      '{"seq":1,"time":"2026-01-02T03:04:05.000Z","type":"tick","n":"NaN"}\n{"seq":2,"time":"2026-01-02T03:04:05.000Z","type":"tick","n":"-Infinity"}\n')
  }))

  it.effect("goes on numbering where the last run ended, over a line that a crash tore", () => Effect.gen(function*() {
    const dir = yield* folder
    yield* Effect.scoped(Effect.gen(function*() { appendAll(yield* open(dir), 1, 3) }))
    const file = join(dir, "events", "0000000001.ndjson")
    for (const damage of ['{"seq":4,"time":"2026', "\0\0\0\0", '{"seq":4}\n', "[]\nnonsense\n"]) {
      const before = statSync(file).size
      appendFileSync(file, damage)
      assert.deepStrictEqual(seqs(yield* all(dir)), upTo(3), damage)
      const log = yield* Effect.scoped(Effect.tap(open(dir), (log) => Effect.sync(() => log.append(tick(4)))))
      assert.strictEqual(log.lastSeq(), 4)
      assert.deepStrictEqual(seqs(yield* all(dir)), upTo(4), damage)
      truncateSync(file, before)
    }
  }))

  it.effect("finds the end of a log whose last line is longer than one look", () => Effect.gen(function*() {
    const dir = yield* folder
    yield* Effect.scoped(Effect.gen(function*() { (yield* open(dir)).append({ type: "x".repeat(300_000), n: 1 }) }))
    appendFileSync(join(dir, "events", "0000000001.ndjson"), "y".repeat(100_000))
    const log = yield* open(dir)
    assert.strictEqual(log.append(tick(2)).seq, 2)
    yield* log.flush
    assert.deepStrictEqual(seqs(yield* all(dir)), [1, 2])
  }))

  it.effect("starts a new segment by size, and reads across them from any number", () => Effect.gen(function*() {
    const dir = yield* folder
    const log = yield* open(dir, { segmentBytes: 500 })
    for (let batch = 0; batch < 10; batch++) {
      appendAll(log, 10 * batch + 1, 10 * batch + 10)
      yield* log.flush
    }
    assert.isAbove(segments(dir).length, 5)
    for (const after of [0, 1, 9, 10, 11, 55, 99, 100, 1000]) assert.deepStrictEqual(seqs(yield* all(dir, after)), upTo(100).slice(after))
  }))

  it.effect("keeps to its size: the oldest segments go, and readers go on with what is left", () => Effect.gen(function*() {
    const dir = yield* folder
    const log = yield* open(dir, { segmentBytes: 500, keepBytes: 1200 })
    const fill = Effect.fnUntraced(function*(batches: number) {
      for (let batch = 0; batch < batches; batch++) {
        appendAll(log, 1, 10)
        yield* log.flush
      }
    })
    const slow = openCursor(dir, 0)
    yield* fill(1)
    assert.deepStrictEqual(seqs(yield* Effect.promise(slow)), upTo(10))
    yield* fill(20)
    const sizes = segments(dir).map((name) => statSync(join(dir, "events", name)).size)
    assert.isAtMost(sizes.reduce((sum, bytes) => sum + bytes, 0), 1200 + 700)
    const left = seqs(yield* all(dir))
    assert.isAbove(left[0] ?? 0, 10)
    assert.deepStrictEqual(left, upTo(210).slice(-left.length), "whole, to the end")
    const rest: Array<number> = []
    for (let records = yield* Effect.promise(slow); records.length > 0; records = yield* Effect.promise(slow)) rest.push(...seqs(records))
    assert.deepStrictEqual(rest, left, "a reader whose segment has gone goes on with the oldest there is")
    assert.strictEqual((yield* Effect.scoped(open(dir, { segmentBytes: 500, keepBytes: 1200 }))).lastSeq(), 210)
  }))

  it.effect("a follower sees each event once, across segments, restarts of the writer and torn lines", () => Effect.gen(function*() {
    const dir = yield* folder
    const next = openCursor(dir, 0)
    const seen: Array<number> = []
    const look = Effect.promise(async () => {
      for (let records = await next(); records.length > 0; records = await next()) seen.push(...seqs(records))
    })
    yield* look // nothing there yet
    for (let run = 0; run < 5; run++) {
      yield* Effect.scoped(Effect.gen(function*() {
        const log = yield* open(dir, { segmentBytes: 300 })
        for (let batch = 0; batch < 4; batch++) {
          appendAll(log, 1, 3)
          yield* log.flush
          if (batch % 2 === 0) yield* look
        }
      }))
      appendFileSync(join(dir, "events", segments(dir).at(-1) as string), `{"seq":${run * 12 + 13},"ti`)
      yield* look
    }
    assert.deepStrictEqual(seen, upTo(60))
  }))

  it.live("a follower waits for the log to appear and ends when told to", () => Effect.gen(function*() {
    const dir = yield* folder
    const ending = new AbortController()
    const seen: Array<number> = []
    const following = (async () => {
      for await (const { seq } of followEvents(dir, { after: 1, pollMillis: 5, signal: ending.signal })) if (seen.push(seq) === 2) ending.abort()
    })()
    const log = yield* open(dir)
    appendAll(log, 1, 3)
    yield* Effect.promise(() => following)
    assert.deepStrictEqual(seen, [2, 3])
  }))

  it.effect("a full disk stops nobody: events wait, the rest is counted, and the log says so when it can", () => Effect.gen(function*() {
    const dir = yield* folder
    mkdirSync(join(dir, "events"))
    const file = join(dir, "events", "0000000001.ndjson")
    symlinkSync("/dev/full", file) // every write fails with ENOSPC, truly
    const log = yield* open(dir, { capacity: 5 })
    appendAll(log, 1, 8)
    yield* log.flush
    assert.strictEqual(log.written(), 0)
    assert.strictEqual(log.dropped(), 3)
    rmSync(file)
    yield* log.flush
    assert.strictEqual(log.dropped(), 0)
    const records = yield* all(dir)
    assert.deepStrictEqual(seqs(records), [1, 2, 3, 4, 5, 9])
    assert.strictEqual(records.at(-1)?.["n"], 3)
    assert.match(String(records.at(-1)?.["type"]), /ENOSPC: no space left on device/)
  }))

  it.effect("retries by itself, later and later", () => Effect.gen(function*() {
    const dir = yield* folder
    mkdirSync(join(dir, "events"))
    const file = join(dir, "events", "0000000001.ndjson")
    symlinkSync("/dev/full", file)
    const log = yield* open(dir)
    log.append(tick(1))
    yield* log.flush
    rmSync(file)
    while (log.written() === 0) {
      yield* TestClock.adjust("5 seconds")
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
    assert.deepStrictEqual(seqs(yield* all(dir)), [1])
  }))

  it.live("on a small file system that fills in the middle of a batch, no line is lost, torn or doubled", (context) => Effect.gen(function*() {
    const dir = yield* folder
    const mounted = yield* Effect.acquireRelease(
      Effect.sync(() => {
        try {
          execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", dir], { stdio: "ignore" })
          return true
        } catch {
          return false
        }
      }),
      (mounted) => Effect.sync(() => { if (mounted) execFileSync("umount", ["-l", dir]) })
    )
    if (!mounted) return context.skip("needs the right to mount a tmpfs")
    const filler = join(dir, "filler")
    writeFileSync(filler, Buffer.alloc(30_000))
    yield* Effect.scoped(Effect.gen(function*() {
      const log = yield* open(dir)
      appendAll(log, 1, 700)
      yield* log.flush
      assert.isBelow(log.written(), 700)
      assert.isAbove(log.written(), 100)
      rmSync(filler)
      yield* log.flush
      assert.strictEqual(log.written(), 700)
    }))
    assert.deepStrictEqual(seqs(yield* all(dir)), upTo(700))
    assert.strictEqual(readFileSync(join(dir, "events", "0000000001.ndjson"), "utf8").split("\n").length, 701)
  }))

  it.effect("an event that its schema refuses is counted, not fatal", () => Effect.gen(function*() {
    const dir = yield* folder
    const log = yield* open(dir)
    log.append({ type: 7, n: 1 } as unknown as Tick)
    log.append(tick(2))
    yield* log.flush
    const records = yield* all(dir)
    assert.deepStrictEqual(seqs(records), [2, 3])
    assert.match(String(records[1]?.["type"]), /^dropped: event could not be encoded/)
  }))

  it.live("appending costs the caller next to nothing", () => Effect.gen(function*() {
    const log = yield* open(yield* folder, { capacity: 100_000 })
    appendAll(log, 1, 5000)
    const started = performance.now()
    appendAll(log, 1, 20_000)
    assert.isBelow((performance.now() - started) / 20_000 * 1000, 20)
    yield* log.flush
  }))
})
