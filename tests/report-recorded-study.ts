/** The directory that a study of two runs leaves: one with an engine that died, one that met a full disk and was stopped. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { make, type Event, type EventType, type Fields } from "../actors/events.ts"
import { encodePng } from "../src/formats/png.ts"

const began = Date.parse("2026-01-31T12:00:00.000Z")

export const colourfulPicture = (width: number, height: number): Buffer =>
  encodePng({ width, height, rgb: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 251) })

export const makeRecordedStudy = (runsDir: string) => {
  const study = join(runsDir, "study")
  const lines: Array<string> = []
  let seconds = 0
  const say = <T extends EventType>(type: T, run: string, fields: Fields<T>, after = 0.1): void => {
    seconds += after
    const event: Event = make(type, run, fields)
    lines.push(JSON.stringify({ seq: lines.length + 1, time: new Date(began + seconds * 1000).toISOString(), ...event }, (_, value: unknown) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value)))
  }
  const started = (run: string, resumedFrom: number | null) => say("run.started", run, {
    profile: "tiny", device: "cpu", precision: "fp32", data: "drawn pictures", images: 12, steps: 60, resumed_from: resumedFrom, random_weights: true
  }, 1)
  const trained = (run: string, from: number, to: number) => {
    for (let step = from + 4; step <= to; step += 4) {
      say("train.step", run, {
        step, epoch: Math.floor(step / 30), total: step === 12 ? Number.NaN : 1 / (1 + step / 60), rec: 0.2, lpips: 0.5, gan: null, disc: null, weight: null, lr: 2e-4, grad_norm: 1, images_per_second: 11.6,
        seconds: { data: 0.002, generator: 0.048, losses: 0.019 }
      }, 0.28)
    }
  }
  const evaluated = (run: string, step: number) => {
    mkdirSync(join(runsDir, run, "eval"), { recursive: true })
    writeFileSync(join(runsDir, run, "eval", `step-${String(step).padStart(9, "0")}.png`), colourfulPicture(70, 40))
    say("eval.finished", run, { step, images: 8, psnr: 20 + step / 60, ssim: 0.6, lpips: 0.4, seconds: 0.5, picture: "elsewhere.png" }, 0.5)
  }
  const committed = (run: string, step: number) => say("checkpoint.committed", run, { step, bytes: 18_411_520, seconds: 0.2, path: `/${step}` })
  const refused = (run: string, unsaved: number) => say("checkpoint.failed", run, { step: 28, error: "DiskFull", message: "no space", needed: 18_411_520, free: 3_100_000, unsaved_steps: unsaved, retry_seconds: 1 }, 1)

  say("study.started", "study", { variants: ["study/a", "study/b"], config: "/x/conf.yaml" })
  started("study/a", null)
  trained("study/a", 0, 20)
  committed("study/a", 20)
  trained("study/a", 20, 28)
  say("engine.exited", "study/a", { pid: 7, code: null, signal: "SIGSEGV", step: 28, stderr: [] })
  say("supervisor.child_down", "study/a", {
    supervisor: "supervisor", context: "child_terminated", reason: "engine: pid 7 ended with SIGSEGV", offender: "engine", strategy: "one-for-one", attempt: 1, max: 5, delay_seconds: 0.1, lost_steps: 8
  }, 0)
  say("engine.ready", "study/a", { pid: 8, step: 20, seconds: 2, libtorch: "1.13.0" }, 2)
  started("study/a", 20)
  trained("study/a", 20, 60)
  evaluated("study/a", 60)
  say("run.finished", "study/a", { step: 60, restarts: 1, seconds: 9 })
  started("study/b", null)
  trained("study/b", 0, 28)
  refused("study/b", 8)
  refused("study/b", 12)
  trained("study/b", 28, 40)
  committed("study/b", 40)
  evaluated("study/b", 40)
  say("data.image_replaced", "study/b", { index: 3, path: "<img src=x onerror=alert(1)>", reason: "not an image", replacement: 4 })
  say("signal.received", "study/b", { signal: "SIGINT", action: "finishing the step and saving" })
  say("run.stopped", "study/b", { step: 40, reason: "SIGINT", saved: true })

  const describe = (name: string, more: object) => {
    const dir = join(runsDir, name)
    mkdirSync(dir, { recursive: true })
    writeFileSync(join(dir, "run.json"), JSON.stringify({
      schema: 1, name, kind: "run", config_file: "/x/conf.yaml", config_hash: name, profile: "tiny", sets: [], data: null, device: "cpu", precision: "fp32", random_weights: true,
      created_at: new Date(began).toISOString(), environment: { OMP_NUM_THREADS: "2" }, libtorch: "1.13.0", variants: [], steps: 60, restarts: 0, result: null, config: null, ...more
    }))
  }
  const config = (weight: number) => ({ gan: { loss: { perceptual_weight: weight } }, training: { epochs: 2 } })
  describe("study", { kind: "study", state: "stopped", step: 40, variants: ["study/a", "study/b"] })
  describe("study/a", { state: "done", step: 60, restarts: 1, result: { means: { total: 0.5123, rec: 0.2 }, step: 60 }, config: config(0.5) })
  describe("study/b", { state: "stopped", step: 40, config: config(1) })
  mkdirSync(join(study, "events"))
  writeFileSync(join(study, "events", "0000000001.ndjson"), `${lines.join("\n")}\n`)
  return { study, lines }
}
