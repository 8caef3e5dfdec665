/**
 * What saving costs: the stall (copying the state into the touched buffer), writing beside what `dd` with fsync reaches on the same disk in the
 * same minute, verifying (in a process of its own, as in a run).
 *
 * Part of `npm run bench -- checkpoint`, which starts it as a process whose memory (twice the state) is gone before loading is measured: a
 * request as JSON on standard input, figures as JSON on standard output. The last checkpoint stays in the directory.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Progress } from "../actors/engine-protocol.ts"
import { beginning } from "../actors/progress.ts"
import { discriminatorConfig, setup } from "../actors/training-setup.ts"
import { type TrainedRoles, TrainingState } from "../actors/training-state.ts"
import { fileOf } from "../src/checkpoint/state-files.ts"
import { open } from "../src/checkpoint/store.ts"
import { verify } from "../src/checkpoint/verifier.ts"
import type { RunConfig } from "../src/config/schema.ts"
import { headsSpec } from "../src/models/dino-discriminator.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import type { Spec } from "../src/nn/parameters.ts"
import { libtorchVersion, peakBytes } from "../src/tensor/device.ts"
import * as T from "../src/tensor/ops.ts"
import { keep } from "../src/tensor/scope.ts"

export interface WritingRequest {
  readonly config: RunConfig
  readonly directory: string
  readonly rounds: number
}
export interface WritingFigures {
  readonly state_bytes: number
  readonly checkpoint_bytes: number
  readonly touch_seconds: number
  readonly stall_seconds: number
  readonly dd_seconds: number
  readonly write_seconds: number
  /** Of what `dd` reaches. */
  readonly write_of_dd: number
  readonly commit_seconds: number
  readonly verify_seconds: number
  readonly peak_bytes: number
  readonly libtorch: string
  /** Of the last checkpoint. */
  readonly path: string
}

const copies = 5
const encodeProgress = Schema.encodeSync(Schema.toCodecJson(Progress))
export const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

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

const measure = async ({ config, directory, rounds: count }: WritingRequest): Promise<WritingFigures> => {
  const state = new TrainingState({ config, setup: setup(config, 1000), device: "cpu", statistics: null })
  const roles = rolesOf(state, config)
  const place = { ...beginning, step: 1 }
  const [touching] = await timed(() => state.capture(roles, place))
  // Moments that no step has written to have no memory of their own yet: what is copied from there would cost nothing.
  for (const role of [roles.generator, roles.discriminator, roles.ema]) state.snapshot.restore(role.state())
  const stalls: Array<number> = []
  for (let i = 0; i < copies; i++) stalls.push((await timed(() => state.capture(roles, place)))[0])

  const rounds: Array<Readonly<Record<"dd" | "write" | "commit" | "verify", number>>> = []
  const store = await Effect.runPromise(open({ directory, retention: { keep_last: 2, keep_every: null } }))
  let last: { readonly path: string; readonly bytes: number } | null = null
  for (let round = 0; round < count; round++) {
    if (last !== null) rmSync(last.path, { recursive: true })
    spawnSync("sync")
    const plain = await dd(directory, state.bytes)
    const temporary = await Effect.runPromise(store.begin(round + 1))
    const [write, report] = await timed(() => state.snapshot.write(temporary.path, fileOf))
    const progress = { ...place, step: round + 1, counters: state.progress.counters }
    const [commit, committed] = await timed(() => Effect.runPromise(store.commit(temporary, {
      epoch: 0, position: 0, config_hash: "bench", resumed_from: null, frozen: [], report, state: encodeProgress(progress)
    })))
    const [verified, { ok }] = await timed(() => Effect.runPromise(verify(committed.path)))
    if (!ok) throw new Error(`${committed.path} does not verify`)
    rounds.push({ dd: plain, write, commit, verify: verified })
    last = committed
  }
  if (last === null) throw new Error("at least one round is wanted")
  const of = (name: keyof (typeof rounds)[number]) => median(rounds.map((round) => round[name]))
  return {
    state_bytes: state.bytes, checkpoint_bytes: last.bytes, touch_seconds: touching, stall_seconds: median(stalls), dd_seconds: of("dd"), write_seconds: of("write"),
    write_of_dd: median(rounds.map(({ dd, write }) => dd / write)), commit_seconds: of("commit"), verify_seconds: of("verify"), peak_bytes: peakBytes(), libtorch: libtorchVersion(),
    path: last.path
  }
}

if (import.meta.main) process.stdout.write(JSON.stringify(await measure(JSON.parse(readFileSync(0, "utf8")) as WritingRequest)))
