/** A real file system of a few MiB, where this machine lets us mount one. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface SmallDisk extends Disposable {
  readonly path: string
  /** Remounts it read-only, or writable again. */
  readonly readOnly: (on: boolean) => void
}

/** The disk, or why there is none. */
export const smallDisk = (bytes: number): SmallDisk | string => {
  const path = mkdtempSync(join(tmpdir(), "rae-small-disk-"))
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path], { stdio: "pipe" })
  } catch (error) {
    rmSync(path, { recursive: true })
    return error instanceof Error ? error.message.split("\n").slice(0, 2).join(" ") : String(error)
  }
  return {
    path,
    readOnly: (on) => void execFileSync("mount", ["-o", `remount,${on ? "ro" : "rw"}`, path]),
    [Symbol.dispose]: () => {
      execFileSync("umount", [path])
      rmSync(path, { recursive: true })
    }
  }
}
