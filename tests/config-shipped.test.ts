/** The configurations that ship with the project say what they should, and their documentation is up to date. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync, readdirSync } from "node:fs"
import { join, resolve } from "node:path"
import { configDocs } from "../scripts/config-docs.ts"
import { loadStudy } from "../src/config/load.ts"
import { requiredFiles, requireInputs } from "../src/config/required-files.ts"
import { RunConfig } from "../src/config/schema.ts"

const root = resolve(import.meta.dirname, "..")
const config = (name: string) => join(root, "configs", name)
const files = readdirSync(join(root, "configs")).filter((name) => name.endsWith(".yaml"))

describe("shipped configurations", () => {
  it.effect.each(files.flatMap((file) => ["paper", "tiny"].map((profile) => ({ file, profile }))))("$file loads as $profile", ({ file, profile }) =>
    Effect.gen(function*() {
      const { variants } = yield* loadStudy(config(file), { profile })
      // what crosses to the engine comes back as it was
      for (const variant of variants) assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(RunConfig)(JSON.parse(JSON.stringify(variant.config))), variant.config)
    }))

  it.effect("the studies vary one key each", () =>
    Effect.gen(function*() {
      const seen = []
      for (const file of files.filter((name) => name.startsWith("ablation_"))) {
        const { variants } = yield* loadStudy(config(file), { profile: "paper" })
        seen.push(...variants.map(({ name, config: { gan: { loss }, stage_1: { params }, training } }) =>
          `${file} ${name}: disc_weight ${loss.disc_weight}, noise_tau ${params.noise_tau}, lr ${training.optimizer.lr} ${training.scheduler.base_lr}, perceptual_weight ${loss.perceptual_weight}`))
      }
      assert.deepStrictEqual(seen, [
        "ablation_gan.yaml with-gan: disc_weight 0.75, noise_tau 0.8, lr 0.0002 0.0002, perceptual_weight 1",
        "ablation_gan.yaml without-gan: disc_weight 0, noise_tau 0.8, lr 0.0002 0.0002, perceptual_weight 1",
        "ablation_lpips.yaml lpips-0.5: disc_weight 0.75, noise_tau 0.8, lr 0.0002 0.0002, perceptual_weight 0.5",
        "ablation_lpips.yaml lpips-1.0: disc_weight 0.75, noise_tau 0.8, lr 0.0002 0.0002, perceptual_weight 1",
        "ablation_lpips.yaml lpips-2.0: disc_weight 0.75, noise_tau 0.8, lr 0.0002 0.0002, perceptual_weight 2",
        "ablation_lr.yaml lr-1e-4: disc_weight 0.75, noise_tau 0.8, lr 0.0001 0.0001, perceptual_weight 1",
        "ablation_lr.yaml lr-2e-4: disc_weight 0.75, noise_tau 0.8, lr 0.0002 0.0002, perceptual_weight 1",
        "ablation_lr.yaml lr-4e-4: disc_weight 0.75, noise_tau 0.8, lr 0.0004 0.0004, perceptual_weight 1",
        "ablation_noise.yaml noise-0.0: disc_weight 0.75, noise_tau 0, lr 0.0002 0.0002, perceptual_weight 1",
        "ablation_noise.yaml noise-0.8: disc_weight 0.75, noise_tau 0.8, lr 0.0002 0.0002, perceptual_weight 1"
      ])
    }))

  it.effect("paper is the published size", () =>
    Effect.gen(function*() {
      const { architecture: { encoder, decoder, dino, vgg }, training, gan } = (yield* loadStudy(config("base.yaml"), { profile: "paper" })).variants[0].config
      assert.deepStrictEqual([encoder.hidden_size, encoder.num_hidden_layers, encoder.num_register_tokens], [768, 12, 4])
      assert.deepStrictEqual([decoder.decoder_hidden_size, decoder.decoder_num_hidden_layers, decoder.decoder_num_attention_heads, decoder.decoder_intermediate_size], [1152, 28, 16, 4096])
      assert.deepStrictEqual([decoder.hidden_size, decoder.patch_size, decoder.image_size], [768, 16, 256])
      assert.deepStrictEqual([dino.embed_dim, dino.depth, dino.patch_size, vgg.widths], [384, 12, 8, [64, 128, 256, 512, 512]])
      assert.deepStrictEqual([training.epochs, training.batch_size, training.global_batch_size, training.precision], [1, 2, 2, "bf16"])
      const { arch } = gan.disc
      assert.deepStrictEqual([arch.recipe, arch.ks, arch.norm_type, arch.using_spec_norm], ["S_8", 9, "bn", true])
      assert.deepStrictEqual([gan.loss.disc_loss, gan.loss.gen_loss, gan.loss.disc_start, gan.loss.lpips_start], ["hinge", "vanilla", 0, 0])
    }))

  it.effect("paper lists its pretrained files; random weights and tiny need none", () =>
    Effect.gen(function*() {
      const paper = yield* loadStudy(config("base.yaml"), { profile: "paper" })
      assert.deepStrictEqual(requiredFiles(paper.variants[0].config).map(({ key }) => key),
        ["stage_1.params.encoder_params.dinov2_path", "gan.disc.arch.dino_ckpt_path", "lpips.vgg_path", "lpips.lin_path"])
      yield* requireInputs(yield* loadStudy(config("base.yaml"), { profile: "paper", randomWeights: true, data: root }))
      yield* requireInputs(yield* loadStudy(config("ablation_lpips.yaml"), { profile: "tiny" }))
    }))

  it("docs/configs.md is what scripts/config-docs.ts writes", () => {
    const file = join(root, "docs/configs.md")
    assert.isTrue(existsSync(file) && readFileSync(file, "utf8") === configDocs(), "run: node scripts/config-docs.ts")
  })
})
