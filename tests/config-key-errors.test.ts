/** Wrong keys and values: what, where, and what to do about it. Texts are snapshots: they are what users read. */
import { describe, expect, it } from "vitest"
import { failing, failingSet, write } from "./config-fixture.ts"

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
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = help: \`stage_1\`: the autoencoder; a map of keys
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
      "
    `))
  it("a file with nothing in it", async () => expect(await failing("# to do\n")).toMatchInlineSnapshot(`
    "
    error: missing key \`stage_1\`
      --> run.yaml:1:1
       | # to do
       | ^
       = help: \`stage_1\`: the autoencoder; a map of keys
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

      error: \`eval.metrics\` must be a list of \`psnr\`, \`ssim\`, \`lpips\`, \`rfid\`, item 2 is "fid"
        --> run.yaml:7:19
         |   metrics: [psnr, fid]
         |                   ^^^
         = help: \`metrics\`: what is measured; \`rfid\` wants the weights of Inception (docs/weights.md)
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
        --> configs/base.yaml:90:22
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
