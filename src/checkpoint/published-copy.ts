/** The tensors of a PyTorch file written as the files of a checkpoint, piece by piece, with their hashes. */
import { open, type FileHandle } from "node:fs/promises"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import type { PlacedTensor } from "../formats/torch-file.ts"
import { encodeHeader } from "../formats/safetensors.ts"
import { pieces, writeAt } from "./file-pieces.ts"
import type { FileEntry, TensorEntry, WriteReport } from "./manifest.ts"
import type { ExpectedTensor } from "./published-file.ts"
import { fileOf } from "./state-files.ts"
import { endOf } from "./weight-places.ts"
import { borrowHasher, type Hasher } from "./xxh3.ts"

export interface Copied extends ExpectedTensor {
  /** Null: all zeros. */
  readonly from: PlacedTensor | null
}
/** Checksums of blocks of the file, by where they begin: of zip archives, one for each storage. */
export type Checksums = ReadonlyMap<number, { readonly bytes: number; readonly crc32: number }>

const float32Bytes = 4
const bytesOf = ({ shape }: ExpectedTensor) => shape.reduce((product, size) => product * size, float32Bytes)
const zeros = new Uint8Array(2 ** 20)
function* zeroPieces(bytes: number): Generator<Uint8Array> {
  for (let left = bytes; left > 0; left -= zeros.length) yield zeros.subarray(0, Math.min(left, zeros.length))
}

class Copier {
  /** Tensors whose numbers are not those that the file's writer gave a checksum of. */
  readonly damaged: Array<string> = []
  readonly #source: FileHandle
  readonly #path: string
  readonly #checksums: Checksums
  readonly #whole: Hasher
  readonly #part: Hasher

  constructor(source: FileHandle, path: string, checksums: Checksums, whole: Hasher, part: Hasher) {
    this.#source = source
    this.#path = path
    this.#checksums = checksums
    this.#whole = whole
    this.#part = part
  }

  /** Appends one tensor's numbers to `target` at `at`; gives their hash. */
  async #tensor(target: FileHandle, tensor: Copied, at: number): Promise<string> {
    const { from, name } = tensor
    let next = at
    let checksum = 0
    this.#part.begin()
    for await (const piece of from === null ? zeroPieces(bytesOf(tensor)) : pieces(this.#source, this.#path, from.begin, endOf(from))) {
      this.#whole.update(piece)
      this.#part.update(piece)
      checksum = crc32(piece, checksum)
      await writeAt(target, piece, next)
      next += piece.length
    }
    const known = from === null ? undefined : this.#checksums.get(from.begin)
    // zero: written without one
    if (known !== undefined && known.bytes === next - at && known.crc32 !== 0 && known.crc32 !== checksum) {
      this.damaged.push(`${name}: expected checksum ${known.crc32.toString(16)}, got ${checksum.toString(16)}`)
    }
    return this.#part.digest()
  }

  async file(directory: string, file: string, tensors: ReadonlyArray<Copied>): Promise<{ readonly file: FileEntry; readonly tensors: ReadonlyArray<TensorEntry> }> {
    // those of a multiple of 64 bytes first: without gaps, all of them lie aligned
    const ordered = tensors.toSorted((a, b) => Math.sign(bytesOf(a) % 64) - Math.sign(bytesOf(b) % 64))
    const header = encodeHeader(ordered.map(({ name, shape }) => ({ name, dtype: "F32", shape })))
    await using target = await open(join(directory, file), "wx", 0o644)
    await writeAt(target, header.bytes, 0)
    this.#whole.begin()
    this.#whole.update(header.bytes)
    const entries: Array<TensorEntry> = []
    for (const [i, tensor] of ordered.entries()) {
      const hash = await this.#tensor(target, tensor, header.tensors[i]!.begin)
      entries.push({ name: tensor.name, file, dtype: "float32", shape: [...tensor.shape], hash })
    }
    return { file: { name: file, size: header.fileSize, hash: this.#whole.digest() }, tensors: entries }
  }
}

/** What was written, and which numbers of the file were damaged. What is in `directory` after a failure is the caller's to remove. */
export const copyPublished = async (path: string, tensors: ReadonlyArray<Copied>, checksums: Checksums, directory: string): Promise<{ readonly report: WriteReport; readonly damaged: ReadonlyArray<string> }> => {
  await using source = await open(path, "r")
  using whole = await borrowHasher()
  using part = await borrowHasher()
  const copier = new Copier(source, path, checksums, whole, part)
  const files: Array<FileEntry> = []
  const entries: Array<TensorEntry> = []
  for (const [file, its] of Map.groupBy(tensors, ({ name }) => fileOf(name))) {
    const written = await copier.file(directory, file, its)
    files.push(written.file)
    entries.push(...written.tensors)
  }
  return { report: { files, tensors: entries }, damaged: copier.damaged }
}
