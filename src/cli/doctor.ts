/** `rae doctor`: looks the machine over, a line each, and says what to do. Nothing stays behind. */
import { randomBytes } from "node:crypto"
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, readFileSync, rmSync, statfsSync, writeSync } from "node:fs"
import { availableParallelism } from "node:os"
import { dirname, join, resolve } from "node:path"
import { probeMachine } from "../../actors/probe-machine.ts"
import { availableMemory } from "./check.ts"
import { addonFindings, diskFindings, fail, limitFindings, nodeFinding, type Disk, type Finding, type Limits } from "./doctor-checks.ts"
import { layOut } from "../formats/text-table.ts"
import type { DoctorInput } from "./machine-commands.ts"
import { runsDirectory } from "./run-directory.ts"
import type { Style, Terminal } from "./terminal.ts"

const styles: Readonly<Record<Finding["state"], Style>> = { ok: "green", warn: "yellow", fail: "red" }

/** The limits of this process, which its children inherit; null: none. */
const limitOf = (limits: string, name: string): number | null => {
  const soft = new RegExp(`^${name}\\s+(\\S+)`, "m").exec(limits)?.[1]
  return soft === undefined || soft === "unlimited" ? null : Number(soft)
}
const readLimits = (): Limits => {
  const limits = existsSync("/proc/self/limits") ? readFileSync("/proc/self/limits", "utf8") : ""
  return { openFiles: limitOf(limits, "Max open files"), fileBytes: limitOf(limits, "Max file size"), memory: availableMemory() }
}

/** The type of the mounted file system that a path lies on; null where the kernel does not tell. */
const fileSystem = (path: string): string | null => {
  if (!existsSync("/proc/mounts")) return null
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n").map((line) => line.split(" "))
  const above = mounts.filter(([, at = ""]) => at === "/" || path === at || path.startsWith(`${at}/`))
  return above.toSorted(([, a = ""], [, b = ""]) => b.length - a.length)[0]?.[2] ?? null
}

const writtenBytes = 32 * 2 ** 20
const smallWrites = 5

/** Writes a file where runs would lie, times it, removes it. */
const measureDisk = (directory: string): Disk => {
  let path = resolve(directory)
  while (!existsSync(path)) path = dirname(path)
  const { bavail, bsize } = statfsSync(path)
  const file = join(path, `.rae-doctor-${randomBytes(4).toString("hex")}`)
  const fd = openSync(file, "wx", 0o600)
  try {
    const bytes = randomBytes(2 ** 20) // zeros would be stored as nothing by some
    const started = performance.now()
    for (let at = 0; at < writtenBytes; at += bytes.length) writeSync(fd, bytes)
    fsyncSync(fd)
    const seconds = (performance.now() - started) / 1000
    const small = Array.from({ length: smallWrites }, () => {
      const began = performance.now()
      writeSync(fd, bytes, 0, 4096)
      fsyncSync(fd)
      return (performance.now() - began) / 1000
    })
    return { path, type: fileSystem(path), free: bavail * bsize, bytesPerSecond: writtenBytes / seconds, fsyncSeconds: small.toSorted((a, b) => a - b)[smallWrites >> 1] ?? 0 }
  } finally {
    closeSync(fd)
    rmSync(file, { force: true })
  }
}

const diskOrFailure = (directory: string): ReadonlyArray<Finding> => {
  try {
    return diskFindings(measureDisk(directory))
  } catch (error) {
    return [fail("disk", `cannot write where runs would lie: ${error instanceof Error ? error.message : String(error)}`, "--runs-dir DIR or RAE_RUNS_DIR chooses another place")]
  }
}

const hasGpu = (): boolean => existsSync("/dev/nvidiactl") || (existsSync("/dev") && readdirSync("/dev").some((name) => /^nvidia\d+$/.test(name)))

export const doctor = async ({ values }: DoctorInput, terminal: Terminal): Promise<number> => {
  // One after the other: the disk's speed is not to be measured beside a product of matrices.
  const disk = diskOrFailure(runsDirectory(values["runs-dir"]))
  const probed = await probeMachine()
  const findings = [nodeFinding(process.version), ...addonFindings(probed, availableParallelism(), hasGpu()), ...limitFindings(readLimits()), ...disk]
  const broken = findings.filter(({ state }) => state === "fail").length
  if (values.json) terminal.out(JSON.stringify({ schema: 1, ok: broken === 0, findings }))
  else {
    const rows = findings.flatMap(({ detail, help, name, state }) => {
      const found = [terminal.paintOut(styles[state], state), name, detail]
      return help === null ? [found] : [found, ["", "", `= help: ${help}`]]
    })
    for (const line of layOut([{ title: "" }, { title: "" }, { title: "", least: 20 }], rows, terminal.outColumns()).slice(1)) terminal.out(line)
  }
  return broken === 0 ? 0 : 1
}
