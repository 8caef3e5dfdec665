/**
 * TensorBoard's event files, written by the supervisor from the run's events: `RUN/tensorboard/events.out.tfevents.*`, one for each start.
 *
 * A run that goes back (a resume, a restart) says so with a session's start: readers then drop what was written of later steps, so that
 * no step shows twice.
 */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { type EventContent, type Scalar, tensorboardEvent } from "../src/formats/tensorboard-event.ts"
import { tfrecord } from "../src/formats/tfrecord.ts"
import type { StampedEvent } from "./journal.ts"
import { openMetricsFile, type MetricsFile } from "./metrics-file.ts"

export interface TensorboardOptions {
  /** Null where the run is none of the study's. */
  readonly dirOf: (run: string) => string | null
  /** The disk refuses, or takes again: news for the log. */
  readonly tell: (run: string, message: string) => void
}

interface Writer {
  readonly file: MetricsFile
  readonly dir: string
  lastStep: number
}

const some = (scalars: Readonly<Record<string, number | null>>): ReadonlyArray<Scalar> =>
  Object.entries(scalars).flatMap(([tag, value]) => (value === null ? [] : [{ tag, value }]))

export const openTensorboard = ({ dirOf, tell }: TensorboardOptions) => {
  const writers = new Map<string, Writer>()
  const reading = new Set<Promise<void>>()

  const put = (writer: Writer, time: string, step: number, content: EventContent) => writer.file.append(tfrecord(tensorboardEvent(Date.parse(time) / 1000, step, content)))
  const writerOf = (event: StampedEvent): Writer | null => {
    const found = writers.get(event.run)
    if (found !== undefined) return found
    const dir = dirOf(event.run)
    if (dir === null) return null
    // Readers take the files of a run in the order of their names.
    const name = `events.out.tfevents.${Math.floor(Date.parse(event.time) / 1000)}.${String(event.seq).padStart(10, "0")}`
    const file = openMetricsFile(join(dir, "tensorboard", name), {
      drop: (reason) => tell(event.run, `TensorBoard's file: ${reason}; figures are dropped until it can be written`),
      back: (dropped) => tell(event.run, `TensorBoard's file is written again; ${dropped} records are missing`)
    })
    const writer = { file, dir, lastStep: -1 }
    writers.set(event.run, writer)
    put(writer, event.time, 0, { _tag: "FileVersion" })
    return writer
  }

  const picture = async (writer: Writer, time: string, step: number) => {
    const png = await readFile(join(writer.dir, "eval", `step-${String(step).padStart(9, "0")}.png`))
    put(writer, time, step, { _tag: "Picture", picture: { tag: "reconstructions", width: png.readUInt32BE(16), height: png.readUInt32BE(20), png } })
  }

  const apply = (event: StampedEvent): void => {
    if (event.type !== "run.started" && event.type !== "train.step" && event.type !== "eval.finished") return
    const writer = writerOf(event)
    if (writer === null) return
    const { time } = event
    if (event.type === "run.started") {
      writer.lastStep = event.resumed_from ?? 0
      return put(writer, time, writer.lastStep + 1, { _tag: "SessionStart" })
    }
    if (event.step < writer.lastStep || (event.step === writer.lastStep && event.type === "train.step")) put(writer, time, event.step, { _tag: "SessionStart" })
    writer.lastStep = event.step
    if (event.type === "eval.finished") {
      put(writer, time, event.step, { _tag: "Scalars", scalars: some({ "eval/psnr": event.psnr, "eval/ssim": event.ssim, "eval/lpips": event.lpips, "eval/rfid": event.rfid ?? null }) })
      if (event.picture === null) return
      // A picture that is gone again is none.
      const read = picture(writer, time, event.step).catch(() => undefined).finally(() => reading.delete(read))
      reading.add(read)
      return
    }
    put(writer, time, event.step, {
      _tag: "Scalars",
      scalars: some({
        "loss/total": event.total, "loss/rec": event.rec, "loss/lpips": event.lpips, "loss/gan": event.gan, "loss/disc": event.disc, "train/adaptive_weight": event.weight, "train/lr": event.lr,
        "train/grad_norm": event.grad_norm, "train/epoch": event.epoch, "speed/images_per_second": event.images_per_second,
        ...Object.fromEntries(Object.entries(event.seconds).map(([phase, seconds]) => [`seconds/${phase.replaceAll(" ", "_")}`, seconds]))
      })
    })
  }

  return {
    /** Returns at once and never throws. */
    apply,
    close: async () => {
      await Promise.all(reading)
      for (const { file } of writers.values()) await file.close()
    }
  }
}
