/** File systems of a few MiB that can be made to fail for real: ext4 in a file, on a loop device. Needs root. */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"

export interface Disk extends Disposable {
  readonly path: string
  /** Unmounts and mounts it again, as after a reboot. */
  readonly mountAgain: () => void
  /** An error that the file system finds in itself: it turns read-only. */
  readonly failInside: () => void
  /** The file system stops at once, without flushing its log: power loss to what lies on it, EIO to whoever uses it. */
  readonly stop: () => void
}

const run = (command: string, ...words: ReadonlyArray<string>) => void execFileSync(command, words, { stdio: "pipe" })

/** FS_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH. Node has no ioctl; every Debian has Perl. */
const stopProgram = 'open(my $dir, "<", $ARGV[0]) or die "open: $!"; my $flags = pack("L", 2); ioctl($dir, 0x8004587d, $flags) or die "ioctl: $!"'

const deviceOf = (path: string): string => {
  const line = readFileSync("/proc/mounts", "utf8").split("\n").find((mount) => mount.split(" ")[1] === path)
  if (line === undefined) throw new Error(`${path} is not mounted`)
  return basename(line.split(" ")[0]!)
}

/** `backedBy`: bytes of the tmpfs that holds the image; fewer than the image, and the disk fails when it is written, not when it is asked. */
export const ext4Disk = ({ bytes, backedBy }: { readonly bytes: number; readonly backedBy?: number }): Disk => {
  const root = mkdtempSync(join(tmpdir(), "rae-ext4-"))
  const image = join(root, "backing", "image")
  const path = join(root, "disk")
  for (const directory of [join(root, "backing"), path]) mkdirSync(directory)
  const mount = () => run("mount", "-o", "loop,errors=remount-ro", image, path)
  const umount = (at: string) => {
    try {
      run("umount", at)
    } catch {
      // not mounted
    }
  }
  const dispose = () => {
    umount(path)
    umount(join(root, "backing"))
    rmSync(root, { recursive: true, force: true })
  }
  try {
    if (backedBy !== undefined) run("mount", "-t", "tmpfs", "-o", `size=${backedBy}`, "tmpfs", join(root, "backing"))
    writeFileSync(image, "")
    truncateSync(image, bytes)
    run("mkfs.ext4", "-q", "-F", "-m", "0", image)
    mount()
  } catch (error) {
    dispose()
    throw error
  }
  return {
    path,
    mountAgain: () => {
      run("umount", path)
      mount()
    },
    failInside: () => writeFileSync(`/sys/fs/ext4/${deviceOf(path)}/trigger_fs_error`, "test"),
    stop: () => run("perl", "-e", stopProgram, path),
    [Symbol.dispose]: dispose
  }
}

/** Why there can be no such disk here; null where there can. */
export const whyNoDisk = (): string | null => {
  try {
    using disk = ext4Disk({ bytes: 16 * 2 ** 20 })
    disk.stop()
    return null
  } catch (error) {
    return error instanceof Error ? error.message.trim().split("\n").slice(0, 2).join(" ") : String(error)
  }
}
