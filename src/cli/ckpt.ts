/** `rae ckpt ls | show | verify`: what the checkpoints on disk are, and whether they are as they were written. */
import * as Effect from "effect/Effect"
import type { Manifest } from "../checkpoint/manifest.ts"
import { hashLines, list, show as showManifests, verifyAll } from "../checkpoint/describe.ts"
import { layOut } from "../formats/text-table.ts"
import type { CheckpointInput, ShowInput } from "./checkpoint-commands.ts"
import { count, size } from "./quantities.ts"
import { findRun, runsDirectory } from "./run-directory.ts"
import type { Terminal } from "./terminal.ts"

/** The newest run where none is named; a path may also name a checkpoint, which only src/checkpoint knows. */
const target = (operand: string | undefined, runsDir: string): string => operand ?? findRun(undefined, runsDir).dir

export const ls = async ({ operand, values }: CheckpointInput, terminal: Terminal): Promise<number> => {
  const runsDir = runsDirectory(values["runs-dir"])
  const checkpoints = await Effect.runPromise(list(target(operand, runsDir), runsDir))
  if (values.json) {
    terminal.out(JSON.stringify({ schema: 1, checkpoints }))
    return 0
  }
  const rows = checkpoints.map((each) => [
    each.variant ?? "", each.step === null ? "–" : count(each.step), each.epoch === null ? "–" : `${each.epoch}:${each.position ?? 0}`,
    each.bytes === null ? "–" : size(each.bytes), each.written_at ?? "–", each.resumed_from === null ? "" : count(each.resumed_from),
    [each.pinned ? "pinned" : "", each.problem ?? ""].filter((mark) => mark !== "").join(", "), each.path
  ])
  const columns = [{ title: "VARIANT" }, { title: "STEP", align: "right" }, { title: "EPOCH" }, { title: "SIZE", align: "right" }, { title: "WRITTEN" }, { title: "FROM", align: "right" }, { title: "MARKS" }, { title: "PATH", least: 20 }] as const
  for (const line of layOut(columns, rows, terminal.outColumns())) terminal.out(line)
  return 0
}

const describe = ({ variant, path, manifest }: { readonly variant: string | null; readonly path: string; readonly manifest: Manifest }, columns: number): ReadonlyArray<string> => {
  const facts = [
    ["step", count(manifest.step)],
    ["epoch", `${manifest.epoch}, position ${count(manifest.position)}`],
    ["written", manifest.written_at],
    ["config", manifest.config_hash],
    ["resumed from", manifest.resumed_from === null ? "the beginning" : `step ${count(manifest.resumed_from.step)}`],
    ["tensors", count(manifest.tensors.length)],
    ["verified", "every byte, now"]
  ]
  return [
    variant === null ? path : `${variant}   ${path}`,
    ...layOut([{ title: "" }, { title: "" }], facts).slice(1).map((line) => `  ${line}`),
    ...layOut([{ title: "FILE" }, { title: "SIZE", align: "right" }, { title: "HASH" }], manifest.files.map((file) => [file.name, size(file.size), file.hash]), columns - 2).map((line) => `  ${line}`)
  ]
}

export const show = async ({ operand = "", values }: ShowInput, terminal: Terminal): Promise<number> => {
  const runsDir = runsDirectory(values["runs-dir"])
  if (values.hash && !values.json) {
    for (const line of await Effect.runPromise(hashLines(operand, runsDir))) terminal.out(line)
    return 0
  }
  const shown = await Effect.runPromise(showManifests(operand, runsDir))
  if (values.json) terminal.out(JSON.stringify({ schema: 1, checkpoints: shown }))
  else for (const line of shown.flatMap((each) => describe(each, terminal.outColumns()))) terminal.out(line)
  return 0
}

export const verify = async ({ operand, values }: CheckpointInput, terminal: Terminal): Promise<number> => {
  const runsDir = runsDirectory(values["runs-dir"])
  const verified = await Effect.runPromise(verifyAll(target(operand, runsDir), runsDir))
  const damaged = verified.filter(({ ok }) => !ok)
  if (values.json) terminal.out(JSON.stringify({ schema: 1, checkpoints: verified }))
  else {
    for (const each of verified) {
      terminal.out(`${each.ok ? terminal.paintOut("green", "ok     ") : terminal.paintOut("red", "damaged")}  ${size(each.bytes).padStart(8)}  ${each.path}`)
      for (const problem of each.problems) terminal.out(`           ${problem}`)
    }
    terminal.err(verified.length === 0 ? "no checkpoints yet" : `${count(verified.length)} checked, ${count(damaged.length)} damaged`)
  }
  return damaged.length > 0 ? 1 : 0
}
