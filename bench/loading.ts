/**
 * Loading a checkpoint's state beside a plain read of its files into fresh memory and their hash: each time in a process of its own, since
 * memory is fresh once. Both with the engine's threads; the files are in the page cache, or not, for both.
 *
 * Part of `npm run bench -- checkpoint`, which starts it as `loading.ts plain|load DIRECTORY` with the resolved config on standard input.
 */
import { spawnSync } from "node:child_process"
import { closeSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Schema from "effect/Schema"
import { Progress } from "../actors/engine-protocol.ts"
import { emptyWeights } from "../actors/role-weights.ts"
import { discriminatorConfig, setup } from "../actors/training-setup.ts"
import { type TrainedRoles, TrainingState } from "../actors/training-state.ts"
import { decode, type Manifest } from "../src/checkpoint/manifest.ts"
import type { RunConfig } from "../src/config/schema.ts"
import { headsSpec } from "../src/models/dino-discriminator.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import { dtypeCode } from "../src/tensor/dtype.ts"
import { native } from "../src/tensor/native.ts"

const seconds = (work: () => void): number => {
  const started = performance.now()
  work()
  return (performance.now() - started) / 1000
}

/** Every file whole into memory of its own, by all threads, then hashed, a file a thread. */
const plain = (directory: string, { files }: Manifest): number => seconds(() => {
  const weights = files.filter(({ name }) => name.endsWith(".safetensors"))
  const read = weights.map(({ name, size }) => {
    const fd = openSync(join(directory, name), "r")
    const bytes = native.readTensor(fd, 0, [size], dtypeCode("uint8"))
    closeSync(fd)
    return bytes
  })
  const hashes = native.hashTensors(read)
  if (weights.some(({ hash }, i) => hash !== hashes[i])) throw new Error(`${directory} has other bytes than its manifest says`)
})

/** The roles' memory, bf16 copies included, and all that it is filled with, as `Load` does it; the frozen network below the discriminator is no part of a checkpoint. */
const load = (directory: string, manifest: Manifest, config: RunConfig): number => {
  const state = new TrainingState({ config, setup: setup(config, 1000), device: "cpu", statistics: null })
  const progress = Schema.decodeUnknownSync(Schema.toCodecJson(Progress))(JSON.parse(readFileSync(join(directory, "state.json"), "utf8")))
  const discriminator = state.buildDiscriminator(emptyWeights(headsSpec(discriminatorConfig(config)), "cpu"))
  const decoder = decoderSpec(config.architecture.decoder)
  const roles = (): TrainedRoles => {
    const generator = state.buildGenerator(emptyWeights(decoder, "cpu"))
    const aliases = generator.weights()
    const ema = state.buildEma(aliases)
    for (const alias of aliases.values()) alias.dispose()
    return { generator, discriminator, ema }
  }
  return seconds(() => state.fill(roles(), directory, manifest, progress))
}

/** Seconds of one of both, in a process of its own. */
export const measureLoading = (mode: "plain" | "load", directory: string, config: RunConfig): number => {
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", import.meta.filename, mode, directory], { input: JSON.stringify(config), encoding: "utf8" })
  if (status !== 0) throw new Error(stderr)
  return Number(stdout)
}

if (import.meta.main) {
  const [mode, directory = ""] = process.argv.slice(2)
  const manifest = decode(readFileSync(join(directory, "manifest.json")))
  const config = JSON.parse(readFileSync(0, "utf8")) as RunConfig
  process.stdout.write(String(mode === "plain" ? plain(directory, manifest) : load(directory, manifest, config)))
}
