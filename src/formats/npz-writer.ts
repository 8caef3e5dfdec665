/**
 * Writes numpy's npz archives piece by piece. The first dimension of an array is what has been appended: nobody has to know it before.
 *
 * The file has its name once it is complete and on the disk; until then its bytes are in `PATH.partial`.
 */
import { constants } from "node:fs"
import { type FileHandle, open, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { crc32 } from "node:zlib"
import { combineCrc32 } from "./crc32-combine.ts"
import { encodeNpyHeader, type NpyDtype, npyDtypes } from "./npy-header.ts"
import { localHeader, type StoredEntry, zipDirectory } from "./zip-records.ts"

const pieceBytes = 2 ** 20

interface OpenArray {
  readonly name: string
  readonly dtype: NpyDtype
  readonly itemShape: ReadonlyArray<number>
  readonly itemBytes: number
  readonly local: number
  /** Where its numbers begin. */
  readonly begin: number
}

/** Everything before an array's numbers; as long for any number of items. */
const headOf = ({ dtype, itemShape, name }: Pick<OpenArray, "dtype" | "itemShape" | "name">, items: number, bytes: number, crc: number) => {
  const header = encodeNpyHeader(dtype, [items, ...itemShape])
  const entry = { path: `${name}.npy`, size: header.length + bytes, crc32: combineCrc32(crc32(header), crc, bytes) }
  return { entry, head: Buffer.concat([localHeader(entry), header]) }
}

const writeAll = async (file: FileHandle, bytes: Uint8Array, at: number): Promise<void> => {
  for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}

const crcOf = async (file: FileHandle, begin: number, end: number): Promise<number> => {
  const piece = new Uint8Array(pieceBytes)
  let crc = 0
  for (let at = begin; at < end;) {
    const { bytesRead } = await file.read(piece, 0, Math.min(pieceBytes, end - at), at)
    if (bytesRead === 0) throw new Error(`ends at byte ${at}, while it is read`)
    crc = crc32(piece.subarray(0, bytesRead), crc)
    at += bytesRead
  }
  return crc
}

export class NpzWriter {
  readonly path: string
  readonly #partial: string
  readonly #file: FileHandle
  readonly #entries: Array<StoredEntry> = []
  #array: OpenArray | null = null
  #crc = 0
  #at = 0

  private constructor(path: string, partial: string, file: FileHandle) {
    this.path = path
    this.#partial = partial
    this.#file = file
  }

  /** Errors: those of the file system. */
  static async create(path: string): Promise<NpzWriter> {
    const partial = `${path}.partial`
    return new NpzWriter(path, partial, await open(partial, constants.O_RDWR | constants.O_CREAT, 0o644))
  }

  /**
   * Begins an array of items of `itemShape`; the one before it is complete. The first array may go on from an interrupted file: `keep` of
   * the items that are in it stay. Fails where there are fewer.
   */
  async begin(name: string, dtype: NpyDtype, itemShape: ReadonlyArray<number>, keep = 0): Promise<void> {
    await this.#end()
    const local = this.#at
    const begin = local + headOf({ name, dtype, itemShape }, 0, 0, 0).head.length
    const itemBytes = itemShape.reduce((product, size) => product * size, npyDtypes[dtype].bytes)
    this.#array = { name, dtype, itemShape, itemBytes, local, begin }
    this.#at = begin + keep * itemBytes
    const { size } = await this.#file.stat()
    if (keep > 0 && size < this.#at) throw new Error(`${this.#partial} has ${Math.max(0, Math.floor((size - begin) / itemBytes))} whole items, expected ${keep}`)
    await this.#file.truncate(this.#at)
    this.#crc = await crcOf(this.#file, begin, this.#at)
  }

  /** Whole items, little-endian and row-major. */
  async append(items: Uint8Array): Promise<void> {
    if (this.#array === null || items.length % this.#array.itemBytes !== 0) throw new RangeError(`${items.length} bytes, expected whole items of ${this.#array?.itemBytes ?? 0}`)
    await writeAll(this.#file, items, this.#at)
    this.#crc = crc32(items, this.#crc)
    this.#at += items.length
  }

  /** Items of the array at hand that are on the disk when this returns. */
  async flush(): Promise<number> {
    await this.#file.datasync()
    return this.#array === null ? 0 : (this.#at - this.#array.begin) / this.#array.itemBytes
  }

  /** Completes the file and gives it its name; returns its bytes. */
  async finish(): Promise<number> {
    await this.#end()
    const directory = zipDirectory(this.#entries, this.#at)
    await writeAll(this.#file, directory, this.#at)
    await this.#file.sync()
    await this.#file.close()
    await rename(this.#partial, this.path)
    await using folder = await open(dirname(this.path), "r")
    await folder.sync()
    return this.#at + directory.length
  }

  /** Leaves what is there for another process to go on with. */
  async close(): Promise<void> {
    await this.#file.close()
  }

  /** Leaves nothing. */
  async discard(): Promise<void> {
    await this.#file.close()
    await rm(this.#partial, { force: true })
  }

  async #end(): Promise<void> {
    if (this.#array === null) return
    const { begin, itemBytes, local } = this.#array
    const bytes = this.#at - begin
    const { entry, head } = headOf(this.#array, bytes / itemBytes, bytes, this.#crc)
    await writeAll(this.#file, head, local)
    this.#entries.push({ ...entry, local })
    this.#array = null
  }
}
