/** Every wrong input says what, where, and what to do about it. Texts are snapshots: they are what users read. */
import { afterAll, assert, beforeEach, describe, expect, it } from "vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { loadStudy, type LoadOptions } from "../src/config/load.ts"
import { ConfigInvalid } from "../src/config/problem.ts"
import { requireInputs } from "../src/config/required-files.ts"

const base = resolve(import.meta.dirname, "../configs/base.yaml")
const root = mkdtempSync(join(tmpdir(), "rae-config-"))
afterAll(() => rmSync(root, { recursive: true }))

const write = (files: Readonly<Record<string, string>>) => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text.replaceAll("BASE", base))
  }
}
/** The error's text, with places relative to the test's folder and the checkout. */
const errorOf = async (load: Effect.Effect<unknown, ConfigInvalid>) => {
  const error = await Effect.runPromise(Effect.flip(load))
  assert.instanceOf(error, ConfigInvalid)
  return `\n${error.message.replaceAll(`${root}/`, "").replaceAll(`${dirname(dirname(base))}/`, "")}\n`
}
const failing = (text: string, options: LoadOptions = {}) => {
  write({ "run.yaml": text })
  return errorOf(loadStudy(join(root, "run.yaml"), options))
}
const failingSet = (...sets: ReadonlyArray<string>) => failing("extends: BASE\n", { profile: "tiny", sets })
beforeEach(() => {
  rmSync(root, { recursive: true })
  mkdirSync(root)
})

describe("keys", () => {
  it("unknown, with the nearest name", async () => expect(await failing("extends: BASE\ngan:\n  loss:\n    perceptual_wieght: 0.5\n")).toMatchInlineSnapshot(`
    "
    error: unknown key \`gan.loss.perceptual_wieght\`
      --> run.yaml:4:5
       |     perceptual_wieght: 0.5
       |     ^^^^^^^^^^^^^^^^^
       = help: did you mean \`perceptual_weight\`?
    "
  `))
  it("unknown here, known elsewhere", async () => expect(await failing("extends: BASE\ntraining:\n  lr: 1.0e-4\n")).toMatchInlineSnapshot(`
    "
    error: unknown key \`training.lr\`
      --> run.yaml:3:3
       |   lr: 1.0e-4
       |   ^^
       = help: \`lr\` belongs in \`training.optimizer\`
    "
  `))
  it("unknown and like no other", async () => expect(await failing("extends: BASE\nlpips:\n  colour: blue\n")).toMatchInlineSnapshot(`
    "
    error: unknown key \`lpips.colour\`
      --> run.yaml:3:3
       |   colour: blue
       |   ^^^^^^
       = help: known: \`vgg_path\`, \`lin_path\`
    "
  `))
  it("misspelled key of the file itself", async () => expect(await failing("extend: BASE\n")).toMatchInlineSnapshot(`
    "
    error: unknown key \`extend\`
      --> run.yaml:1:1
       | extend: configs/base.yaml
       | ^^^^^^
       = help: did you mean \`extends\`?

    error: missing key \`stage_1\`
      --> run.yaml:1:1
       | extend: configs/base.yaml
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: \`stage_1\`: the autoencoder; a map of keys

    error: missing key \`training\`
      --> run.yaml:1:1
       | extend: configs/base.yaml
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: \`training\`: the decoder's training; a map of keys
    "
  `))
  it("missing", async () =>
    expect(await failing("stage_1:\n  params:\n    encoder_input_size: 224\n    decoder_config_path: configs/decoder/ViTXL\ntraining: {}\n")).toMatchInlineSnapshot(`
      "
      error: missing key \`stage_1.params.encoder_config_path\`
        --> run.yaml:2:3
         |   params:
         |   ^^^^^^
         = help: \`encoder_config_path\`: directory, or Hub name of it, that holds the encoder's \`config.json\`; a path

      error: missing key \`training.epochs\`
        --> run.yaml:5:1
         | training: {}
         | ^^^^^^^^
         = help: \`epochs\`: passes over the training images (epochs); a whole number, 1 or more
      "
    `))
  it("a file with nothing in it", async () => expect(await failing("# to do\n")).toMatchInlineSnapshot(`
    "
    error: missing key \`stage_1\`
      --> run.yaml:1:1
       | # to do
       | ^
       = help: \`stage_1\`: the autoencoder; a map of keys

    error: missing key \`training\`
      --> run.yaml:1:1
       | # to do
       | ^
       = help: \`training\`: the decoder's training; a map of keys
    "
  `))
  it("of the wrong type", async () =>
    expect(await failing("extends: BASE\ntraining:\n  epochs: many\n  precision: bf8\n  optimizer: adamw\neval:\n  metrics: [psnr, fid]\n")).toMatchInlineSnapshot(`
      "
      error: \`training.epochs\` must be a whole number, 1 or more, got "many"
        --> run.yaml:3:11
         |   epochs: many
         |           ^^^^
         = help: \`epochs\`: passes over the training images (epochs)

      error: \`training.precision\` must be one of \`fp32\`, \`bf16\`, got "bf8"
        --> run.yaml:4:14
         |   precision: bf8
         |              ^^^
         = help: \`precision\`: arithmetic of the networks; weights and optimiser are kept in fp32

      error: \`training.optimizer\` must be a map of keys, got "adamw"
        --> run.yaml:5:14
         |   optimizer: adamw
         |              ^^^^^
         = help: \`optimizer\`: AdamW

      error: \`eval.metrics\` must be a list of \`psnr\`, \`ssim\`, \`lpips\`, item 2 is "fid"
        --> run.yaml:7:19
         |   metrics: [psnr, fid]
         |                   ^^^
         = help: \`metrics\`: what is measured
      "
    `))
  it("out of range", async () =>
    expect(await failing("extends: BASE\ntraining:\n  batch_size: 0\n  optimizer: { lr: -1, betas: [0.9, 1] }\n  epochs: 1.5\n")).toMatchInlineSnapshot(`
      "
      error: \`training.batch_size\` must be a whole number, 1 or more, got 0
        --> run.yaml:3:15
         |   batch_size: 0
         |               ^
         = help: \`batch_size\`: micro-batch: what goes through the networks together (images)

      error: \`training.optimizer.lr\` must be a number, 0 or more, got -1
        --> run.yaml:4:20
         |   optimizer: { lr: -1, betas: [0.9, 1] }
         |                    ^^
         = help: \`lr\`: learning rate

      error: \`training.optimizer.betas\` must be a list of two, each a number from 0 to below 1, item 2 is 1
        --> run.yaml:4:37
         |   optimizer: { lr: -1, betas: [0.9, 1] }
         |                                     ^
         = help: \`betas\`: decay of AdamW's first and second moments

      error: \`training.epochs\` must be a whole number, 1 or more, got 1.5
        --> run.yaml:5:11
         |   epochs: 1.5
         |           ^^^
         = help: \`epochs\`: passes over the training images (epochs)
      "
    `))
  it("with nothing after it", async () => expect(await failing("extends: BASE\ntraining:\n  epochs:\n")).toMatchInlineSnapshot(`
    "
    error: \`training.epochs\` must be a whole number, 1 or more, got null
      --> run.yaml:3:3
       |   epochs:
       |   ^^^^^^
       = help: \`epochs\`: passes over the training images (epochs)
    "
  `))
  it("in a profile that is not taken", async () =>
    expect(await failing("extends: BASE\nprofiles:\n  tiny:\n    trainning:\n      epochs: 2\n", { profile: "paper" })).toMatchInlineSnapshot(`
      "
      error: unknown key \`trainning\`
        --> run.yaml:4:5
         |     trainning:
         |     ^^^^^^^^^
         = help: did you mean \`training\`?
      "
    `))
  it("in a variant, as a dotted key", async () =>
    expect(await failing("extends: BASE\nstudy:\n  variants:\n    low:\n      gan.loss.perceptual_wieght: 0.5\n    high:\n      gan.loss.disc_weight: lots\n")).toMatchInlineSnapshot(`
      "
      error: unknown key \`gan.loss.perceptual_wieght\`
        --> run.yaml:5:16
         |       gan.loss.perceptual_wieght: 0.5
         |                ^^^^^^^^^^^^^^^^^
         = help: did you mean \`perceptual_weight\`?

      error: \`gan.loss.disc_weight\` must be a number, 0 or more, got "lots"
        --> run.yaml:7:29
         |       gan.loss.disc_weight: lots
         |                             ^^^^
         = help: \`disc_weight\`: weight of the adversarial loss, times the adaptive weight; 0: no adversarial loss
      "
    `))
  it("in the file that is extended", async () => {
    write({ "lib/small.yaml": "extends: BASE\ntraining:\n  epochs: none\n" })
    expect(await failing("extends: lib/small.yaml\n")).toMatchInlineSnapshot(`
      "
      error: \`training.epochs\` must be a whole number, 1 or more, got "none"
        --> lib/small.yaml:3:11
         |   epochs: none
         |           ^^^^
         = help: \`epochs\`: passes over the training images (epochs)
      "
    `)
  })
})

describe("YAML", () => {
  it("unclosed bracket", async () => expect(await failing("training:\n  optimizer:\n    betas: [0.9, 0.95\n  epochs: 1\n")).toMatchInlineSnapshot(`
    "
    error: not valid YAML: flow sequence in block collection must be sufficiently indented and end with a ]
      --> run.yaml:4:3
       |   epochs: 1
       |   ^
    "
  `))
  it("wrong indentation", async () => expect(await failing("training:\n  epochs: 1\n batch_size: 2\n")).toMatchInlineSnapshot(`
    "
    error: not valid YAML: all mapping items must start at the same column
      --> run.yaml:3:1
       |  batch_size: 2
       | ^
    "
  `))
  it("a key twice", async () => expect(await failing("extends: BASE\ntraining:\n  epochs: 1\n  epochs: 2\n")).toMatchInlineSnapshot(`
    "
    error: not valid YAML: map keys must be unique
      --> run.yaml:4:3
       |   epochs: 2
       |   ^
    "
  `))
  it("a list at the top", async () => expect(await failing("- training\n")).toMatchInlineSnapshot(`
    "
    error: expected a map of keys at the top of the file
      --> run.yaml:1:1
       | - training
       | ^^^^^^^^^^
    "
  `))
  it("aliases that multiply", async () =>
    expect(await failing(`a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n${"bcdefg".split("").map((name, i) => `${name}: &${name} [${Array(10).fill(`*${"abcdef"[i]}`).join(", ")}]`).join("\n")}\n`)).toMatchInlineSnapshot(`
      "
      error: more than 20000 values, or nested deeper than 50
        --> run.yaml:1:7
         | a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
         |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      "
    `))
  it("an alias inside itself", async () => expect(await failing("training: &t { epochs: *t }\n")).toMatchInlineSnapshot(`
    "
    error: more than 20000 values, or nested deeper than 50
      --> run.yaml:1:16
       | training: &t { epochs: *t }
       |                ^^^^^^
    "
  `))
})

describe("extends", () => {
  it("a file that is not there", async () => expect(await failing("extends: lib/bsae.yaml\n")).toMatchInlineSnapshot(`
    "
    error: no file lib/bsae.yaml
      --> run.yaml:1:10
       | extends: lib/bsae.yaml
       |          ^^^^^^^^^^^^^
       = help: \`extends\` is relative to the file that it stands in
    "
  `))
  it("a directory", async () => {
    write({ "lib/x.yaml": "" })
    expect(await failing("extends: lib\n")).toMatchInlineSnapshot(`
      "
      error: lib is a directory, expected a YAML file
        --> run.yaml:1:10
         | extends: lib
         |          ^^^
         = help: \`extends\` is relative to the file that it stands in
      "
    `)
  })
  it("in a circle", async () => {
    write({ "a.yaml": "extends: b.yaml\n", "b.yaml": "# b\nextends: a.yaml\n" })
    expect(await failing("extends: a.yaml\n")).toMatchInlineSnapshot(`
      "
      error: \`extends\` goes round in a circle: a.yaml → b.yaml → a.yaml
        --> b.yaml:2:10
         | extends: a.yaml
         |          ^^^^^^
      "
    `)
  })
  it("no text", async () => expect(await failing("extends: [BASE]\n")).toMatchInlineSnapshot(`
    "
    error: \`extends\` must be the path of a YAML file
      --> run.yaml:1:10
       | extends: [configs/base.yaml]
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "
  `))
  it("no such file at all", async () => expect(await errorOf(loadStudy(join(root, "nothing.yaml")))).toMatchInlineSnapshot(`
    "
    error: no file nothing.yaml
      --> nothing.yaml
    "
  `))
})

describe("profiles and variants", () => {
  const study = "extends: BASE\nstudy:\n  variants:\n    low: { gan.loss.perceptual_weight: 0.5 }\n    high: { gan.loss.perceptual_weight: 2 }\n"
  it("unknown profile", async () => expect(await failing(study, { profile: "tinny" })).toMatchInlineSnapshot(`
    "
    error: unknown profile \`tinny\`
      --> run.yaml
       = help: did you mean \`tiny\`?
    "
  `))
  it("unknown variant", async () => expect(await failing(study, { variant: "hihg" })).toMatchInlineSnapshot(`
    "
    error: unknown variant \`hihg\`
      --> run.yaml
       = help: did you mean \`high\`?
    "
  `))
  it("variant of what is no study", async () => expect(await failing("extends: BASE\n", { variant: "high" })).toMatchInlineSnapshot(`
    "
    error: unknown variant \`high\`
      --> run.yaml
       = help: there are none
    "
  `))
  it("a name that cannot be a directory", async () => expect(await failing("extends: BASE\nstudy: { variants: { ../up: {} } }\n")).toMatchInlineSnapshot(`
    "
    error: \`../up\` cannot name a variant
      --> run.yaml:2:22
       | study: { variants: { ../up: {} } }
       |                      ^^^^^
       = help: it becomes a directory: letters, digits, \`.\`, \`_\`, \`+\` and \`-\`, at most 100
    "
  `))
  it("no variants", async () => expect(await failing("extends: BASE\nstudy:\n  variants: []\n")).toMatchInlineSnapshot(`
    "
    error: \`study.variants\` must be a map of variants, each a map of overrides
      --> run.yaml:3:13
       |   variants: []
       |             ^^
    "
  `))
  it("an unknown key of a study", async () => expect(await failing("extends: BASE\nstudy:\n  variant: { a: {} }\n")).toMatchInlineSnapshot(`
    "
    error: unknown key \`study.variant\`
      --> run.yaml:3:3
       |   variant: { a: {} }
       |   ^^^^^^^
       = help: did you mean \`variants\`?
    "
  `))
  it("a profile that is no map", async () => expect(await failing("extends: BASE\nprofiles:\n  big: 3\n")).toMatchInlineSnapshot(`
    "
    error: \`profiles.big\` must be a map of overrides
      --> run.yaml:3:8
       |   big: 3
       |        ^
    "
  `))
})

describe("--set", () => {
  it("unknown key", async () => expect(await failingSet("gan.loss.perceptual_wieght=0.5")).toMatchInlineSnapshot(`
    "
    error: unknown key \`gan.loss.perceptual_wieght\`
      --> --set:1:10
       | gan.loss.perceptual_wieght=0.5
       |          ^^^^^^^^^^^^^^^^^
       = help: did you mean \`perceptual_weight\`?
    "
  `))
  it("wrong value", async () => expect(await failingSet("training.optimizer.lr=fast", "training.optimizer.betas=[0.9, high]")).toMatchInlineSnapshot(`
    "
    error: \`training.optimizer.lr\` must be a number, 0 or more, got "fast"
      --> --set:1:23
       | training.optimizer.lr=fast
       |                       ^^^^
       = help: \`lr\`: learning rate

    error: \`training.optimizer.betas\` must be a list of two, each a number from 0 to below 1, item 2 is "high"
      --> --set:1:32
       | training.optimizer.betas=[0.9, high]
       |                                ^^^^
       = help: \`betas\`: decay of AdamW's first and second moments
    "
  `))
  it("no value", async () => expect(await failingSet("training.optimizer.lr")).toMatchInlineSnapshot(`
    "
    error: expected key=value after --set
      --> --set:1:1
       | training.optimizer.lr
       | ^^^^^^^^^^^^^^^^^^^^^
       = help: for example: --set training.optimizer.lr=1e-4
    "
  `))
  it("not YAML", async () => expect(await failingSet("training.optimizer.betas=[0.9")).toMatchInlineSnapshot(`
    "
    error: not valid YAML: flow sequence must end with a ]
      --> --set:1:30
       | training.optimizer.betas=[0.9
       |                              ^
    "
  `))
  it("a key that is no path", async () => expect(await failingSet("training..lr=1")).toMatchInlineSnapshot(`
    "
    error: expected key=value after --set
      --> --set:1:1
       | training..lr=1
       | ^^^^^^^^^^^^^^
       = help: for example: --set training.optimizer.lr=1e-4
    "
  `))
})

describe("rules between keys", () => {
  it("each at the key that one would change", async () =>
    expect(await failingSet(
      "data.image_size=63", "gan.disc.arch.ks=8", "gan.disc.arch.key_depths=[0, 3]", "training.global_batch_size=3", "gan.loss.disc_upd_start=2", "eval.samples=100",
      "architecture.encoder.num_attention_heads=5", "architecture.dino.patch_size=9", "gan.disc.arch.norm_type=gn",
      "training.scheduler={type: cosine, warmup_epochs: 2, decay_end_epoch: 1}"
    )).toMatchInlineSnapshot(`
      "
      error: \`data.image_size\` is 63, but the decoder draws 64 pixels
        --> --set:1:17
         | data.image_size=63
         |                 ^^
         = help: 4 tokens a side (\`encoder_input_size\` 56 / encoder patch 14) times \`decoder_patch_size\` 16

      error: the encoder's \`hidden_size\` (48) must be a multiple of \`num_attention_heads\` (5)
        --> configs/base.yaml:94:22
         |         hidden_size: 48
         |                      ^^
         = help: 45 or 50 would do

      error: DINO's \`patch_size\` (9) must divide its input of 224 pixels
        --> --set:1:30
         | architecture.dino.patch_size=9
         |                              ^
         = help: published sizes are 8 and 16

      error: with \`norm_type: gn\`, DINO's width (48) must be a multiple of the number of groups (32)
        --> --set:1:25
         | gan.disc.arch.norm_type=gn
         |                         ^^
         = help: 32 or 64 would do

      error: \`gan.disc.arch.ks\` must be odd, got 8
        --> --set:1:18
         | gan.disc.arch.ks=8
         |                  ^
         = help: the convolution pads ks / 2 tokens on both sides

      error: \`key_depths\` names layer 3, but DINO has 3 layers
        --> --set:1:30
         | gan.disc.arch.key_depths=[0, 3]
         |                              ^
         = help: layers count from 0 to 2

      error: \`global_batch_size\` (3) must be a multiple of \`batch_size\` (2)
        --> --set:1:28
         | training.global_batch_size=3
         |                            ^
         = help: 2 or 4 would do

      error: the discriminator would start to learn (epoch 2) after the decoder starts to follow it (epoch 0)
        --> --set:1:25
         | gan.loss.disc_upd_start=2
         |                         ^
         = help: \`disc_upd_start\` must not be later than \`disc_start\`

      error: \`eval.samples\` (100) is more than \`eval.images\` (8)
        --> --set:1:14
         | eval.samples=100
         |              ^^^
         = help: the picture shows images that are evaluated

      error: the decay ends in epoch 1, before the warm-up does (2)
        --> --set:1:70
         | training.scheduler={type: cosine, warmup_epochs: 2, decay_end_epoch: 1}
         |                                                                      ^
         = help: the decay runs from the end of the warm-up to there
      "
    `))
  it("encoder input and patch", async () => expect(await failing("extends: BASE\nstage_1:\n  params:\n    encoder_input_size: 256\n")).toMatchInlineSnapshot(`
    "
    error: \`encoder_input_size\` (256) must be a multiple of the encoder's patch (14)
      --> run.yaml:4:25
       |     encoder_input_size: 256
       |                         ^^^
       = help: 252 or 266 would do
    "
  `))
  it("layers in order", async () => expect(await failing("extends: BASE\ngan.disc.arch.key_depths: [5, 2]\n")).toMatchInlineSnapshot(`
    "
    error: \`key_depths\` must rise from layer to layer
      --> run.yaml:2:31
       | gan.disc.arch.key_depths: [5, 2]
       |                               ^
       = help: heads are numbered in this order
    "
  `))
})

describe("files that a configuration names", () => {
  it("no config.json", async () => expect(await failing("extends: BASE\nstage_1:\n  params:\n    decoder_config_path: configs/decoder/ViTXXL\n")).toMatchInlineSnapshot(`
    "
    error: no config.json for \`configs/decoder/ViTXXL\`
      --> run.yaml:4:26
       |     decoder_config_path: configs/decoder/ViTXXL
       |                          ^^^^^^^^^^^^^^^^^^^^^^
       = help: expected a directory with config.json at \`configs/decoder/ViTXXL\` or \`models/configs/decoder/ViTXXL\`
    "
  `))
  it("a config.json that does not fit", async () => {
    write({ "decoder/config.json": '{\n  "decoder_hidden_size": "wide",\n  "decoder_num_hidden_layers": 2,\n  "decoder_intermediate_size": 64\n}\n' })
    expect(await failing(`extends: BASE\nstage_1:\n  params:\n    decoder_config_path: ${root}/decoder\n`)).toMatchInlineSnapshot(`
      "
      error: missing key \`decoder_num_attention_heads\`
        --> decoder/config.json:1:1
         | {
         | ^
         = help: \`decoder_num_attention_heads\`: attention heads; a whole number, 1 or more

      error: \`decoder_hidden_size\` must be a whole number, 1 or more, got "wide"
        --> decoder/config.json:2:26
         |   "decoder_hidden_size": "wide",
         |                          ^^^^^^
         = help: \`decoder_hidden_size\`: width of the tokens
      "
    `)
  })
  it("pretrained files, and images", async () => {
    write({ "run.yaml": "extends: BASE\n", "there.safetensors": "" })
    const load = loadStudy(join(root, "run.yaml"), {
      profile: "paper",
      sets: ["gan.disc.arch.dino_ckpt_path=discs/dino.pth", "stage_1.params.encoder_params.dinov2_path=facebook/absent", `lpips.vgg_path=${root}/there.safetensors`]
    })
    expect((await errorOf(Effect.flatMap(load, requireInputs))).replaceAll(`${process.cwd()}/`, "")).toMatchInlineSnapshot(`
      "
      error: no images to train on
        --> configs/base.yaml:74:1
         | data:
         | ^^^^
         = help: give a folder of class folders of images: --data DIR

      error: encoder weights: no file models/facebook/absent/model.safetensors
        --> --set:1:43
         | stage_1.params.encoder_params.dinov2_path=facebook/absent
         |                                           ^^^^^^^^^^^^^^^
         = help: published: https://huggingface.co/facebook/absent (config.json, model.safetensors)
                 put it at models/facebook/absent/model.safetensors, or try the run with random weights: --random-weights

      error: DINO network of the discriminator: PyTorch's \`.pth\` files cannot be read yet, expected safetensors
        --> --set:1:30
         | gan.disc.arch.dino_ckpt_path=discs/dino.pth
         |                              ^^^^^^^^^^^^^^
         = help: wanted: models/discs/dino.safetensors, with the same key names
                 published: https://huggingface.co/timm/vit_small_patch8_224.dino (model.safetensors)

      error: linear layers of LPIPS: no file models/lpips/vgg_lin.safetensors
        --> configs/base.yaml:66:13
         |   lin_path: models/lpips/vgg_lin.safetensors
         |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
         = help: published: https://github.com/richzhang/PerceptualSimilarity, lpips/weights/v0.1/vgg.pth, saved as safetensors under the same key names
                 put it at models/lpips/vgg_lin.safetensors, or try the run with random weights: --random-weights
      "
    `)
  })
})
