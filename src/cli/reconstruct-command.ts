/** `rae reconstruct`: what it takes. */
import { text, toggle, whole, type Parsed } from "./arguments.ts"
import { targetFlags } from "./autoencoder-flags.ts"
import { command, jsonFlag } from "./command.ts"

const flags = {
  output: text("DIR", "folder to write into: a PNG for each image, under its name below the folder of images", "o"),
  grid: text("FILE", "one picture too: original, reconstruction, difference (4 times as bright) of the first 16"),
  npz: text("FILE", "all pixels too, for FID programs: `arr_0`, uint8 [N,H,W,3], in the order of paths"),
  batch: whole("N", "images that are computed together (else 16)", 1),
  fresh: toggle("overwrite what an earlier call wrote"),
  ...targetFlags,
  json: jsonFlag
}
export type ReconstructInput = Parsed<typeof flags>

export const reconstructCommand = command({
  name: "reconstruct",
  summary: "images through encoder and decoder, to PNGs; goes on where it was interrupted",
  operand: { name: "CONFIG|RUN|CHECKPOINT IMAGES", help: "whose weights; then one folder of images, or image files", required: true, many: true },
  flags,
  examples: [
    { command: "rae reconstruct photos val -o out --npz out.npz", does: "the newest checkpoint's moving average, on every image of val/" },
    { command: "rae reconstruct photos a.jpg b.jpg -o out --grid compare.png", does: "to look at" },
    { command: "rae reconstruct published.yaml val -o out --models-dir models", does: "a published decoder; --random-weights where there is none yet" }
  ],
  load: async () => (await import("./reconstruct.ts")).reconstruct
})
