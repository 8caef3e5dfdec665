/** What `rae doctor` finds out, a line each: pure from facts to findings, so that a test can give it any machine. */
import type { Probed } from "../../actors/probe-machine.ts"
import { count, size } from "./quantities.ts"

export interface Finding {
  readonly name: string
  readonly state: "ok" | "warn" | "fail"
  readonly detail: string
  /** What to do about it; null where there is nothing to do. */
  readonly help: string | null
}

export const ok = (name: string, detail: string): Finding => ({ name, state: "ok", detail, help: null })
export const warn = (name: string, detail: string, help: string): Finding => ({ name, state: "warn", detail, help })
export const fail = (name: string, detail: string, help: string): Finding => ({ name, state: "fail", detail, help })

const leastNode = 24
export const nodeFinding = (version: string): Finding => {
  const major = Number(version.replace(/^v/, "").split(".")[0])
  return major >= leastNode ? ok("node", version) : fail("node", `${version}, expected ${leastNode} or newer`, "run scripts/setup; bin/rae takes the Node in node_modules")
}

/** Twice the reference BLAS; a busy machine with an optimised one is still above it. */
const leastGflops = 10

export const addonFindings = (probed: Probed, cores: number, hasGpu: boolean): ReadonlyArray<Finding> => {
  if (!probed.ok) return [fail("addon", probed.reason, "run scripts/setup; if it was built, the libtorch below it is broken: LIBTORCH=DIR scripts/setup takes another")]
  const { environment, probe } = probed
  const threads = Number(environment["OMP_NUM_THREADS"])
  return [
    ok("addon", "loads"),
    probe.libraries.length === 1 ? ok("libtorch", `${probe.libtorch}, ${probe.libraries[0]}`)
      : fail("libtorch", `${probe.libraries.length} of them in one process: ${probe.libraries.join(", ")}`, "unset LD_PRELOAD and LD_LIBRARY_PATH"),
    probe.gflops >= leastGflops ? ok("blas", `${probe.blas[0] ?? "inside libtorch"}, ${count(Math.round(probe.gflops))} GFLOP/s in fp32`)
      : warn("blas", `${probe.blas[0] ?? "inside libtorch"}, ${probe.gflops.toFixed(1)} GFLOP/s in fp32: an unoptimised one, or a busy machine`, "apt-get install libopenblas0-openmp; update-alternatives --display libblas.so.3-x86_64-linux-gnu"),
    threads > cores ? warn("threads", `${threads} on ${cores} cores`, "unset OMP_NUM_THREADS: one a core is the fastest")
      : ok("threads", `${threads} on ${cores} core${cores === 1 ? "" : "s"}; ${Object.entries(environment).map(([name, value]) => `${name}=${value}`).join(" ")}`),
    probe.cuda ? ok("cuda", "a GPU can be used")
      : hasGpu ? warn("cuda", "there is a GPU, but this libtorch cannot use it", "LIBTORCH=DIR scripts/setup with a libtorch that has CUDA")
      : ok("cuda", "no GPU: runs train on the processor"),
    ok("images", `libvips ${probe.libvips}`)
  ]
}

/** The kernel's names for file systems whose files are gone with the machine's power. */
const inMemory: ReadonlySet<string> = new Set(["tmpfs", "ramfs"])
const overNetwork: ReadonlySet<string> = new Set(["nfs", "nfs4", "cifs", "smb3", "9p", "lustre", "fuse.sshfs"])

export interface Disk { readonly path: string; readonly type: string | null; readonly free: number; readonly bytesPerSecond: number; readonly fsyncSeconds: number }
const slowBytes = 30e6, slowFsync = 0.2, littleFree = 5e9

export const diskFindings = ({ bytesPerSecond, free, fsyncSeconds, path, type }: Disk): ReadonlyArray<Finding> => {
  const speed = `${size(bytesPerSecond)}/s with fsync, ${(fsyncSeconds * 1000).toFixed(1)} ms for a small one`
  return [
    free < littleFree ? warn("disk", `${size(free)} free in ${path}`, "`rae check CONFIG` says what a run needs; --runs-dir DIR chooses another place") : ok("disk", `${size(free)} free in ${path}`),
    bytesPerSecond < slowBytes || fsyncSeconds > slowFsync ? warn("disk speed", speed, "checkpoints take long; training does not wait for them, but a stop does") : ok("disk speed", speed),
    type !== null && inMemory.has(type) ? warn("file system", `${type}: gone when the machine stops`, "--runs-dir DIR chooses a place that lasts")
      : type !== null && overNetwork.has(type) ? warn("file system", `${type}: not every network file system keeps locks and fsync`, "one machine a run; --runs-dir DIR chooses a local place")
      : ok("file system", type ?? "unknown")
  ]
}

export interface Limits { readonly openFiles: number | null; readonly fileBytes: number | null; readonly memory: number | null }
const fewFiles = 512, littleMemory = 2e9

export const limitFindings = ({ fileBytes, memory, openFiles }: Limits): ReadonlyArray<Finding> => [
  memory === null ? ok("memory", "unknown") : memory < littleMemory ? warn("memory", `${size(memory)} available`, "`rae check CONFIG` says what a run needs") : ok("memory", `${size(memory)} available`),
  openFiles !== null && openFiles < fewFiles ? warn("open files", `at most ${openFiles}`, "ulimit -n 4096") : ok("open files", openFiles === null ? "no limit" : `at most ${count(openFiles)}`),
  fileBytes === null ? ok("file size", "no limit") : warn("file size", `at most ${size(fileBytes)}`, "ulimit -f unlimited: a checkpoint's files have gigabytes")
]
