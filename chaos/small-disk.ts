/** A real file system of a few MiB, where this machine lets us mount one, and a neighbour who fills it. */
import { execFileSync } from "node:child_process"
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs"
import { join } from "node:path"

export interface SmallDisk {
  readonly path: string
  /** Takes all space but `leave` bytes, and, where `keeps`, whatever is freed as well; until `release`. */
  readonly fill: (leave: number, keeps: boolean) => void
  readonly release: () => void
  readonly unmount: () => void
}

const mounted = new Set<string>()

const unmountPath = (path: string): void => {
  execFileSync("umount", ["-l", path], { stdio: "pipe" })
  mounted.delete(path)
}

/** Whatever is still mounted: for the end of the process, that passes over every `finally`. */
export const unmountAll = (): void => {
  for (const path of mounted) {
    try {
      unmountPath(path)
    } catch (error) {
      process.stderr.write(`${path} is still mounted: ${error instanceof Error ? error.message : String(error)}\n`)
    }
  }
}

const pieceBytes = 64 * 1024
const refillMillis = 20

const freeAt = (path: string): number => {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/** The disk, mounted at `path`, or why there is none. */
export const mountSmallDisk = (path: string, bytes: number): SmallDisk | string => {
  mkdirSync(path, { recursive: true })
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${Math.ceil(bytes)}`, "tmpfs", path], { stdio: "pipe" })
  } catch (error) {
    return error instanceof Error ? error.message.split("\n").slice(0, 2).join(" ") : String(error)
  }
  mounted.add(path)
  const balloon = join(path, "balloon")
  let timer: NodeJS.Timeout | undefined
  const inflate = (leave: number) => {
    const file = openSync(balloon, "a")
    try {
      for (let room = freeAt(path) - leave; room > 0; room = freeAt(path) - leave) writeSync(file, Buffer.alloc(Math.min(room, pieceBytes)))
    } catch {
      // full to the last byte: another writer was faster
    } finally {
      closeSync(file)
    }
  }
  const release = () => {
    clearInterval(timer)
    rmSync(balloon, { force: true })
  }
  return {
    path,
    fill: (leave, keeps) => {
      inflate(leave)
      if (keeps) timer = setInterval(() => inflate(leave), refillMillis)
    },
    release,
    unmount: () => {
      release()
      unmountPath(path)
    }
  }
}

/** Null where small disks can be mounted here, else why not. */
export const whyNoDisk = (dir: string): string | null => {
  const disk = mountSmallDisk(join(dir, "mount-probe"), 2 ** 20)
  if (typeof disk === "string") return disk
  disk.unmount()
  rmSync(disk.path, { recursive: true })
  return null
}
