/** A whole training state out to the PyTorch implementation's layout and in again: nothing is lost, and PyTorch goes on from it. */
import { assert, beforeAll, describe, it } from "vitest"
import { execFileSync, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { discriminatorConfig, setup } from "../actors/training-setup.ts"
import type { RunConfig } from "../src/config/schema.ts"
import { headsSpec } from "../src/models/dino-discriminator.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import type { Spec } from "../src/nn/parameters.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import { openWeights } from "../src/tensor/weight-files.ts"
import { openSafetensors } from "../src/tensor/weights.ts"
import { AdamW, type OptimizerSettings } from "../src/train/optimizer.ts"
import { rateAt } from "../src/train/schedule.ts"
import { TrainableWeights } from "../src/train/trainable-weights.ts"
import { assertDocument } from "./cli-json-shapes.ts"
import { makeWorkplace, smallConfig } from "./rae-processes.ts"

const place = makeWorkplace()
/** Four steps into an epoch of six. */
const stop = 4
/** A schedule for the generator; the discriminator's rate is constant, which is no schedule there. */
const scheduled = smallConfig.replace("training: { epochs: 2,", "training: { scheduler: { type: cosine, warmup_epochs: 0.5, final_lr: 2.0e-5 }, epochs: 2,")
const configFile = place.write("scheduled.yaml", scheduled)
const runWords = (name: string, ...words: ReadonlyArray<string>) => ["run", configFile, "--name", name, ...words]
const exported = join(place.root, "state.pt")
const config = () => (place.readJson("runs/origin/run.json") as { readonly config: RunConfig }).config
const counters = () => (place.readJson(`runs/origin/checkpoints/step-00000000${stop}/state.json`) as { readonly counters: Readonly<Record<string, number>> }).counters
const importWords = (file: string, name: string, ...words: ReadonlyArray<string>) => ["ckpt", "import", file, "--config", configFile, "--name", name, ...words]

beforeAll(async () => {
  await place.done(runWords("origin", "--stop-after", String(stop)))
  const { stderr, stdout } = await place.done(["ckpt", "export", "origin", "--to", "training", "-o", exported, "--json"])
  assert.match(stderr, /note: the encoder was drawn/)
  assert.match(stderr, /note: saved within epoch 0, after 4 steps of it/)
  assertDocument("ckpt-export", stdout)
})

describe("a training state", () => {
  it("comes back bit by bit, and goes on to the bits of a run that was never stopped", async () => {
    const { stderr, stdout } = await place.done(importWords(exported, "back", "--json"))
    assert.strictEqual(stderr, "")
    const document = assertDocument("ckpt-import", stdout) as { readonly step: number; readonly position: number; readonly notes: ReadonlyArray<string> }
    assert.deepStrictEqual([document.step, document.position, document.notes], [stop, 4, []])
    await place.assertSameState("back", "origin")
    await place.done(runWords("whole"))
    // its config and flags are those that it was imported with
    const resumed = await place.done(runWords("back"))
    assert.match(resumed.stderr, new RegExp(`resumed from step ${stop}`))
    await place.assertSameState("back", "whole")
  })

  it("is not taken where its sizes are others, and nothing is made then", async () => {
    const larger = place.write("larger.yaml", scheduled.replace("decoder_intermediate_size: 32", "decoder_intermediate_size: 48"))
    const { code, stderr } = await place.rae(["ckpt", "import", exported, "--config", larger, "--name", "other"])
    assert.strictEqual(code, 2)
    assert.match(stderr, /state\.pt is no training state of this config\n {2}wrong shape or dtype: model: decoder\.decoder_layers\.0\.intermediate\.dense\.weight \(expected F32 \[48,32\], got F32 \[32,32\]\)/)
    assert.isFalse(place.exists("runs/other"))
  })

  it("is not taken under the name of a run that is there", async () => {
    const { code, stderr } = await place.rae(importWords(exported, "origin"))
    assert.strictEqual(code, 2)
    assert.match(stderr, /there is a run in .*origin already/)
  })

  it("is not taken where its numbers are damaged, and nothing is made then", async () => {
    const bytes = readFileSync(exported)
    // in the middle of the file lie the moments
    bytes[bytes.length >> 1]! ^= 1
    const { code, stderr } = await place.rae(importWords(place.write("damaged.pt", bytes), "damaged"))
    assert.strictEqual(code, 2)
    assert.match(stderr, /damaged\.pt: damaged: \S+: expected checksum/)
    assert.isFalse(place.exists("runs/damaged"))
  })
})

/** Debian's; another python3 may come first. */
const python = ["/usr/bin/python3", "python3"].find((command) => spawnSync(command, ["-c", "import torch"]).status === 0)

describe.skipIf(python === undefined)(`in PyTorch${python === undefined ? " (no python3 with torch here)" : ""}`, () => {
  const stepped = join(place.root, "stepped.pt"), resaved = join(place.root, "resaved.pt")
  let said: Readonly<Record<"generator" | "disc_", { readonly lr: number; readonly last_epoch: number }>>

  beforeAll(() => {
    const { architecture: { decoder }, gan: { disc: { arch } } } = config()
    const sizes = {
      decoder: {
        latent: decoder.hidden_size, width: decoder.decoder_hidden_size, inner: decoder.decoder_intermediate_size, layers: decoder.decoder_num_hidden_layers,
        tokens: (decoder.image_size / decoder.patch_size) ** 2, patch: decoder.patch_size
      },
      discriminator: { width: config().architecture.dino.embed_dim, kernel: arch.ks, heads: arch.key_depths.length + 1 }
    }
    said = JSON.parse(execFileSync(python!, [join(import.meta.dirname, "pytorch/training_state.py"), exported, JSON.stringify(sizes), stepped, resaved], { encoding: "utf8" })) as typeof said
  })

  /** One update of ours from the same checkpoint with the same gradients; the largest difference from PyTorch's, relative to the rate. */
  const difference = (spec: Spec, own: string, moments: string, file: string, settings: OptimizerSettings): number => scope(() => {
    const directory = join(place.runsDir, `origin/checkpoints/step-00000000${stop}`)
    using held = new DisposableStack()
    const weights = held.use(openSafetensors(join(directory, file))), saved = held.use(openSafetensors(join(directory, "optimizer.safetensors"))), theirs = held.use(openWeights(stepped))
    const trained = held.adopt(new TrainableWeights(spec, new Map([...spec.parameters.keys()].map((name) => [name, weights.read(own + name)])), "fp32"), (mine) => mine.dispose())
    const optimizer = held.adopt(new AdamW(trained, settings), (mine) => mine.dispose())
    for (const [name, tensor] of optimizer.state(moments)) T.copy_(tensor, saved.read(name))
    optimizer.steps = counters()[`${moments}step`]!
    const { applied, lr } = optimizer.update(trained.trainedMasters().map((master) => T.add(T.mul(master, 0.1), 0.01)))
    assert.isTrue(applied)
    return Math.max(...trained.names.map((name) => {
      const mine = T.toFloat32(trained.masters.get(name)!), other = T.toFloat32(theirs.read(own + name))
      return Math.max(...mine.map((value, i) => Math.abs(value - other[i]!)))
    })) / lr
  })

  it("strict state dicts, AdamW and LambdaLR take it, and one update is ours", () => {
    const { discriminatorOptimizer, generatorOptimizer } = setup(config(), 6)
    const { "optimizer.decoder.step": generator, "optimizer.disc.step": discriminator } = counters() as Readonly<Record<string, number>>
    assert.deepStrictEqual([said.generator.last_epoch, said.disc_.last_epoch], [generator, 0], "the discriminator's was made here, the file has none")
    assert.notStrictEqual(said.generator.lr, generatorOptimizer.schedule.base)
    assert.closeTo(said.generator.lr, rateAt(generatorOptimizer.schedule, generator!), 1e-12)
    assert.closeTo(said.disc_.lr, rateAt(discriminatorOptimizer.schedule, discriminator!), 1e-12)
    // an update is of the size of the rate; the rest is float32's rounding of weights near 1
    assert.isBelow(difference(decoderSpec(config().architecture.decoder), "decoder.", "optimizer.decoder.", "decoder.safetensors", generatorOptimizer), 1e-2)
    assert.isBelow(difference(headsSpec(discriminatorConfig(config())), "disc.", "optimizer.disc.", "discriminator.safetensors", discriminatorOptimizer), 1e-2)
  })

  it("what it saves comes back bit by bit, at the beginning of the epoch", async () => {
    const { stderr } = await place.done(importWords(resaved, "from-pytorch"))
    assert.match(stderr, /note: images, crops and noise follow rae's own order from here on: epoch 0 from its beginning/)
    assert.match(stderr, /note: step 4 at the beginning of epoch 0, with 6 steps an epoch here/)
    await place.assertSameState("from-pytorch", "origin")
    const { stderr: resumed } = await place.done(runWords("from-pytorch", "--stop-after", "5"))
    assert.match(resumed, /stopped at 5, not done/)
  })
})
