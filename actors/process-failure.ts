/** Errors of a process that computes for a command, as data: what the command says, and what it exits with. */
import { CheckpointDamaged, DiskFull, WriteFailed } from "../src/checkpoint/storage-errors.ts"
import { DataFolderInvalid } from "../src/data/image-folder.ts"
import { InvalidWeights } from "../src/models/check-weights.ts"
import { TensorError } from "../src/tensor/errors.ts"

export interface ProcessFailure {
  /** What `rae explain` knows it by; null for a bug. */
  readonly tag: string | null
  readonly message: string
  readonly help: string | null
  readonly exitCode: number
}

/** Input that cannot be used, or an output that is in the way. */
export class Refused extends Error {
  readonly help: string
  constructor(message: string, help: string) {
    super(message)
    this.help = help
  }
}

const wrongInput = (tag: string, { message }: Error, help: string | null): ProcessFailure => ({ tag, message, help, exitCode: 2 })
const otherFile = "give the published file of this size, or a config of the sizes that the file has"

const ofTensorError = (cause: TensorError): ProcessFailure => {
  switch (cause.code) {
    case "no_device": return wrongInput("NoDevice", cause, "use --device cpu; `rae doctor` says what a GPU lacks")
    case "io": case "invalid": return wrongInput("InvalidWeights", cause, "fetch the file again; it must be a whole file of weights, safetensors or PyTorch")
    case "out_of_memory": return { tag: "OutOfMemory", message: cause.message, help: "fewer images at a time need less: --batch", exitCode: 1 }
    default: return { tag: "TensorError", message: `${cause.op}: ${cause.message}`, help: null, exitCode: 1 }
  }
}

export const failureOf = (cause: unknown): ProcessFailure => {
  if (cause instanceof Refused) return wrongInput("UsageError", cause, cause.help)
  if (cause instanceof DataFolderInvalid) return wrongInput("DataFolderInvalid", cause, cause.help)
  if (cause instanceof InvalidWeights) return wrongInput("InvalidWeights", cause, otherFile)
  if (cause instanceof CheckpointDamaged) return wrongInput("CheckpointDamaged", cause, "`rae ckpt verify` looks at all of them; --step N takes another")
  if (cause instanceof DiskFull) return { tag: "DiskFull", message: cause.message, help: "make room; the same command goes on from where it was", exitCode: 1 }
  if (cause instanceof WriteFailed) return { tag: "WriteFailed", message: cause.message, help: "the same command goes on from where it was", exitCode: 1 }
  if (cause instanceof TensorError) return ofTensorError(cause)
  if ((process.env["RAE_DEBUG"] ?? "") !== "" && cause instanceof Error) process.stderr.write(`${cause.stack}\n`)
  return { tag: null, message: cause instanceof Error ? cause.message : String(cause), help: null, exitCode: 1 }
}
