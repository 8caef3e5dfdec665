/**
 * What a checkpoint costs: the stall (copying the state into the touched buffer), writing beside what `dd` with fsync reaches on the same
 * disk in the same minute, verifying (in a process of its own, as in a run), loading. `--profile paper` is the full size: 6.7 GB of state,
 * twice that in memory, four times that on the disk under `--dir` for a while.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Progress } from "../actors/engine-protocol.ts"
import { beginning } from "../actors/progress.ts"
import { discriminatorConfig, setup } from "../actors/training-setup.ts"
import { fileOf, type TrainedRoles, TrainingState } from "../actors/training-state.ts"
import { open } from "../src/checkpoint/store.ts"
import { verify } from "../src/checkpoint/verifier.ts"
import { loadStudy } from "../src/config/load.ts"
import type { RunConfig } from "../src/config/schema.ts"
import { headsSpec } from "../src/models/dino-discriminator.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import type { Spec } from "../src/nn/parameters.ts"
import { libtorchVersion, peakBytes } from "../src/tensor/device.ts"
import * as T from "../src/tensor/ops.ts"
import { keep } from "../src/tensor/scope.ts"
import type { Values } from "./main.ts"

const copies = 5
const encodeProgress = Schema.encodeSync(Schema.toCodecJson(Progress))
const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

const timed = async <A>(work: () => A | Promise<A>): Promise<readonly [seconds: number, result: A]> => {
  const started = performance.now()
  const result = await work()
  return [(performance.now() - started) / 1000, result]
}

/** Seconds of `dd` for so many bytes, flushed; the file goes at once. */
const dd = async (directory: string, bytes: number): Promise<number> => {
  const file = join(directory, "dd")
  const [seconds] = await timed(() => {
    const { status, stderr } = spawnSync("dd", ["if=/dev/zero", `of=${file}`, "bs=8M", "iflag=count_bytes", `count=${bytes}`, "conv=fsync"], { encoding: "utf8" })
    if (status !== 0) throw new Error(stderr)
  })
  rmSync(file)
  return seconds
}

const filled = (spec: Spec) => new Map([...spec.parameters].map(([name, { shape }], i) => [name, keep(T.full(shape, 1 / (i + 3)))] as const))

/** Roles of the config's sizes; what the weights are costs nothing and decides nothing here. */
const rolesOf = (state: TrainingState, config: RunConfig): TrainedRoles => {
  const decoder = decoderSpec(config.architecture.decoder)
  return { generator: state.buildGenerator(filled(decoder)), discriminator: state.buildDiscriminator(filled(headsSpec(discriminatorConfig(config)))), ema: state.buildEma(filled(decoder)) }
}

export const run = async (values: Values): Promise<void> => {
  const { variants: [{ config }] } = await Effect.runPromise(loadStudy(values.config, { profile: values.profile, randomWeights: true, sets: [] }))
  const state = new TrainingState({ config, setup: setup(config, 1000), device: "cpu", statistics: null })
  const roles = rolesOf(state, config)
  const place = { ...beginning, step: 1 }
  const [touching] = await timed(() => state.capture(roles, place))
  // Moments that no step has written to have no memory of their own yet: what is copied from there would cost nothing.
  for (const role of [roles.generator, roles.discriminator, roles.ema]) state.snapshot.restore(role.state())
  const stalls: Array<number> = []
  for (let i = 0; i < copies; i++) stalls.push((await timed(() => state.capture(roles, place)))[0])

  const directory = mkdtempSync(join(values.dir ?? tmpdir(), "rae-bench-"))
  const rounds: Array<Readonly<Record<"dd" | "write" | "commit" | "verify" | "load", number>>> = []
  let size = 0
  try {
    const store = await Effect.runPromise(open({ directory, retention: { keep_last: 2, keep_every: null } }))
    for (let round = 0; round < Number(values.rounds); round++) {
      spawnSync("sync")
      const plain = await dd(directory, state.bytes)
      const temporary = await Effect.runPromise(store.begin(round + 1))
      const [write, report] = await timed(() => state.snapshot.write(temporary.path, fileOf))
      const progress = { ...place, step: round + 1, counters: state.progress.counters }
      const [commit, { bytes, path }] = await timed(() => Effect.runPromise(store.commit(temporary, {
        epoch: 0, position: 0, config_hash: "bench", resumed_from: null, frozen: [], report, state: encodeProgress(progress)
      })))
      size = bytes
      const [verified, { manifest, ok }] = await timed(() => Effect.runPromise(verify(path)))
      if (!ok || manifest === null) throw new Error(`${path} does not verify`)
      const [load] = await timed(() => state.fill(roles, path, manifest, progress))
      rounds.push({ dd: plain, write, commit, verify: verified, load })
      rmSync(path, { recursive: true })
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }

  const of = (name: keyof (typeof rounds)[number]) => median(rounds.map((round) => round[name]))
  const figures = {
    state_bytes: state.bytes, checkpoint_bytes: size, touch_seconds: touching, stall_seconds: median(stalls),
    dd_seconds: of("dd"), write_seconds: of("write"), write_of_dd: median(rounds.map(({ dd, write }) => dd / write)),
    commit_seconds: of("commit"), verify_seconds: of("verify"), load_seconds: of("load"), peak_bytes: peakBytes(), rounds: rounds.length, libtorch: libtorchVersion()
  }
  if (values.json) {
    process.stdout.write(`${JSON.stringify(figures)}\n`)
    return
  }
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(3)} GB`
  const rate = (seconds: number) => `${seconds.toFixed(3).padStart(8)} s  ${(state.bytes / seconds / 1e9).toFixed(2)} GB/s`
  process.stdout.write([
    `state ${gigabytes(state.bytes)}, checkpoint ${gigabytes(size)}, peak memory ${gigabytes(figures.peak_bytes)}`,
    `${"stall (copy, touched buffer)".padEnd(30)}${rate(figures.stall_seconds)}   first copy, touching: ${touching.toFixed(3)} s`,
    `${"dd with fsync".padEnd(30)}${rate(figures.dd_seconds)}`,
    `${"write, hash, fsync".padEnd(30)}${rate(figures.write_seconds)}   ${(figures.write_of_dd * 100).toFixed(0)} % of dd`,
    `${"commit (verify, rename)".padEnd(30)}${rate(figures.commit_seconds)}`,
    `${"verify".padEnd(30)}${rate(figures.verify_seconds)}`,
    `${"load, every hash checked".padEnd(30)}${rate(figures.load_seconds)}`,
    `${values.profile}, libtorch ${figures.libtorch}, median of ${rounds.length} rounds in ${values.dir ?? tmpdir()}`, ""
  ].join("\n"))
}
