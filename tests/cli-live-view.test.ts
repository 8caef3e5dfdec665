/** What a run shows of itself: the live block at several widths, its drawing on a terminal, event lines, the headline. */
import { assert, describe, expect, it } from "vitest"
import { make, type Event } from "../actors/events.ts"
import { empty } from "../actors/goodput.ts"
import type { StampedEvent } from "../actors/journal.ts"
import type { Status } from "../actors/status.ts"
import { eventLine } from "../src/cli/event-line.ts"
import { openLiveBlock } from "../src/cli/live-block.ts"
import { liveView } from "../src/cli/live-view.ts"
import { headline, openPrinter } from "../src/cli/printer.ts"
import { plain } from "../src/cli/terminal.ts"
import { displayWidth } from "../src/formats/text-table.ts"
import { collectingTerminal } from "./cli-collecting-terminal.ts"

export const status: Status = {
  schema: 1, name: "ablation_lpips", kind: "study", state: "training", pid: 8123, started_at: "2026-01-31T10:20:00.000Z", up_seconds: 6360, profile: "tiny",
  device: "cpu", precision: "float32", data: "photos", random_weights: true, variant: { name: "ablation_lpips/lpips-1.0", index: 2, count: 3 }, step: 520, steps: 1000, epoch: 3,
  losses: { total: 0.9, rec: 0.2041, lpips: 0.5413, gan: 0.613, disc: 0.94, weight: 0.27 }, lr: 2e-4,
  phase_seconds: { data: 0.001, encode: 0, generator: 0.048, losses: 0.019, disc: 0.018 }, step_seconds: 0.086, images_per_second: 11.6, eta_seconds: 41, restarts: 1,
  engine: { pid: 8390, op: null, handles: 2113, bytes: 1e8, rss_bytes: 4e8 }, actors: [],
  last_checkpoint: { step: 450, bytes: 18_411_520, at: "2026-01-31T12:05:33.000Z", path: "x" }, unsaved_steps: 70,
  disk: { path: "runs", free_bytes: 3.1e9, next_checkpoint_bytes: 18_411_520 }, last_failures: [], goodput: empty, eval: null
}

describe("live view", () => {
  for (const columns of [200, 80, 40]) {
    it(`at ${columns} columns`, () => {
      const lines = liveView(status, columns, plain)
      expect(`\n${lines.join("\n")}\n`).toMatchSnapshot()
      assert.isBelow(Math.max(...lines.map(displayWidth)), columns)
    })
  }

  it("fits any width", () => {
    for (let columns = 4; columns < 220; columns++) assert.isBelow(Math.max(...liveView(status, columns, plain).map(displayWidth)), columns)
  })

  it("before the first step, while recovering, and with a full disk", () => {
    const nothingYet: Status = { ...status, step: 0, steps: 0, losses: {}, lr: null, phase_seconds: {}, step_seconds: null, images_per_second: null, eta_seconds: null }
    expect(`\n${[
      ...liveView({ ...nothingYet, state: "starting" }, 80, plain), "",
      ...liveView({ ...status, state: "recovering" }, 80, plain), "",
      ...liveView({ ...status, disk: { ...status.disk, free_bytes: 3.1e6 } }, 80, plain)
    ].join("\n")}\n`).toMatchSnapshot()
  })

  it("shows a loss that is not a number", () => {
    assert.include(liveView({ ...status, losses: { rec: NaN } }, 80, plain).join("\n"), "rec NaN")
  })
})

/** As much of a terminal as the block uses: lines, a cursor that moves up, erasing. */
const screen = (columns: number, rows: number) => {
  let lines: Array<string> = [""]
  let row = 0
  let column = 0
  let writes = 0
  let resized = () => {}
  const put = (character: string) => {
    const line = lines[row] ?? ""
    lines[row] = line.slice(0, column) + character + line.slice(++column)
  }
  return {
    control: (text: string) => {
      writes++
      // oxlint-disable-next-line no-control-regex
      for (const [, sequence, character = ""] of text.matchAll(/(\x1b\[[?\d]*[A-Za-z])|([\s\S])/g)) {
        const up = /(\d+)A$/.exec(sequence ?? "")
        if (up) row = Math.max(0, row - Number(up[1]))
        else if (sequence === "\x1b[K") lines[row] = (lines[row] ?? "").slice(0, column)
        else if (sequence === "\x1b[J") lines = [...lines.slice(0, row), (lines[row] ?? "").slice(0, column)]
        else if (character === "\n") [row, column, lines[row + 1]] = [row + 1, 0, lines[row + 1] ?? ""]
        else if (character === "\r") column = 0
        else if (character !== "") put(character)
      }
    },
    errColumns: () => columns,
    errRows: () => rows,
    onResize: (handler: () => void) => {
      resized = handler
      return () => { resized = () => {} }
    },
    resize: () => resized(),
    text: () => lines.join("\n"),
    writes: () => writes
  }
}

describe("live block", () => {
  it("stays at the foot while lines scroll above it, and leaves nothing behind", () => {
    const terminal = screen(80, 24)
    let n = 0
    const block = openLiveBlock(terminal, () => [`a ${n}`, `b ${n}`])
    block.flush()
    assert.strictEqual(terminal.text(), "a 0\nb 0\n")
    n = 1
    block.print("event 1")
    block.flush()
    assert.strictEqual(terminal.text(), "event 1\na 1\nb 1\n")
    block.print("event 2")
    terminal.resize()
    assert.strictEqual(terminal.text(), "event 1\nevent 2\na 1\nb 1\n")
    block.print("event 3")
    block.close()
    assert.strictEqual(terminal.text(), "event 1\nevent 2\nevent 3\n")
  })

  it("writes only when something changed", () => {
    const terminal = screen(80, 24)
    const block = openLiveBlock(terminal, () => ["same"])
    for (let i = 0; i < 5; i++) block.flush()
    assert.strictEqual(terminal.writes(), 1)
    block.close()
  })

  it("is never taller than the terminal", () => {
    const terminal = screen(80, 4)
    const block = openLiveBlock(terminal, () => ["1", "2", "3", "4", "5", "6"])
    block.flush()
    assert.strictEqual(terminal.text(), "1\n2\n3\n")
    block.close()
  })
})

const at = (event: Event, seq = 1): StampedEvent => ({ ...event, seq, time: "2026-01-31T12:04:11.000Z" })
const started = make("run.started", "ablation_lpips/lpips-1.0", {
  profile: "tiny", device: "cpu", precision: "float32", data: "photos", images: 120, steps: 1000, resumed_from: 400, random_weights: true
})
const step = make("train.step", "s/v", {
  step: 1520, epoch: 3, total: 0.9, rec: 0.2041, lpips: 0.5413, gan: null, disc: NaN, weight: 0.27, lr: 2e-4, grad_norm: 1, images_per_second: 11.6, seconds: { data: 0.038, generator: 0.048 }
})

describe("event lines", () => {
  it("say what happened", () => {
    const events: ReadonlyArray<Event> = [
      make("engine.exited", "s/v", { pid: 1, code: null, signal: "SIGSEGV", step: 408, stderr: ["last words"] }),
      make("supervisor.child_down", "s/v", {
        supervisor: "root", context: "child_terminated", reason: "SIGSEGV at step 408", offender: "engine", strategy: "one-for-one", attempt: 1, max: 3, delay_seconds: 0.5, lost_steps: 8
      }),
      make("engine.ready", "s/v", { pid: 2, step: 400, seconds: 1.23, libtorch: "1.13.1" }),
      make("checkpoint.failed", "s/v", { step: 450, error: "DiskFull", message: "no space", needed: 18_400_000, free: 3_100_000, unsaved_steps: 1, retry_seconds: 4 }),
      make("checkpoint.committed", "s/v", { step: 450, bytes: 18_411_520, seconds: 0.21, path: "x" }),
      make("signal.received", "s/v", { signal: "SIGINT", action: "finishing the step, saving, then exit; once more stops now" }),
      make("eval.finished", "s/v", { step: 500, images: 12, psnr: 21.34, ssim: 0.612, lpips: null, seconds: 2, picture: null }),
      step
    ]
    expect(`\n${events.map((event) => eventLine(event, "12:04:11", plain)).join("\n")}\n`).toMatchSnapshot()
  })

  it("leave out what only debugging wants", () => {
    assert.isNull(eventLine(make("checkpoint.pruned", "s", { steps: [1] }), "", plain))
  })

  it("leave out what a newer version of the program logged", () => {
    assert.isNull(eventLine({ ...step, type: "train.unheard_of" } as unknown as Event, "", plain))
  })
})

describe("printer", () => {
  it("headline: what, on what, new or resumed", () => {
    expect([
      headline("0.1.0", started as never, status, 8123, plain),
      headline("0.1.0", { ...started, run: "base", profile: null, resumed_from: null, random_weights: false } as never, null, 8123, plain)
    ]).toMatchSnapshot()
  })

  it("headline and event lines: nothing from outside steers the terminal", () => {
    const escape = "\x1b[2J\r\x9b31m"
    const shown = [
      headline("0.1.0", { ...started, run: `s${escape}/v${escape}`, data: escape } as never, null, 8123, plain),
      eventLine(make("engine.stderr", "s", { line: escape }, `engine${escape}`), "", plain),
      eventLine(make("engine.exited", "s", { pid: 1, code: null, signal: "SIGSEGV", step: 4, stderr: [escape] }), "", plain)
    ]
    // oxlint-disable-next-line no-control-regex
    for (const line of shown) assert.notMatch(line ?? "", /[\x00-\x1f\x7f-\x9f]/)
  })

  it("in a pipe: headline first, then one line an event with the time in UTC", () => {
    const { err: lines, terminal } = collectingTerminal()
    const printer = openPrinter(terminal, "0.1.0", 8123)
    printer.event(at(make("engine.ready", "s/v", { pid: 2, step: 400, seconds: 1.23, libtorch: "1.13.1" })))
    printer.started(() => status)
    printer.event(at(started, 2))
    printer.event(at(step, 3))
    printer.close()
    assert.deepStrictEqual(lines.map((line) => line.split(/  +/).slice(0, 3).join("  ")), [
      "2026-01-31T12:04:11Z  rae 0.1.0  study ablation_lpips",
      "2026-01-31T12:04:11Z  engine  ready",
      "2026-01-31T12:04:11Z  trainer  step"
    ])
  })

  it("does not keep a failure waiting for the headline", () => {
    const { err: lines, terminal } = collectingTerminal()
    const printer = openPrinter(terminal, "0.1.0", 8123)
    printer.event(at(make("engine.hung", "s", { pid: 1, kind: "op stuck", process: "running", op: "conv2d", silent_seconds: 30, step: null, ops_done: 9, loop_seconds: 30, threads: [], stack: [] })))
    assert.lengthOf(lines, 1)
    printer.close()
  })
})
