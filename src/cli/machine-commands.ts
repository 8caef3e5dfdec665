/** Commands that need no run: is this config possible, is this machine in order, what does a word mean. */
import { list, oneOf, text, toggle, type Parsed } from "./arguments.ts"
import { command, jsonFlag, runsDir } from "./command.ts"

const checkFlags = {
  data: text("DIR", "folder of class folders of images"),
  name: text("NAME", "name of the run (else the config's)"),
  set: list("KEY=VALUE", "override one config key; may be repeated"),
  profile: oneOf(["tiny", "paper"], "size of the run (else paper where a GPU and the weights are there)"),
  device: text("DEVICE", "cpu or cuda:N"),
  "random-weights": toggle("random weights in place of missing pretrained ones"),
  "runs-dir": runsDir,
  json: jsonFlag
}
const doctorFlags = { "runs-dir": runsDir, json: jsonFlag }
const explainFlags = { json: jsonFlag }

export type CheckInput = Parsed<typeof checkFlags>
export type DoctorInput = Parsed<typeof doctorFlags>
export type ExplainInput = Parsed<typeof explainFlags>
export type CompletionInput = Parsed<Record<never, never>>

export const checkCommand = command({
  name: "check",
  summary: "what a config would train: sizes, memory, disk, missing files; starts nothing",
  operand: { name: "CONFIG", help: "a config file (YAML)", required: true },
  flags: checkFlags,
  examples: [
    { command: "rae check configs/base.yaml --profile paper --data photos", does: "is everything there for the published size?" },
    { command: "rae check study.yaml --set training.batch_size=4", does: "exit 2 says what is wrong, and where" }
  ],
  load: async () => (await import("./check.ts")).check
})

export const machineCommands = [
  command({
    name: "doctor",
    summary: "look the machine over: Node, addon, libtorch, BLAS, CUDA, memory, disk, limits",
    flags: doctorFlags,
    examples: [{ command: "rae doctor", does: "each line ok, warn or fail, and what to do; exit 1 if something is broken" }],
    load: async () => (await import("./doctor.ts")).doctor
  }),
  command({
    name: "explain",
    summary: "cause and cure of an error; exit codes, signals, files, faults, events",
    operand: { name: "CODE", help: "an error's name, an exit code, an event, or a topic; all of them if left out", required: false, completes: "topic" },
    flags: explainFlags,
    examples: [
      { command: "rae explain DiskFull", does: "what happens then, and what to do" },
      { command: "rae explain exit-codes", does: "for scripts" }
    ],
    load: async () => (await import("./explain.ts")).explain
  }),
  command({
    name: "completion",
    summary: "print what completes `rae` in a shell",
    operand: { name: "SHELL", help: "bash, zsh or fish", required: true, completes: "shell" },
    flags: {},
    examples: [
      { command: 'eval "$(rae completion bash)"', does: "in ~/.bashrc" },
      { command: 'eval "$(rae completion zsh)"', does: "in ~/.zshrc, after compinit" },
      { command: "rae completion fish > ~/.config/fish/completions/rae.fish", does: "once" }
    ],
    load: async () => (await import("./completion.ts")).completion
  })
] as const
