/** TensorBoard's event files: framing, scalars and pictures, no step twice after going back, a full disk. */
import { afterAll, assert, describe, it } from "vitest"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { make as event, type EventType, type Fields } from "../actors/events.ts"
import type { StampedEvent } from "../actors/journal.ts"
import { openMetricsFile } from "../actors/metrics-file.ts"
import { openTensorboard } from "../actors/metrics-tensorboard.ts"
import { crc32c, tfrecord } from "../src/formats/tfrecord.ts"
import { type SmallDisk, smallDisk } from "./checkpoint-tmpfs.ts"
import { colourfulPicture } from "./report-recorded-study.ts"
import { crc32cByDefinition, readRecords, readTensorboard, shownSeries } from "./tensorboard-reader.ts"

const root = mkdtempSync(join(tmpdir(), "rae-tensorboard-"))
afterAll(() => rmSync(root, { recursive: true }))

let seq = 0
const stamped = <T extends EventType>(type: T, fields: Fields<T>): StampedEvent =>
  ({ seq: ++seq, time: new Date(Date.parse("2026-01-31T12:00:00.000Z") + seq * 1000).toISOString(), ...event(type, "r", fields) })
const started = (resumedFrom: number | null) => stamped("run.started", { profile: null, device: "cpu", precision: "fp32", data: "d", images: 1, steps: 9, resumed_from: resumedFrom, random_weights: true })
const step = (n: number, total: number) =>
  stamped("train.step", { step: n, epoch: 0, total, rec: 0.25, lpips: null, gan: null, disc: null, weight: null, lr: 2e-4, grad_norm: 1, images_per_second: 2, seconds: { "adversarial loss": 0.5 } })
const evaluated = (n: number) => stamped("eval.finished", { step: n, images: 4, psnr: 21.5, ssim: 0.5, lpips: null, seconds: 1, picture: "x.png" })
const disposable = (disk: SmallDisk | string, skip: (why: string) => never): SmallDisk => (typeof disk === "string" ? skip(`no mounts here: ${disk}`) : disk)
const open = (dir: string) => openTensorboard({ dirOf: () => dir, tell: (_, message) => assert.fail(message) })

describe("records", () => {
  it("carry the checksum of the definition", () => {
    assert.strictEqual(crc32c(Buffer.from("123456789")), 0xe3069283)
    assert.strictEqual(crc32cByDefinition(Buffer.from("123456789")), 0xe3069283)
    assert.deepStrictEqual(readRecords(Buffer.concat([tfrecord(Buffer.from("one")), tfrecord(Buffer.alloc(0))])).map(String), ["one", ""])
  })
})

describe("event files", () => {
  it("hold scalars and pictures by step", async () => {
    const dir = join(root, "whole")
    mkdirSync(join(dir, "eval"), { recursive: true })
    writeFileSync(join(dir, "eval", "step-000000002.png"), colourfulPicture(70, 40))
    const board = open(dir)
    for (const happened of [started(null), step(1, 3.5), step(2, Number.NaN), evaluated(2)]) board.apply(happened)
    await board.close()
    const events = readTensorboard(join(dir, "tensorboard"))
    assert.strictEqual(events[0]?.version, "brain.Event:2")
    assert.deepStrictEqual(events[2]?.scalars, { "loss/total": 3.5, "loss/rec": 0.25, "train/lr": Math.fround(2e-4), "train/grad_norm": 1, "train/epoch": 0, "speed/images_per_second": 2, "seconds/adversarial_loss": 0.5 })
    assert.deepStrictEqual(shownSeries(events, "loss/total"), [[1, 3.5], [2, Number.NaN]])
    assert.deepStrictEqual(shownSeries(events, "eval/psnr"), [[2, 21.5]])
    const picture = events.find(({ images }) => images["reconstructions"] !== undefined)?.images["reconstructions"]
    assert.deepStrictEqual([picture?.width, picture?.height, picture?.png.equals(colourfulPicture(70, 40))], [70, 40, true])
  })

  it("show no step twice: after an engine's restart, an actor's, and another start of the run with a torn end", async () => {
    const dir = join(root, "resumed")
    const first = open(dir)
    for (const happened of [started(null), step(1, 1), step(2, 1), step(3, 1), started(1), step(2, 2), step(3, 2), step(4, 2), step(3, 3), step(4, 3)]) first.apply(happened)
    await first.close()
    const folder = join(dir, "tensorboard")
    assert.deepStrictEqual(shownSeries(readTensorboard(folder), "loss/total"), [[1, 1], [2, 2], [3, 3], [4, 3]])
    const second = open(dir)
    for (const happened of [started(2), step(3, 4), step(4, 4), step(5, 4)]) second.apply(happened)
    await second.close()
    assert.deepStrictEqual(shownSeries(readTensorboard(folder), "loss/total"), [[1, 1], [2, 2], [3, 4], [4, 4], [5, 4]])
  })

  it("of a run that is none of the study's are not written", async () => {
    const board = openTensorboard({ dirOf: () => null, tell: () => assert.fail("nothing to tell") })
    board.apply(step(1, 1))
    await board.close()
  })
})

describe("a file that the disk refuses", () => {
  it("drops, counts, says so once, and goes on when it can", async () => {
    const path = join(root, "refused", "file")
    writeFileSync(join(root, "refused"), "a file where the folder should be")
    const told: Array<string> = []
    const file = openMetricsFile(path, { drop: () => told.push("drop"), back: (dropped) => told.push(`back ${dropped}`) })
    for (const text of ["a", "b"]) {
      file.append(tfrecord(Buffer.from(text)))
      await file.close()
    }
    rmSync(join(root, "refused"))
    file.append(tfrecord(Buffer.from("c")))
    await file.close()
    assert.deepStrictEqual([told, readRecords(readFileSync(path)).map(String)], [["drop", "back 2"], ["c"]])
  })

  it("never ends in half a record: a full disk", async ({ skip }) => {
    using disk = disposable(smallDisk(256 * 1024), skip)
    const path = join(disk.path, "events")
    const told: Array<string> = []
    const file = openMetricsFile(path, { drop: (reason) => told.push(/ENOSPC/.test(reason) ? "full" : reason), back: (dropped) => told.push(`back ${dropped}`) })
    for (let n = 0; n < 20; n++) {
      file.append(tfrecord(Buffer.alloc(20_000, n)))
      await file.close()
    }
    const kept = readRecords(readFileSync(path)).length
    assert.deepStrictEqual(told, ["full"])
    assert.isAbove(kept, 5)
    assert.isBelow(kept, 20)
    writeFileSync(path, "")
    file.append(tfrecord(Buffer.from("room again")))
    await file.close()
    assert.deepStrictEqual([told.at(-1), readRecords(readFileSync(path)).map(String)], [`back ${20 - kept}`, ["room again"]])
  })
})
