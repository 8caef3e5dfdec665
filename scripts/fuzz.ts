#!/usr/bin/env node
/**
 * `npm run fuzz -- WHAT [--trials N] [--seed S] [--path DIR]`: damaged and hostile files, none of which may be accepted or do harm.
 *
 *   checkpoint    every kind of damage to every file of a checkpoint, manifest included: none may verify. DIR is a checkpoint to take a copy of
 *                 (a small one is made where none is named)
 *   safetensors   headers with absurd lengths, offsets, shapes and text: each is parsed within its rules or refused by name
 *   manifest      the same of manifests
 *
 * A failing trial is named by its number: the same seed and `--trials` beyond it shows it again.
 */
import { parseArgs } from "node:util"
import { fuzzCheckpoint } from "./fuzz/checkpoint.ts"
import { fuzzManifests, fuzzSafetensors } from "./fuzz/headers.ts"

export interface Fuzzed {
  readonly trials: number
  /** What was accepted that should not have been, or did harm; each with its trial. */
  readonly failures: ReadonlyArray<string>
  /** How often what happened. */
  readonly counts: Readonly<Record<string, number>>
}

const kinds = { checkpoint: fuzzCheckpoint, safetensors: fuzzSafetensors, manifest: fuzzManifests } as const
const isKind = (name: string): name is keyof typeof kinds => Object.hasOwn(kinds, name)

const { positionals: [kind = ""], values } = parseArgs({
  allowPositionals: true, options: { trials: { type: "string", default: "10000" }, seed: { type: "string", default: "1" }, path: { type: "string" } }
})
const wanted = Number(values.trials)
if (!isKind(kind)) {
  process.stderr.write(`error: nothing to fuzz called \`${kind}\`\n  = help: one of ${Object.keys(kinds).join(", ")}\n`)
  process.exitCode = 2
} else if (!Number.isSafeInteger(wanted) || wanted < 1) {
  process.stderr.write(`error: --trials must be a whole number from 1 on, not \`${values.trials}\`\n`)
  process.exitCode = 2
} else {
  const started = performance.now()
  const { counts, failures, trials } = await kinds[kind]({ trials: wanted, seed: Number(values.seed), path: values.path })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  for (const [what, count] of Object.entries(counts).toSorted(([a], [b]) => a < b ? -1 : 1)) process.stdout.write(`${String(count).padStart(8)}  ${what}\n`)
  for (const failure of failures.slice(0, 20)) process.stdout.write(`FAILED  ${failure}\n`)
  process.stdout.write(`${kind}: ${trials} trials with seed ${values.seed} in ${seconds} s, ${failures.length} failed\n`)
  process.exitCode = failures.length === 0 ? 0 : 1
}
