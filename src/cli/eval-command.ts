/** `rae eval`: what it takes. */
import { text, whole, type Parsed } from "./arguments.ts"
import { targetFlags } from "./autoencoder-flags.ts"
import { command, jsonFlag } from "./command.ts"

const flags = {
  data: text("DIR", "folder of images (else the config's eval.data_path)"),
  metrics: text("LIST", "of psnr, ssim, lpips, rfid, with commas between (else the config's eval.metrics)"),
  reference: text("DIR|FILE", "what rfid compares with: a folder, an npz of images (arr_0) or of moments (mu, sigma); else the images themselves"),
  "save-moments": text("FILE", "write the moments that rfid compares with, as an npz for --reference"),
  inception: text("FILE", "weights of rfid's Inception network (else by its published name, see docs/weights.md)"),
  images: whole("N", "the first N images by path alone", 1),
  batch: whole("N", "images that are computed together (else 16)", 1),
  ...targetFlags,
  json: jsonFlag
}
export type EvalInput = Parsed<typeof flags>

export const evalCommand = command({
  name: "eval",
  summary: "how near reconstructions are to their images: PSNR, SSIM, LPIPS, rFID",
  operand: { name: "CONFIG|RUN|CHECKPOINT", help: "whose encoder and decoder", required: true, completes: "run" },
  flags,
  examples: [
    { command: "rae eval photos --data val --metrics psnr,ssim,lpips,rfid", does: "the newest checkpoint's moving average, on every image of val/" },
    { command: "rae eval photos --data val --metrics rfid --reference val_256.npz --json", does: "against a published reference" },
    { command: "rae eval published.yaml --data val --images 1000 --models-dir models", does: "a published decoder, on a thousand images" }
  ],
  load: async () => (await import("./eval.ts")).evaluate
})
