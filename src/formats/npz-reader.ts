/** numpy's npz archives (`savez`, `savez_compressed`), read in pieces: no array is ever whole in memory. */
import type { ByteSource } from "./byte-source.ts"
import { InvalidNpy, npyDtypes, npyHeaderBytes, type NpyHeader, npyPrefixBytes, parseNpyHeader } from "./npy-header.ts"
import { entryPieces } from "./zip-entry.ts"
import { readZip, type ZipEntry } from "./zip.ts"

const pieceNumbers = 2 ** 17

export interface NpzArray extends Pick<NpyHeader, "dtype" | "shape"> {
  /** Bytes of one item along the first dimension. */
  readonly itemBytes: number
  /** `items` along the first dimension at a time, the last time fewer; little-endian, row-major. Damage may come to light only at the end. */
  readonly batches: (items: number) => AsyncGenerator<Uint8Array>
}

export interface Npz {
  readonly names: ReadonlyArray<string>
  /** Reads the header of an array that is among `names`. */
  readonly array: (name: string) => Promise<NpzArray>
}

/** Cuts pieces anew into the lengths that are asked for. */
class Cutter {
  readonly #pieces: AsyncGenerator<Uint8Array>
  #rest: Uint8Array = new Uint8Array()

  constructor(pieces: AsyncGenerator<Uint8Array>) {
    this.#pieces = pieces
  }

  /** Fewer bytes only at the end. */
  async take(length: number): Promise<Uint8Array> {
    const taken = new Uint8Array(length)
    let done = 0
    while (done < length) {
      if (this.#rest.length === 0) {
        const { done: ended, value } = await this.#pieces.next()
        if (ended === true) break
        this.#rest = value
      }
      const part = this.#rest.subarray(0, length - done)
      taken.set(part, done)
      done += part.length
      this.#rest = this.#rest.subarray(part.length)
    }
    return taken.subarray(0, done)
  }

  /** Reads to the end, where the checksum is compared. */
  async finish(): Promise<void> {
    for (let next = await this.#pieces.next(); next.done !== true;) next = await this.#pieces.next()
  }

  async close(): Promise<void> {
    await this.#pieces.return(undefined)
  }
}

const readHeader = async (name: string, cutter: Cutter): Promise<NpyHeader> => {
  const prefix = await cutter.take(npyPrefixBytes)
  const length = npyHeaderBytes(prefix, (problem) => { throw new InvalidNpy({ array: name, problem }) })
  return parseNpyHeader(name, new Uint8Array(Buffer.concat([prefix, await cutter.take(length - npyPrefixBytes)])))
}

const openArray = async (file: ByteSource, name: string, entry: ZipEntry): Promise<NpzArray> => {
  const head = new Cutter(entryPieces(file, entry))
  const { bytes, dtype, shape } = await readHeader(name, head)
  await head.close()
  const itemBytes = shape.slice(1).reduce((product, size) => product * size, npyDtypes[dtype].bytes)
  const count = shape[0] ?? 1
  // items without bytes may be said to be any number
  const read = itemBytes === 0 ? 0 : count
  // products beyond 2^53 are not exact, and equal no size
  if (bytes + count * itemBytes !== entry.size) throw new InvalidNpy({ array: name, problem: `${dtype} [${shape.join(", ")}] takes ${count * itemBytes} bytes, got ${entry.size - bytes}` })
  async function* batches(items: number) {
    const cutter = new Cutter(entryPieces(file, entry))
    try {
      await cutter.take(bytes)
      for (let at = 0; at < read; at += items) yield await cutter.take(Math.min(items, read - at) * itemBytes)
      await cutter.finish()
    } finally {
      await cutter.close()
    }
  }
  return { dtype, shape, itemBytes, batches }
}

/** Throws InvalidZip, InvalidNpy, and whatever `file.read` throws; so do the functions that it gives. */
export const readNpz = (file: ByteSource): Npz => {
  const entries = new Map([...readZip(file)].filter(([name]) => name.endsWith(".npy")).map(([name, entry]) => [name.slice(0, -".npy".length), entry]))
  return {
    names: [...entries.keys()],
    array: (name) => {
      const entry = entries.get(name)
      return entry === undefined ? Promise.reject(new Error(`no array named ${name}`)) : openArray(file, name, entry)
    }
  }
}

/** All numbers of an array, in double. The caller bounds its size. */
export const readNumbers = async ({ batches, dtype, itemBytes, shape }: NpzArray): Promise<Float64Array> => {
  const numbers = new Float64Array(shape.reduce((product, size) => product * size, 1))
  const perItem = itemBytes / npyDtypes[dtype].bytes
  let at = 0
  for await (const bytes of batches(Math.ceil(pieceNumbers / Math.max(1, perItem)))) {
    const piece = dtype === "uint8" ? bytes : dtype === "float32" ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) : new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)
    numbers.set(piece, at)
    at += piece.length
  }
  return numbers
}
