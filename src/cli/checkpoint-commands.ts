/** `rae ckpt`: what is saved, whether it is whole, and what becomes of it. */
import { list, oneOf, text, toggle, whole, type Parsed } from "./arguments.ts"
import { command, givenRun, jsonFlag, oneRun, runsDir, type Group } from "./command.ts"

const flags = { json: jsonFlag, "runs-dir": runsDir }
const showFlags = { hash: toggle("one line a tensor: name, dtype, shape, hash"), ...flags }
const pinFlags = { step: whole("N", "of the checkpoint of this step (else the newest)", 0), remove: toggle("let it go the way of the others again"), ...flags }
const pruneFlags = { keep: whole("N", "newest checkpoints that stay (at least 2)", 2), yes: toggle("remove; without it, only say what would go"), ...flags }
const exportFlags = {
  step: whole("N", "of the checkpoint of this step (else the newest)", 0), live: toggle("the weights under training (else their moving average)"),
  to: oneOf(["safetensors", "pt", "hf", "training"], "the decoder: one file, PyTorch's (torch.load), or a directory with config.json (else safetensors); or all of the training state, as the PyTorch implementation saves it"),
  output: text("FILE", "where to write it (else NAME-step-N with the format's ending, here)", "o"), ...flags
}

const importFlags = {
  config: text("CONFIG", "what it was trained with (YAML); the PyTorch implementation's own config is one"), name: text("NAME", "of the run that is made (else the file's)"),
  data: text("DIR", "folder of class folders of images"), set: list("KEY=VALUE", "override one config key; may be repeated"), profile: oneOf(["tiny", "paper"], "size of the networks"),
  device: text("DEVICE", "cpu, cuda or cuda:N"), "random-weights": toggle("random frozen networks, for a trial"),
  "models-dir": text("DIR", "where pretrained files lie under their Hub names or published paths"), ...flags
}

export type CheckpointInput = Parsed<typeof flags>
export type ShowInput = Parsed<typeof showFlags>
export type PinInput = Parsed<typeof pinFlags>
export type PruneInput = Parsed<typeof pruneFlags>
export type ExportInput = Parsed<typeof exportFlags>
export type ImportInput = Parsed<typeof importFlags>

const read = () => import("./ckpt.ts")
const change = () => import("./ckpt-change.ts")

export const checkpointCommands: Group = {
  name: "ckpt",
  summary: "checkpoints: list, show, verify, save, pin, prune, export, import",
  commands: [
    command({
      name: "ls",
      summary: "list a run's checkpoints",
      operand: oneRun,
      flags,
      examples: [{ command: "rae ckpt ls photos", does: "every checkpoint of every variant" }],
      load: async () => (await read()).ls
    }),
    command({
      name: "show",
      summary: "what the newest checkpoint holds",
      operand: givenRun,
      flags: showFlags,
      examples: [{ command: "rae ckpt show photos --hash", does: "equal lines mean equal weights" }],
      load: async () => (await read()).show
    }),
    command({
      name: "verify",
      summary: "read every checkpoint and compare its hashes; exit 1 on damage",
      operand: oneRun,
      flags,
      examples: [{ command: "rae ckpt verify photos", does: "is everything as it was written?" }],
      load: async () => (await read()).verify
    }),
    command({
      name: "save",
      summary: "take a checkpoint of a live run now; waits until it is on the disk",
      operand: oneRun,
      flags,
      examples: [{ command: "rae ckpt save photos", does: "before something risky; a paused run saves too" }],
      load: async () => (await change()).save
    }),
    command({
      name: "pin",
      summary: "keep a checkpoint whatever is pruned",
      operand: oneRun,
      flags: pinFlags,
      examples: [
        { command: "rae ckpt pin photos --step 4500", does: "`rae ckpt ls` marks it" },
        { command: "rae ckpt pin photos --step 4500 --remove", does: "no longer" }
      ],
      load: async () => (await change()).pin
    }),
    command({
      name: "prune",
      summary: "remove old checkpoints of a run that does not train; pinned ones and the newest two stay",
      operand: oneRun,
      flags: pruneFlags,
      examples: [{ command: "rae ckpt prune photos --keep 2 --yes", does: "what is kept is verified first" }],
      load: async () => (await change()).prune
    }),
    command({
      name: "export",
      summary: "write a checkpoint's decoder, or its whole training state, for other programs",
      operand: oneRun,
      flags: exportFlags,
      examples: [
        { command: "rae ckpt export photos -o decoder.safetensors", does: "the moving average, as it is evaluated" },
        { command: "rae ckpt export photos --to pt -o model.pt", does: "the same, for `pretrained_decoder_path` of the PyTorch implementation" },
        { command: "rae ckpt export photos --to training -o ep-0000004.pt", does: "all of it: the PyTorch implementation resumes from it" }
      ],
      load: async () => (await import("./ckpt-export.ts")).exportCheckpoint
    }),
    command({
      name: "import",
      summary: "make a run of a training state of the PyTorch implementation: weights, average, optimisers, step",
      operand: { name: "FILE", help: "what it saved while it trained (ep-….pt)", required: true },
      flags: importFlags,
      examples: [{ command: "rae ckpt import ep-0000004.pt --config DINOv2-B_decXL.yaml --data DIR --name photos", does: "`rae run DINOv2-B_decXL.yaml --name photos` goes on from it" }],
      load: async () => (await import("./ckpt-import.ts")).importTraining
    })
  ]
}
