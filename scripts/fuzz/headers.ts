/** Hostile headers: each is refused by its reader's own error, or is what the format allows; none takes more time or memory than its size. */
import { decode, encode, ManifestInvalid } from "../../src/checkpoint/manifest.ts"
import { encodeHeader, InvalidSafetensors, parseHeader } from "../../src/formats/safetensors.ts"
import type { Fuzzed } from "../fuzz.ts"
import { makeRandom, type Random } from "./random.ts"

interface Options {
  readonly trials: number
  readonly seed: number
}

/** Bounds of one trial, in processor time and memory: a reader that goes by what a header claims instead of by what is there breaks them at once. */
const mostMillis = 250
const mostBytes = 64 * 2 ** 20

const absurd: ReadonlyArray<unknown> = [
  -1, 0, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 + 2, 1e308, -(2 ** 63), null, true, "", "0", "__proto__", "constructor", "../../etc/passwd", "\0", "a".repeat(5000),
  [], {}, [[[[]]]], Array.from({ length: 200 }, () => 1), { a: { b: {} } }, "F64", [0, 2 ** 52], [5, 1], [2 ** 30, 2 ** 30, 2 ** 30]
]

/** A JSON value with one of its inner values replaced, removed, or a key put in beside it. */
const altered = (value: unknown, random: Random): unknown => {
  if (typeof value !== "object" || value === null || random.below(4) === 0) return random.pick(absurd)
  if (Array.isArray(value)) {
    if (value.length === 0) return [random.pick(absurd)]
    const at = random.below(value.length)
    return random.below(5) === 0 ? value.toSpliced(at, 1) : value.with(at, altered(value[at], random))
  }
  const entries = Object.entries(value)
  if (entries.length === 0 || random.below(6) === 0) return Object.fromEntries([...entries, [String(random.pick(["__proto__", "x", "shape", "w".repeat(2000)])), random.pick(absurd)]])
  const [key, inner] = random.pick(entries)
  const rest = entries.filter(([other]) => other !== key)
  return Object.fromEntries(random.below(8) === 0 ? rest : [...rest, [key, altered(inner, random)]])
}

const withNoise = (bytes: Uint8Array, random: Random): Uint8Array => {
  const noisy = bytes.slice()
  for (let i = random.below(6); i > 0; i--) noisy[random.below(noisy.length)] = random.below(256)
  return noisy
}

/** Runs one trial after another; `read` throws an instance of `Refusal`, or gives what it took the bytes for. */
const fuzz = ({ seed, trials }: Options, make: (random: Random) => Uint8Array, read: (bytes: Uint8Array) => string, Refusal: abstract new(...args: never) => Error): Fuzzed => {
  const random = makeRandom(seed)
  const failures: Array<string> = []
  const counts: Record<string, number> = {}
  const outcome = (what: string) => { counts[what] = (counts[what] ?? 0) + 1 }
  for (let trial = 0; trial < trials; trial++) {
    const bytes = make(random)
    const before = process.memoryUsage()
    const used = process.threadCpuUsage()
    try {
      outcome(read(bytes))
    } catch (error) {
      if (error instanceof Refusal) outcome("refused")
      else failures.push(`trial ${trial}: ${error instanceof Error ? error.stack ?? error.message : String(error)}`)
    }
    // Time on the processor, not on the clock: a busy machine says nothing about the reader.
    const { system, user } = process.threadCpuUsage(used)
    const millis = (user + system) / 1000
    const after = process.memoryUsage()
    const grown = after.heapTotal + after.arrayBuffers - before.heapTotal - before.arrayBuffers
    if (millis > mostMillis) failures.push(`trial ${trial}: ${millis.toFixed(0)} ms for ${bytes.length} bytes`)
    if (grown > mostBytes) failures.push(`trial ${trial}: ${grown} bytes of memory for ${bytes.length} bytes`)
  }
  return { trials, failures, counts }
}

const header = encodeHeader([{ name: "a", dtype: "F32", shape: [4, 4] }, { name: "b.weight", dtype: "BF16", shape: [8] }, { name: "none", dtype: "U8", shape: [0, 3] }], { format: "rae" })
const goodHeader: unknown = JSON.parse(Buffer.from(header.bytes.subarray(8)).toString())

const makeHeader = (random: Random): Uint8Array => {
  if (random.below(3) === 0) return withNoise(header.bytes, random)
  const text = Buffer.from(random.below(10) === 0 ? `{"w":${"[".repeat(random.below(20_000))}` : JSON.stringify(altered(goodHeader, random)))
  const length = random.below(4) === 0 ? random.pick([0n, 1n, 2n ** 24n + 1n, 2n ** 40n, 2n ** 63n, 2n ** 64n - 1n]) : BigInt(text.length)
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(length)
  return Buffer.concat([prefix, text])
}

const readHeader = (bytes: Uint8Array): string => {
  let end = 0
  for (const { begin, end: after } of parseHeader(bytes, header.fileSize).tensors) {
    if (begin < end || after < begin || after > header.fileSize) throw new Error(`a tensor from ${begin} to ${after} in a file of ${header.fileSize}`)
    end = after
  }
  return "accepted: every tensor inside the file"
}

export const fuzzSafetensors = (options: Options): Promise<Fuzzed> => Promise.resolve(fuzz(options, makeHeader, readHeader, InvalidSafetensors))

const hash = "0123456789abcdef0123456789abcdef"
const manifest = encode({
  schema: 1, step: 1200, epoch: 3, position: 40, config_hash: "c0ffee", resumed_from: { step: 800, hash }, frozen: [{ name: "encoder", hash }], written_at: "2026-01-02T03:04:05.678Z",
  files: [{ name: "state.json", size: 12, hash }, { name: "decoder.safetensors", size: 4096, hash }],
  tensors: [{ name: "decoder.b", file: "decoder.safetensors", dtype: "float32", shape: [2, 3], hash }]
})
const goodManifest: unknown = JSON.parse(Buffer.from(manifest.bytes).toString())

const makeManifest = (random: Random): Uint8Array =>
  random.below(2) === 0 ? withNoise(manifest.bytes, random) : new TextEncoder().encode(`${JSON.stringify(altered(goodManifest, random), null, 2)}\n`)

const readManifest = (bytes: Uint8Array): string => {
  decode(bytes)
  if (!Buffer.from(bytes).equals(manifest.bytes)) throw new Error(`accepted ${Buffer.from(bytes).toString()}`)
  return "accepted: unchanged"
}

export const fuzzManifests = (options: Options): Promise<Fuzzed> => Promise.resolve(fuzz(options, makeManifest, readManifest, ManifestInvalid))
