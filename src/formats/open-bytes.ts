/** A file on disk as a ByteSource. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import type { ByteSource } from "./byte-source.ts"

/** Errors: those of the file system; reading fails where the file has become shorter. */
export const openBytes = (path: string): ByteSource & Disposable => {
  const fd = openSync(path, "r")
  return {
    size: fstatSync(fd).size,
    read: (offset, length) => {
      const bytes = new Uint8Array(length)
      for (let done = 0; done < length;) {
        const got = readSync(fd, bytes, done, length - done, offset + done)
        if (got === 0) throw new Error(`${path}: ends at byte ${offset + done}, while it is read`)
        done += got
      }
      return bytes
    },
    [Symbol.dispose]: () => closeSync(fd)
  }
}
