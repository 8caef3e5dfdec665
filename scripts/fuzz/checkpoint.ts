/** Damage to the files of a checkpoint: whatever it is, the checkpoint must not verify any more. */
import * as Effect from "effect/Effect"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { open } from "../../src/checkpoint/store.ts"
import { verifyDirectory } from "../../src/checkpoint/verify.ts"
import { save } from "../../tests/checkpoint-fake-engine.ts"
import type { Fuzzed } from "../fuzz.ts"
import { makeRandom, type Random } from "./random.ts"

/** Content after the damage; undefined where it was done to the file itself, or changed nothing. */
type Damage = (good: Buffer, random: Random, path: string, others: ReadonlyArray<Buffer>) => Buffer | undefined

const flipped = (good: Buffer, random: Random, bits: number): Buffer => {
  const bytes = Buffer.from(good)
  for (let i = 0; i < bits; i++) bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
  return bytes
}

const damages: Readonly<Record<string, Damage>> = {
  "one bit flipped": (good, random) => flipped(good, random, 1),
  "several bits flipped": (good, random) => flipped(good, random, 2 + random.below(63)),
  "truncated": (good, random) => good.subarray(0, random.below(good.length)),
  "emptied": () => Buffer.alloc(0),
  "lengthened": (good, random) => Buffer.concat([good, Buffer.alloc(1 + random.below(5000), random.below(256))]),
  "zeroed in part": (good, random) => {
    const at = random.below(good.length)
    return Buffer.from(good).fill(0, at, Math.min(good.length, at + 1 + random.below(4096)))
  },
  "two bytes swapped": (good, random) => {
    const bytes = Buffer.from(good)
    const [a, b] = [random.below(bytes.length), random.below(bytes.length)]
    const kept = bytes[a]!
    bytes[a] = bytes[b]!
    bytes[b] = kept
    return bytes
  },
  "shifted by some bytes": (good, random) => Buffer.concat([Buffer.alloc(1 + random.below(64)), good]).subarray(0, good.length),
  "replaced by another file": (_, random, __, others) => random.pick(others),
  "removed": (_, __, path) => void rmSync(path),
  "a directory": (_, __, path) => {
    rmSync(path)
    mkdirSync(path)
    return undefined
  },
  "a link to the same bytes elsewhere": (good, _, path) => {
    writeFileSync(`${path}.elsewhere`, good)
    rmSync(path)
    return void symlinkSync(`${path}.elsewhere`, path)
  }
}

/** Damages one file after another, `trials` times; gives those that still verified. */
export const fuzzCheckpoint = async ({ path, seed, trials }: { readonly trials: number; readonly seed: number; readonly path?: string | undefined }): Promise<Fuzzed> => {
  const random = makeRandom(seed)
  const place = mkdtempSync(join(tmpdir(), "rae-fuzz-"))
  try {
    const directory = path === undefined ? await smallCheckpoint(place) : join(place, basename(path))
    if (path !== undefined) cpSync(path, directory, { recursive: true })
    const files = new Map(readdirSync(directory).sort().map((name) => [name, readFileSync(join(directory, name))]))
    const names = [...files.keys()]
    const accepted: Array<string> = []
    const counts: Record<string, number> = {}
    const outcome = (what: string) => { counts[what] = (counts[what] ?? 0) + 1 }
    const verifies = async () => (await verifyDirectory(directory, "full")).ok
    if (!await verifies()) return { trials: 0, failures: [`${path ?? directory} does not verify as it is`], counts }
    for (let trial = 0; trial < trials; trial++) {
      const name = names[trial % names.length]!
      const kind = random.pick(Object.keys(damages))
      const file = join(directory, name)
      const good = files.get(name)!
      const bytes = damages[kind]!(good, random, file, names.filter((other) => other !== name).map((other) => files.get(other)!))
      if (bytes?.equals(good) === true) {
        outcome("nothing changed (equal bytes)")
        continue
      }
      if (bytes !== undefined) writeFileSync(file, bytes)
      if (await verifies()) accepted.push(`trial ${trial}: ${name} ${kind}, and accepted`)
      outcome(`${name}: ${kind}`)
      rmSync(file, { recursive: true, force: true })
      rmSync(`${file}.elsewhere`, { force: true })
      writeFileSync(file, good)
    }
    if (!await verifies()) accepted.push("the undamaged files do not verify at the end")
    return { trials, failures: accepted, counts }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

const smallCheckpoint = async (place: string): Promise<string> => {
  const store = await Effect.runPromise(open({ directory: join(place, "checkpoints"), retention: { keep_last: 2, keep_every: null } }))
  return (await Effect.runPromise(save(store, 5))).path
}
