/**
 * Lays out a value as `torch.save` would (zip format): everything but the numbers, which whoever writes the file puts in their places.
 * Only the checksums of the numbers must be known at the end.
 *
 * Read back by torch.load of any version from 1.6 on, also with `weights_only`.
 */
import { type NamedTensor, pickled, type Saved, type SavedStorage, storageBytes, stateDict } from "./pickle-writer.ts"
import { joined, littleEndian, localHeader, zipDirectory } from "./zip-records.ts"

/** Storages begin at multiples of this, as torch.save places them, so that they can be mapped. */
const alignment = 64

export interface PlacedStorage {
  readonly storage: SavedStorage
  /** First byte in the file, and the one after the last. */
  readonly begin: number
  readonly end: number
}
export interface Piece {
  readonly at: number
  readonly bytes: Uint8Array
}

const ascii = (text: string) => new TextEncoder().encode(text)

interface Entry {
  readonly path: string
  readonly local: number
  readonly begin: number
  readonly size: number
  /** The entry's bytes; null for a storage. */
  readonly bytes: Uint8Array | null
  readonly padding: number
}

const localBytes = localHeader({ path: "", size: 0, crc32: 0 }).length
/** A field of no meaning that moves the data to a multiple of 64, as torch.save does it. */
const paddingField = (bytes: number) => joined([ascii("FB"), littleEndian(bytes - 4, 2), new Uint8Array(bytes - 4)])

const place = (files: ReadonlyArray<{ readonly path: string; readonly size: number; readonly bytes: Uint8Array | null }>): ReadonlyArray<Entry> => {
  let at = 0
  return files.map((file) => {
    const local = at
    const unpadded = local + localBytes + ascii(file.path).length + 4
    const begin = Math.ceil(unpadded / alignment) * alignment
    at = begin + file.size
    return { ...file, local, begin, padding: begin - unpadded + 4 }
  })
}

export interface TorchLayout {
  /** Where each storage's numbers go (little-endian, row-major), in the order in which the value names them. */
  readonly storages: ReadonlyArray<PlacedStorage>
  /** The rest of the file, once the storages' CRC-32s are known. */
  readonly rest: (checksums: ReadonlyArray<number>) => ReadonlyArray<Piece>
}

/** `crc32` is the caller's, of the small entries. */
export const layOutTorchValue = (value: Saved, crc32: (bytes: Uint8Array) => number): TorchLayout => {
  const { bytes: pickle, storages: named } = pickled(value)
  const small = [["data.pkl", pickle], ["byteorder", ascii("little")], ["version", ascii("3\n")]] as const
  const entries = place([
    ...small.map(([path, bytes]) => ({ path: `archive/${path}`, size: bytes.length, bytes })),
    ...named.map((storage, key) => ({ path: `archive/data/${key}`, size: storageBytes(storage), bytes: null }))
  ])
  const storages = entries.slice(small.length).map(({ begin, size }, i) => ({ storage: named[i]!, begin, end: begin + size }))
  const last = entries.at(-1)!
  const directoryBegin = last.begin + last.size
  return {
    storages,
    rest: (checksums) => {
      const crcs = entries.map(({ bytes }, i) => bytes === null ? checksums[i - small.length]! : crc32(bytes))
      return [
        ...entries.flatMap((entry, i) => [{ at: entry.local, bytes: localHeader({ ...entry, crc32: crcs[i]! }, paddingField(entry.padding)) }, ...(entry.bytes === null ? [] : [{ at: entry.begin, bytes: entry.bytes }])]),
        { at: directoryBegin, bytes: zipDirectory(entries.map(({ local, path, size }, i) => ({ local, path, size, crc32: crcs[i]! })), directoryBegin) }
      ]
    }
  }
}

/** A state dict: a storage for each tensor, in the order of the names. */
export const layOutTorchFile = (tensors: ReadonlyArray<NamedTensor>, crc32: (bytes: Uint8Array) => number): TorchLayout => layOutTorchValue(stateDict(tensors), crc32)
