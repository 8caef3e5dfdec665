/** Configurations of the PyTorch implementation as they are published: the same keys and values, found files, and what is said of them. */
import { afterAll, afterEach, assert, beforeEach, describe, it } from "vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { loadStudy, type LoadOptions } from "../src/config/load.ts"
import { notesOn } from "../src/config/notes.ts"
import { requiredFiles, requireInputs } from "../src/config/required-files.ts"

const root = mkdtempSync(join(tmpdir(), "rae-published-"))
afterAll(() => rmSync(root, { recursive: true }))
const write = (name: string, text = "") => {
  mkdirSync(dirname(join(root, name)), { recursive: true })
  writeFileSync(join(root, name), text)
  return join(root, name)
}
const load = (text: string, options: LoadOptions = {}) => Effect.runPromise(loadStudy(write("config.yaml", text), options))
const configOf = async (text: string, options?: LoadOptions) => (await load(text, options)).variants[0].config
const problem = async (text: string, options: LoadOptions = {}) => (await Effect.runPromise(Effect.flip(loadStudy(write("config.yaml", text), options)))).message

// what this machine may have in its caches is not looked at
const caches = ["HF_HOME", "HF_HUB_CACHE", "TORCH_HOME"]
const before = caches.map((name) => [name, process.env[name]] as const)
beforeEach(() => {
  delete process.env["HF_HUB_CACHE"]
  for (const name of ["HF_HOME", "TORCH_HOME"]) process.env[name] = join(root, name === "HF_HOME" ? "hf" : "torch")
})
afterEach(() => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
})

const pretrained = ({ cls, config, params, size, decoder, stat }: { readonly cls: string; readonly config: string; readonly params: string; readonly size: number; readonly decoder: string; readonly stat: string }) => `stage_1:
  target: stage1.RAE
  params:
    encoder_cls: '${cls}'
    encoder_config_path: '${config}'
    encoder_input_size: ${size}
    encoder_params: ${params}
    decoder_config_path: 'configs/decoder/ViTXL'
    pretrained_decoder_path: 'models/decoders/${decoder}/model.pt'
    noise_tau: 0.
    reshape_to_2d: True
    normalization_stat_path: 'models/stats/${stat}/stat.pt'
`
const dinov2 = { cls: "Dinov2withNorm", config: "facebook/dinov2-with-registers-base", params: "{'dinov2_path': 'facebook/dinov2-with-registers-base', 'normalize': True}" }
const published = {
  "DINOv2-B": { ...dinov2, size: 224, decoder: "dinov2/wReg_base/ViTXL_n08", stat: "dinov2/wReg_base/imagenet1k" },
  "DINOv2-B_512": { ...dinov2, size: 448, decoder: "dinov2/wReg_base/ViTXL_n08_i512", stat: "dinov2/wReg_base/imagenet1k_512" },
  MAE: { cls: "MAEwNorm", config: "facebook/vit-mae-base", params: "{'model_name': 'facebook/vit-mae-base'}", size: 256, decoder: "mae/base_p16/ViTXL_n08", stat: "mae/base_p16/ImageNet1k" },
  SigLIP2: { cls: "SigLIP2wNorm", config: "google/siglip2-base-patch16-256", params: "{'model_name': 'google/siglip2-base-patch16-256'}", size: 256, decoder: "siglip2/base_p16_i256/ViTXL_n08", stat: "siglip2/base_p16_i256/ImageNet1k" }
}

const training = `stage_1:
  target: stage1.RAE
  params:
    encoder_cls: 'Dinov2withNorm'
    encoder_config_path: 'facebook/dinov2-with-registers-base'
    encoder_input_size: 224
    encoder_params: { dinov2_path: 'facebook/dinov2-with-registers-base', normalize: true }
    decoder_config_path: 'configs/decoder/ViTXL'
    noise_tau: 0.8
    reshape_to_2d: true
training:
  epochs: 16
  ema_decay: 0.9978
  global_batch_size: 512
  num_workers: 8
  clip_grad: 0.0
  log_interval: 100
  checkpoint_interval: 1
  sample_every: 2500
  optimizer: { lr: 2.0e-4, betas: [0.9, 0.95], weight_decay: 0.0 }
  scheduler: { type: cosine, warmup_epochs: 1, decay_end_epoch: 16, base_lr: 2.0e-4, final_lr: 2.0e-5, warmup_from_zero: true }
eval:
  eval_interval: 2500
  eval_model: true
  data_path: 'data/imagenet/val/'
  reference_npz_path: 'data/imagenet/val_256.npz'
  metrics: ['psnr', 'ssim', 'rfid']
gan:
  disc:
    arch: { dino_ckpt_path: 'models/discs/dino_vit_small_patch8_224.pth', ks: 9, norm_type: 'bn', using_spec_norm: true, recipe: 'S_8' }
    optimizer: { lr: 2.0e-4, betas: [0.9, 0.95], weight_decay: 0.0 }
    scheduler: { type: cosine, warmup_epochs: 1, decay_end_epoch: 16, base_lr: 2.0e-4, final_lr: 2.0e-5, warmup_from_zero: true }
    augment: { prob: 1.0, cutout: 0.0 }
  loss: { disc_loss: hinge, gen_loss: vanilla, disc_weight: 0.75, perceptual_weight: 1.0, disc_start: 8, disc_upd_start: 6, lpips_start: 0, max_d_weight: 10000.0, disc_updates: 1 }
`

describe("published configurations", () => {
  it("of the autoencoders load with the published sizes and pixels", async () => {
    const seen = await Promise.all(Object.entries(published).map(async ([name, of]) => {
      const { architecture: { decoder, encoder }, data, stage_1: { params } } = await configOf(pretrained(of))
      assert.deepStrictEqual([params.encoder_cls, decoder.decoder_hidden_size, decoder.hidden_size, params.noise_tau], [of.cls, 1152, 768, 0])
      assert.deepStrictEqual([decoder.image_mean, decoder.image_std], [encoder.image_mean, encoder.image_std])
      return `${name}: ${encoder.model_type} ${encoder.hidden_size}/${encoder.patch_size}, trained at ${encoder.image_size}, eps ${encoder.layer_norm_eps}, mean ${encoder.image_mean[0]}, pictures of ${data.image_size}`
    }))
    assert.deepStrictEqual(seen, [
      "DINOv2-B: dinov2_with_registers 768/14, trained at 518, eps 0.000001, mean 0.485, pictures of 256",
      "DINOv2-B_512: dinov2_with_registers 768/14, trained at 518, eps 0.000001, mean 0.485, pictures of 512",
      "MAE: vit_mae 768/16, trained at 224, eps 1e-12, mean 0.485, pictures of 256",
      "SigLIP2: siglip_vision_model 768/16, trained at 256, eps 0.000001, mean 0.5, pictures of 256"
    ])
  })

  it("of training loads whole, and says what some keys cannot mean", async () => {
    const config = await configOf(training)
    const { gan: { disc, loss }, training: trained } = config
    assert.deepStrictEqual([trained.epochs, trained.global_batch_size, trained.batch_size, trained.ema_decay, trained.clip_grad, trained.sample_every], [16, 512, 16, 0.9978, 0, 2500])
    assert.deepStrictEqual([trained.scheduler, disc.scheduler].map(({ type, base_lr, final_lr, warmup_epochs, decay_end_epoch, warmup_from_zero }) => [type, base_lr, final_lr, warmup_epochs, decay_end_epoch, warmup_from_zero]),
      [["cosine", 2e-4, 2e-5, 1, 16, true], ["cosine", 2e-4, 2e-5, 1, 16, true]])
    assert.deepStrictEqual([loss.disc_start, loss.disc_upd_start, loss.lpips_start, loss.disc_weight, disc.arch.key_depths], [8, 6, 0, 0.75, [2, 5, 8, 11]])
    assert.deepStrictEqual(notesOn([config, config]).map(({ key }) => key), ["eval.eval_model", "eval.reference_npz_path", "training.sample_every"])
    assert.deepStrictEqual(notesOn([await configOf(pretrained(published.MAE))]), [])
  })

  it("that describe no training are not trained", async () => {
    const error = await Effect.runPromise(Effect.flip(requireInputs(await load(pretrained(published.MAE), { data: root, randomWeights: true }))))
    assert.match(error.message, /no `training` block/)
  })

  it("name every file by its published name", async () => {
    const paths = (await Promise.all([training, pretrained(published.SigLIP2)].map((text) => configOf(text)))).map((config) =>
      requiredFiles(config).map(({ path }) => path.slice(path.lastIndexOf("/models/") + 8)))
    assert.deepStrictEqual(paths, [
      ["facebook/dinov2-with-registers-base/model.safetensors", "discs/dino_vit_small_patch8_224.pth", "lpips/vgg16-397923af.pth", "lpips/vgg.pth",
        "inception/pt_inception-2015-12-05-6726825d.pth"],
      ["google/siglip2-base-patch16-256/model.safetensors", "discs/dino_vit_small_patch8_224.pth", "lpips/vgg16-397923af.pth", "lpips/vgg.pth",
        "decoders/siglip2/base_p16_i256/ViTXL_n08/model.pt", "stats/siglip2/base_p16_i256/ImageNet1k/stat.pt"]
    ])
  })
})

describe("files of the Hub", () => {
  const sizes = (width: number) => `{ "model_type": "vit_mae", "hidden_size": ${width}, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96, "image_size": 64, "patch_size": 16, "layer_norm_eps": 1e-12 }`
  const own = (name: string) => pretrained({ ...published.MAE, config: name, params: `{ model_name: ${name} }` })

  it("are found in its cache: the snapshot of the main branch, with its preprocessing and weights", async () => {
    const repo = "hf/hub/models--someone--own-mae"
    write(`${repo}/refs/main`, "bbb")
    write(`${repo}/snapshots/aaa/config.json`, sizes(32))
    write(`${repo}/snapshots/bbb/config.json`, sizes(48))
    write(`${repo}/snapshots/bbb/preprocessor_config.json`, `{ "do_resize": true, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6] }`)
    write(`${repo}/snapshots/bbb/pytorch_model.bin`)
    const config = await configOf(own("someone/own-mae"))
    assert.deepStrictEqual([config.architecture.encoder.hidden_size, config.architecture.encoder.image_mean], [48, [0.1, 0.2, 0.3]])
    assert.strictEqual(requiredFiles(config)[0]!.path, join(root, repo, "snapshots/bbb/pytorch_model.bin"))
    write(`${repo}/snapshots/bbb/model.safetensors.index.json`)
    assert.strictEqual(requiredFiles(config)[0]!.path, join(root, repo, "snapshots/bbb/model.safetensors.index.json"))
  })

  it("are found under --models-dir, by Hub name and by published path", async () => {
    write("elsewhere/someone/mae/config.json", sizes(64))
    const decoder = write(`elsewhere/decoders/${published.MAE.decoder}/model.pt`)
    const config = await configOf(own("someone/mae"), { sets: [`weights.models_dir=${join(root, "elsewhere")}`] })
    assert.strictEqual(config.architecture.encoder.hidden_size, 64)
    assert.strictEqual(requiredFiles(config).find(({ what }) => what === "decoder weights")!.path, decoder)
    assert.strictEqual(requiredFiles(config)[0]!.path, join(root, "elsewhere/someone/mae/model.safetensors"))
  })

  it("of another kind than the class reads, or that are not there, are refused", async () => {
    write("hf/hub/models--someone--text/snapshots/a/config.json", `{ "model_type": "bert", "hidden_size": 8 }`)
    assert.match(await problem(own("someone/text")), /`model_type` is "bert", but `encoder_cls: MAEwNorm` reads `vit_mae`/)
    assert.match(await problem(own("../../etc")), /no config\.json for `\.\.\/\.\.\/etc`/)
    assert.match(await problem(own("someone/nothing")), /no config\.json for `someone\/nothing`[^]*--models-dir/)
    write("hf/hub/models--someone--odd/snapshots/a/config.json", sizes(32))
    write("hf/hub/models--someone--odd/snapshots/a/preprocessor_config.json", `{ "image_mean": [1], "image_std": "no" }`)
    assert.match(await problem(own("someone/odd")), /expected `image_mean` and `image_std`, three numbers each/)
  })

  it("arguments of another class are refused", async () => {
    assert.match(await problem(pretrained({ ...published.MAE, params: "{ model_name: facebook/vit-mae-base, dinov2_path: x }" })), /`MAEwNorm` takes `model_name`, not `dinov2_path`/)
    assert.match(await problem(pretrained({ ...published["DINOv2-B"], params: "{ num_tokens: 256 }" })), /`Dinov2withNorm` takes no `num_tokens`/)
    assert.strictEqual((await configOf(pretrained({ ...published.SigLIP2, params: "{ model_name: google/siglip2-base-patch16-256, num_tokens: 256 }" }))).architecture.encoder.patch_size, 16)
  })
})
