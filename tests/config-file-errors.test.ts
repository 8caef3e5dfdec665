/** Wrong files, profiles and variants: what, where, and what to do about it. Texts are snapshots: they are what users read. */
import { describe, expect, it } from "vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { loadStudy } from "../src/config/load.ts"
import { requireInputs } from "../src/config/required-files.ts"
import { errorOf, failing, root, write } from "./config-fixture.ts"

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
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
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

describe("files that a configuration names", () => {
  it("no config.json", async () => expect(await failing("extends: BASE\nstage_1:\n  params:\n    decoder_config_path: configs/decoder/ViTXXL\n")).toMatchInlineSnapshot(`
    "
    error: no config.json for \`configs/decoder/ViTXXL\`
      --> run.yaml:4:26
       |     decoder_config_path: configs/decoder/ViTXXL
       |                          ^^^^^^^^^^^^^^^^^^^^^^
       = help: expected a directory with config.json at \`configs/decoder/ViTXXL\`, \`models/configs/decoder/ViTXXL\`, under --models-dir or in the Hub's cache (HF_HOME)
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
  it("a network that is not available", async () => {
    write({ "giant/config.json": '{ "hidden_size": 1536, "num_hidden_layers": 40, "num_attention_heads": 24, "patch_size": 14, "image_size": 518, "use_swiglu_ffn": true }' })
    expect(await failing(`extends: BASE\nstage_1.params.encoder_config_path: ${root}/giant\ngan.disc.augment.cutout: 0.2\n`)).toMatchInlineSnapshot(`
      "
      error: \`gan.disc.augment.cutout\` must be 0 (cut-out is not available), got 0.2
        --> run.yaml:3:26
         | gan.disc.augment.cutout: 0.2
         |                          ^^^
         = help: \`cutout\`: side of the cut-out square over the image's; 0: none
      "
    `)
    expect(await failing(`extends: BASE\nstage_1.params.encoder_config_path: ${root}/giant\n`)).toMatchInlineSnapshot(`
      "
      error: \`use_swiglu_ffn\` must be false (encoders with a gated MLP are not available), got true
        --> giant/config.json:1:131
         | ayers": 40, "num_attention_heads": 24, "patch_size": 14, "image_size": 518, "use_swiglu_ffn": true }
         |                                                                                               ^^^^
         = help: \`use_swiglu_ffn\`: gated MLP, as in the giant model
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
        --> configs/base.yaml:70:1
         | data:
         | ^^^^
         = help: give a folder of class folders of images: --data DIR

      error: encoder weights: no file models/facebook/absent/model.safetensors
        --> --set:1:43
         | stage_1.params.encoder_params.dinov2_path=facebook/absent
         |                                           ^^^^^^^^^^^^^^^
         = help: published: https://huggingface.co/facebook/absent (config.json, preprocessor_config.json, model.safetensors)
                 put it at models/facebook/absent/model.safetensors, or try the run with random weights: --random-weights

      error: DINO network of the discriminator: no file models/discs/dino.pth
        --> --set:1:30
         | gan.disc.arch.dino_ckpt_path=discs/dino.pth
         |                              ^^^^^^^^^^^^^^
         = help: published: https://huggingface.co/nyu-visionx/RAE-collections (discs/dino_vit_small_patch8_224.pth), or https://huggingface.co/timm/vit_small_patch8_224.dino (model.safetensors)
                 put it at models/discs/dino.pth, or try the run with random weights: --random-weights

      error: linear layers of LPIPS: no file models/lpips/vgg.pth
        --> --set:1:1
         | lpips.vgg_path=there.safetensors
         | ^^^^^
         = help: published: https://github.com/richzhang/PerceptualSimilarity (lpips/weights/v0.1/vgg.pth)
                 put it at models/lpips/vgg.pth, or try the run with random weights: --random-weights
      "
    `)
  })
})
