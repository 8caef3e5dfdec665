/**
 * What a checkpoint costs: the stall, writing beside `dd`, verifying (writing.ts), then loading beside a plain read of the same files and their
 * hash (loading.ts), alternating. `--profile paper` is the full size: 6.7 GB of state, twice that in memory, twice that on the disk under
 * `--dir` for a while.
 */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { loadStudy } from "../src/config/load.ts"
import { measureLoading } from "./loading.ts"
import type { Values } from "./main.ts"
import { median, type WritingFigures, type WritingRequest } from "./writing.ts"

const measureWriting = (request: WritingRequest): WritingFigures => {
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "writing.ts")], { input: JSON.stringify(request), encoding: "utf8" })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as WritingFigures
}

export const run = async (values: Values): Promise<void> => {
  const { variants: [{ config }] } = await Effect.runPromise(loadStudy(values.config, { profile: values.profile, randomWeights: true, sets: [] }))
  const place = values.dir ?? tmpdir()
  const count = Number(values.rounds)
  const directory = mkdtempSync(join(place, "rae-bench-"))
  const rounds: Array<{ readonly plain: number; readonly load: number }> = []
  let writing: WritingFigures
  try {
    writing = measureWriting({ config, directory, rounds: count })
    measureLoading("plain", writing.path, config) // whatever of the files the page cache can hold, it holds for both
    for (let round = 0; round < count; round++) rounds.push({ plain: measureLoading("plain", writing.path, config), load: measureLoading("load", writing.path, config) })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }

  const { path: _, ...measured } = writing
  const figures = {
    ...measured, read_and_hash_seconds: median(rounds.map(({ plain }) => plain)), load_seconds: median(rounds.map(({ load }) => load)),
    load_of_read_and_hash: median(rounds.map(({ load, plain }) => plain / load)), rounds: count
  }
  if (values.json) {
    process.stdout.write(`${JSON.stringify(figures)}\n`)
    return
  }
  const percent = (share: number) => `${(share * 100).toFixed(0)} %`
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(3)} GB`
  const rate = (seconds: number) => `${seconds.toFixed(3).padStart(8)} s  ${(figures.state_bytes / seconds / 1e9).toFixed(2)} GB/s`
  process.stdout.write([
    `state ${gigabytes(figures.state_bytes)}, checkpoint ${gigabytes(figures.checkpoint_bytes)}, peak memory ${gigabytes(figures.peak_bytes)}`,
    `${"stall (copy, touched buffer)".padEnd(32)}${rate(figures.stall_seconds)}   first copy, touching: ${figures.touch_seconds.toFixed(3)} s`,
    `${"dd with fsync".padEnd(32)}${rate(figures.dd_seconds)}`,
    `${"write, hash, fsync".padEnd(32)}${rate(figures.write_seconds)}   ${percent(figures.write_of_dd)} of dd`,
    `${"commit (verify, rename)".padEnd(32)}${rate(figures.commit_seconds)}`,
    `${"verify".padEnd(32)}${rate(figures.verify_seconds)}`,
    `${"plain read, fresh memory, hash".padEnd(32)}${rate(figures.read_and_hash_seconds)}`,
    `${"load, every hash checked".padEnd(32)}${rate(figures.load_seconds)}   ${percent(figures.load_of_read_and_hash)} of the plain read`,
    `${values.profile}, libtorch ${figures.libtorch}, median of ${count} rounds in ${place}`, ""
  ].join("\n"))
}
