/** Errors, exit codes, signals and faults, each with its cause and its cure: what `rae explain` prints. */
import { faults } from "../../actors/rehearsed-faults.ts"

export interface Explanation {
  readonly title: string
  readonly cause: string
  readonly cure: string
}

/** By the error's name, as it stands in events (`error=DiskFull`) and after `rae explain`. */
export const errors: Readonly<Record<string, Explanation>> = {
  UsageError: {
    title: "the command line cannot be carried out as it was typed",
    cause: "A command, flag or value that there is not, or one that does not fit. Nothing was started.",
    cure: "`rae COMMAND --help` shows what it takes, with examples."
  },
  ConfigInvalid: {
    title: "the config cannot run",
    cause: "A key that there is not, a value of another type or out of range, or a file that is missing. The message points to file, line and column.",
    cure: "docs/configs.md lists every key. `rae check CONFIG` looks again without starting anything; missing pretrained files are named with their source, and --random-weights tries the run without them."
  },
  ConfigChanged: {
    title: "the config differs from the one that this run was begun with",
    cause: "A run goes on under its own name only with the config it has: the first half of it would be another run's.",
    cure: "Give the new one another --name; or undo the change; or start anew with --fresh, which moves the old run aside."
  },
  ProcessFailed: {
    title: "the process that computes for a command ended before it was done",
    cause: "`stats`, `reconstruct`, `eval` and the import of training states compute in a process of their own, which was killed or crashed; its last words stand in the message.",
    cure: "The same command again goes on where its folder says how far it came. A crash that comes again is a fault of rae, its addon or libtorch: `rae doctor` looks at the machine."
  },
  InvalidWeights: {
    title: "weights do not fit the model",
    cause: "A file has other tensors, shapes or dtypes than the config's sizes ask for, or is no whole safetensors file.",
    cure: "Fetch the published file of that size again, or set the sizes that the file has."
  },
  DataFolderInvalid: {
    title: "a folder of images cannot be used",
    cause: "It is missing, not a folder, unreadable, empty, or has no file with an image's extension.",
    cure: "As for InvalidImages."
  },
  InvalidImages: {
    title: "the folder of images cannot be used",
    cause: "It is missing, not a folder, unreadable, or has no images that can be decoded.",
    cure: "Give a folder of class folders of images, or a folder of images, with --data DIR."
  },
  InvalidData: {
    title: "the images cannot be trained on",
    cause: "Too few of them for one batch, or the folder changed between the check and the start.",
    cure: "Add images, or lower training.global_batch_size; every tenth image is held out unless eval.data_path names others."
  },
  TooManyCorrupt: {
    title: "too many images are unreadable",
    cause: "More than data.max_corrupt images could not be decoded. Each is in the event log with its reason: rae events --type data.image_replaced.",
    cure: "Repair or remove them, or raise data.max_corrupt; unreadable ones are replaced, always by the same image."
  },
  NoDevice: {
    title: "the device cannot be used",
    cause: "A GPU was asked for where there is none, or the addon was built against a libtorch without CUDA.",
    cure: "Use --device cpu, or LIBTORCH=DIR scripts/setup with a libtorch that has CUDA. `rae doctor` shows both."
  },
  InvalidDevice: {
    title: "no such device",
    cause: "Devices are `cpu`, `cuda` and `cuda:N`.",
    cure: "Name one of them."
  },
  RunInUse: {
    title: "another process trains this run",
    cause: "A run has one supervisor. The lock is the kernel's and ends with its process: it is never stale.",
    cure: "`rae status` shows that run, `rae stop` ends it. On a network file system, look on the other machines too."
  },
  LockFailed: {
    title: "the run's directory cannot be locked",
    cause: "The file system refuses locks (some network file systems do), or the directory is not writable.",
    cure: "Choose another place with --runs-dir or RAE_RUNS_DIR."
  },
  RunDirUnusable: {
    title: "the run's directory cannot be made or moved",
    cause: "No permission, a read-only or full file system, or a file of that name.",
    cure: "Choose another place with --runs-dir or RAE_RUNS_DIR."
  },
  RunJsonInvalid: {
    title: "run.json cannot be read",
    cause: "It was changed by hand, or written by a later version.",
    cure: "Move the run's directory aside, or start anew with --fresh. Its checkpoints stay readable: rae ckpt ls DIR."
  },
  DiskTooSmall: {
    title: "there is no room for one checkpoint",
    cause: "Found before the first step: what a checkpoint takes is known exactly.",
    cure: "Free space, or choose another place with --runs-dir."
  },
  DiskFull: {
    title: "a file could not be written: no space, or over quota",
    cause: "ENOSPC or EDQUOT. Training goes on; the state stays in memory and is written again, after cached latents and expired checkpoints gave way.",
    cure: "Free space: saving goes on by itself. `rae ckpt prune`, `rae runs prune` and checkpoint.fallback_dir help; checkpoint.max_unsaved_steps bounds what could be lost."
  },
  WriteFailed: {
    title: "a file could not be read or written",
    cause: "EIO, EROFS, EACCES or another refusal of the disk. As with a full disk, the state stays in memory and is tried again.",
    cure: "Look at the disk (dmesg, df, mount). A file system that was remounted read-only needs repair; the run goes on when it is writable again."
  },
  CheckpointDamaged: {
    title: "a checkpoint is not what its manifest says",
    cause: "A flipped bit, a truncation or a missing file. It is moved to checkpoints/quarantine and the one before is taken; an altered checkpoint is never loaded.",
    cure: "`rae ckpt verify` shows what is wrong where. With no whole one left, start anew with --fresh. Look at the disk's health."
  },
  CheckpointForeign: {
    title: "a checkpoint belongs to a run of another config",
    cause: "It was copied there, or checkpoint.fallback_dir is shared with another run of the same path.",
    cure: "Move it away, or give this run another --name."
  },
  NoTrainingState: {
    title: "a file is no training state of this config",
    cause: "`rae ckpt import` compares every name, shape and dtype, and the numbering of the optimisers' parameters, with what the config trains, before anything is made.",
    cure: "Give the config that it was trained with. A decoder alone goes into `stage_1.params.pretrained_decoder_path`."
  },
  FileUnreadable: {
    title: "a file is not what PyTorch saves, or damaged",
    cause: "It is cut short, another format, or its numbers do not have the checksum that its writer gave.",
    cure: "Copy it again from where it was saved."
  },
  RunIsThere: {
    title: "a run of that name is there already",
    cause: "`rae ckpt import` makes a run, it changes none.",
    cure: "Give it another --name, or remove the old one: rae runs prune."
  },
  CheckpointNotFound: {
    title: "no checkpoint there",
    cause: "The name or path is no run, study or checkpoint, or the run has saved nothing yet.",
    cure: "`rae runs` lists runs, `rae ckpt ls RUN` their checkpoints."
  },
  NoSuchRun: {
    title: "no such run",
    cause: "There is no directory of that name with a run.json in the runs' directory.",
    cure: "`rae runs` lists them; --runs-dir or RAE_RUNS_DIR say where they are."
  },
  NotRunning: {
    title: "nobody answers for this run",
    cause: "Its process has ended. What it left is on disk: `rae status` says how it ended.",
    cure: "`rae run` with its config goes on from the last checkpoint."
  },
  NoAnswer: {
    title: "the run does not answer in time",
    cause: "Its supervisor is stopped (Ctrl-Z, SIGSTOP), or the machine is overloaded.",
    cure: "`kill -CONT PID`, then ask again; the pid is in `rae events --type signal.received` and in the first line of the run."
  },
  Refused: {
    title: "the run refuses the request",
    cause: "It is not possible in its state, or its config does not allow it; the message says which.",
    cure: "As the message says."
  },
  ControlFailed: {
    title: "the run cannot be asked",
    cause: "Its control socket could not be opened: another user's file in the way, or a file system without sockets.",
    cure: "It trains all the same. For `rae status`, choose another place with --runs-dir."
  },
  TooManyRestarts: {
    title: "restarts did not help",
    cause: "More than supervision.max_restarts failures within supervision.within_seconds. Exit code 5.",
    cure: "`rae events --level warn` shows each with its reason; `rae run` goes on from the last checkpoint once the cause is gone."
  },
  NoProgress: {
    title: "the same failure came again and again without a newer checkpoint",
    cause: "supervision.max_without_progress restarts led nowhere: a step, an image or a file that kills the engine every time. Exit code 5.",
    cure: "The last events before each restart name the step and the last words of the engine: rae events --level warn."
  },
  Escalated: {
    title: "a failure that no restart cures",
    cause: "Its type says so: input that is wrong, or images beyond repair.",
    cure: "The cause below it has the details."
  },
  Diverged: {
    title: "training leads nowhere",
    cause: "More than divergence.max_skipped steps in a row were not finite, or a guard of adversarial training held and the config lets it stop the run. Exit code 6.",
    cure: "`rae events --type 'train.*' --level warn` shows since when. A lower learning rate, a lower gan.loss.disc_weight or max_d_weight, a later disc_start; then go on from a checkpoint before it, or with --fresh."
  },
  StopTookTooLong: {
    title: "the run was stopped, and its last state is not saved",
    cause: "Finishing the step and saving took longer than supervision.stop_seconds: a slow or full disk, or a very long step.",
    cure: "The same command goes on from the newest checkpoint. A higher supervision.stop_seconds gives a stop more time."
  },
  OutOfMemory: {
    title: "memory did not suffice for a step",
    cause: "The same batch was done again in fewer images at a time, with the same gradients but for rounding; one image at a time was still too much.",
    cure: "A smaller model or image size, or more memory: `rae check` says what weights and optimiser take, without activations."
  },
  TrainingFailed: {
    title: "training ended with an error of the engine",
    cause: "Actors were restarted, and it came again. The kind is in the message: defect, out_of_memory, TooManyCorrupt.",
    cure: "For out_of_memory lower training.batch_size (micro-batches; the gradients stay the same). Else `rae events --level warn`."
  },
  ChildExited: {
    title: "the engine's process ended",
    cause: "SIGKILL: the kernel's out-of-memory killer (dmesg says so) or somebody. SIGSEGV, SIGABRT, SIGBUS: native code. It is started again from the last checkpoint.",
    cure: "Nothing, if it is rare. With SIGKILL: less memory (training.batch_size). With SIGSEGV again and again: `rae doctor`, another libtorch."
  },
  ChildHung: {
    title: "the engine gave no sign of life",
    cause: "Stopped, or in one native operation for longer than supervision.hang_seconds. It is killed and started again from the last checkpoint.",
    cure: "If it was only slow: raise supervision.hang_seconds."
  },
  ActorDown: {
    title: "an actor went down while it was asked",
    cause: "It threw; its supervisor starts it again, alone or with those whose state belongs to its own.",
    cure: "Nothing, if it is rare; `rae events --type supervisor.child_down` has the reason."
  },
  SnapshotNotWritten: {
    title: "the engine could not write its state",
    cause: "The disk refused; see DiskFull and WriteFailed. The state stays in memory.",
    cure: "As for DiskFull."
  },
  RunFailed: {
    title: "the supervisor could not carry the run on",
    cause: "The reason in the message. What was committed stays.",
    cure: "Once the cause is gone, `rae run` goes on from the last checkpoint."
  },
  Interrupted: {
    title: "a signal came before training began",
    cause: "Nothing had been made that could be saved.",
    cure: "Start it again."
  },
  SizesUnknown: {
    title: "the sizes of a config's networks cannot be found out",
    cause: "`rae check` asks the models in a process of its own, and the addon or the libtorch below it does not load there.",
    cure: "`rae doctor` shows what is wrong with it."
  },
  EventLogFailed: {
    title: "the event log cannot be opened",
    cause: "The disk or its permissions refuse.",
    cure: "Choose another place with --runs-dir or RAE_RUNS_DIR."
  },
  InvalidSafetensors: {
    title: "not a safetensors file",
    cause: "The header is absurd, truncated or contradicts the file's size. Nothing of it was read.",
    cure: "Fetch the file again."
  }
}

export interface Topic {
  readonly title: string
  readonly lines: ReadonlyArray<readonly [string, string]>
}

export const topics: Readonly<Record<string, Topic>> = {
  "exit-codes": {
    title: "what a command's exit code says",
    lines: [
      ["0", "done; for `rae status`: running; for `--stop-after`: stopped as asked"],
      ["1", "failed; for `rae ckpt verify`: damage found; for `rae doctor`: something is broken"],
      ["2", "the command line, the config or the input is wrong; nothing was started"],
      ["3", "not running"],
      ["4", "no such run"],
      ["5", "gave up restarting: it failed too often, or again and again at the same place"],
      ["6", "diverged"],
      ["130, 143", "interrupted by SIGINT or SIGTERM, after saving"]
    ]
  },
  signals: {
    title: "what a run does about signals",
    lines: [
      ["SIGINT, SIGTERM", "once: finishes the step, saves, exits 130 or 143; twice: ends now, from the last checkpoint on"],
      ["SIGUSR1", "takes a checkpoint"],
      ["SIGHUP", "goes on: a closed terminal does not end a run"],
      ["SIGKILL", "the engine ends with it; `rae run` goes on from the last checkpoint"]
    ]
  },
  faults: { title: "what `rae inject` can do to a run whose config has supervision.allow_inject", lines: Object.entries(faults) },
  environment: {
    title: "environment variables",
    lines: [
      ["RAE_RUNS_DIR", "where runs are kept, else ./runs"],
      ["XDG_CACHE_HOME", "the cache of latents and of compiled code lie in rae/ below it, else in ~/.cache/rae"],
      ["NO_COLOR", "no colours"],
      ["RAE_DEBUG", "show where an error comes from"],
      ["LIBTORCH", "which libtorch the addon was built against"],
      ["OMP_NUM_THREADS, OPENBLAS_NUM_THREADS", "threads of the engine, else one a core; recorded, as they decide bits"],
      ["RAE_FAULT, RAE_FAILPOINT", "faults for tests"]
    ]
  },
  files: {
    title: "what lies in a run's directory",
    lines: [
      ["run.json", "what the run is, how far it is, whether it is done"],
      ["events/", "the event log, one JSON object a line"],
      ["checkpoints/step-N/", "manifest, decoder, moving average, discriminator, optimiser, place in the data"],
      ["checkpoints/quarantine/", "damaged checkpoints, with the reason"],
      ["study.md, study.json", "the study's table"],
      ["control.sock", "where the live run answers its owner"],
      ["run.lock", "locked while a process trains the run"]
    ]
  }
}
