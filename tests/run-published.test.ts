/** A real run from a config of the PyTorch implementation and the files it names: SigLIP as the Hub has it, everything else as PyTorch files. */
import { assert, it } from "vitest"
import { copyFileSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import sharp from "sharp"
import { loadStudy } from "../src/config/load.ts"
import { dinoSpec } from "../src/models/dino.ts"
import { lpipsSpec } from "../src/models/lpips.ts"
import { decoderSpec } from "../src/models/vit-decoder.ts"
import type { Spec } from "../src/nn/parameters.ts"
import { makeWorkplace } from "./rae-processes.ts"
import { torchFile } from "./torch-fixture.ts"

const golden = join(import.meta.dirname, "golden/siglip")
const place = makeWorkplace()

/** The published keys; networks small enough for a test, and files where no publisher's hash is expected. */
const published = `stage_1:
  target: stage1.RAE
  params:
    encoder_cls: 'SigLIP2wNorm'
    encoder_config_path: 'google/siglip2-small'
    encoder_input_size: 64
    encoder_params: {'model_name': 'google/siglip2-small', 'num_tokens': 16}
    decoder_config_path: 'configs/decoder/ViTXL'
    decoder_patch_size: 8
    pretrained_decoder_path: 'models/decoders/siglip2/model.pt'
    noise_tau: 0.8
    reshape_to_2d: True
    normalization_stat_path: 'models/stats/siglip2/stat.pt'
training:
  epochs: 1
  ema_decay: 0.9978
  global_batch_size: 4
  batch_size: 2
  num_workers: 1
  clip_grad: 0.0
  sample_every: 2500
  precision: fp32
  optimizer: { lr: 2.0e-4, betas: [0.9, 0.95], weight_decay: 0.0 }
  scheduler: { type: cosine, warmup_epochs: 1, decay_end_epoch: 16, base_lr: 2.0e-4, final_lr: 2.0e-5, warmup_from_zero: true }
gan:
  disc:
    arch: { dino_ckpt_path: 'models/discs/dino_vit_small_patch8_224.pth', ks: 9, key_depths: [0], norm_type: 'bn', using_spec_norm: true, recipe: 'S_8' }
    optimizer: { lr: 2.0e-4, betas: [0.9, 0.95], weight_decay: 0.0 }
    scheduler: { type: cosine, warmup_epochs: 1, decay_end_epoch: 16, base_lr: 2.0e-4, final_lr: 2.0e-5, warmup_from_zero: true }
    augment: { prob: 1.0, cutout: 0.0 }
  loss: { disc_loss: hinge, gen_loss: vanilla, disc_weight: 0.75, perceptual_weight: 1.0, disc_start: 0, disc_upd_start: 0, lpips_start: 0, max_d_weight: 10000.0, disc_updates: 1 }
lpips: { vgg_path: models/lpips/own_vgg.pth, lin_path: models/lpips/own_lin.pth }
architecture:
  decoder: { decoder_hidden_size: 16, decoder_num_hidden_layers: 1, decoder_num_attention_heads: 2, decoder_intermediate_size: 16 }
  dino: { embed_dim: 12, depth: 1, num_heads: 2, patch_size: 56 }
  vgg: { widths: [2, 2, 2, 2, 2] }
`

it("runs a published config with its files from --models-dir, and says what a key cannot mean", async () => {
  const hub = join(place.root, "hub")
  mkdirSync(join(hub, "google/siglip2-small"), { recursive: true })
  for (const file of ["config.json", "model.safetensors"]) copyFileSync(join(golden, file), join(hub, "google/siglip2-small", file))
  const config = place.write("siglip.yaml", published)
  const { architecture } = (await Effect.runPromise(loadStudy(config, { sets: [`weights.models_dir=${hub}`] }))).variants[0].config
  const file = (name: string, { parameters }: Spec, prefix = "") =>
    place.write(`hub/${name}`, torchFile(new Map([...parameters].filter(([key]) => key.startsWith(prefix)).map(([key, { shape }]) => [key, shape])), 1e-3))
  file("decoders/siglip2/model.pt", decoderSpec(architecture.decoder))
  file("discs/dino_vit_small_patch8_224.pth", dinoSpec(architecture.dino))
  file("lpips/own_vgg.pth", lpipsSpec(architecture.vgg), "features.")
  file("lpips/own_lin.pth", lpipsSpec(architecture.vgg), "lin")
  place.write("hub/stats/siglip2/stat.pt", torchFile(new Map([["mean", [48, 4, 4]], ["var", [48, 4, 4]]])))
  for (let i = 0; i < 6; i++) {
    place.write(`images/a/${i}.png`, await sharp({ create: { width: 40, height: 40, channels: 3, background: { r: 40 * i, g: 90, b: 200 - 20 * i } } }).png().toBuffer())
  }

  const { stderr } = await place.done(["run", config, "--data", join(place.root, "images"), "--models-dir", hub, "--stop-after", "1"])
  assert.match(stderr, /noted +training\.sample_every: pictures come with each evaluation/)
  const run = place.readJson("runs/siglip/run.json") as { readonly random_weights: boolean; readonly sets: ReadonlyArray<string> }
  assert.deepStrictEqual([run.random_weights, run.sets], [false, [`weights.models_dir="${hub}"`]])
})
