/**
 * Files that `torch.save` writes: the zip format (1.6 and later) and the one before it. Only where every tensor's numbers lie is read here.
 *
 * zip: NAME/data.pkl is the value, NAME/data/KEY a storage, stored and not compressed.
 * before: five pickles (a magic number, 1001, facts of the writing machine, the value, the keys of the storages in the order in which they
 * follow), then each storage: its count as int64, and its numbers.
 */
import * as Schema from "effect/Schema"
import type { ByteSource } from "./byte-source.ts"
import { InvalidPickle, readPickle, type Vocabulary } from "./pickle.ts"
import { bytesPerElement, type Dtype } from "./safetensors.ts"
import { torchVocabulary, type Part, type Storage, type TensorView, type TorchValue } from "./torch-vocabulary.ts"
import { readStored } from "./zip-entry.ts"
import { InvalidZip, readZip } from "./zip.ts"

/** What the pickles may take; a training checkpoint's take under 1 MB. */
const maxPickleBytes = 32 * 2 ** 20
/** 0x1950a86a20f9469cfc6c */
const magic = 119547037146038801333356n

export class InvalidTorchFile extends Schema.TaggedError<InvalidTorchFile>()("InvalidTorchFile", { problem: Schema.String }) {
  override get message() {
    return `invalid PyTorch file: ${this.problem}`
  }
}
const refuse = (problem: string): never => {
  throw new InvalidTorchFile({ problem })
}

/** A tensor whose numbers are known to lie in the file: `begin` is the byte of its first element, `strides` count elements. */
export interface PlacedTensor {
  readonly dtype: Dtype
  readonly shape: ReadonlyArray<number>
  readonly strides: ReadonlyArray<number>
  readonly begin: number
}

export interface TorchFile {
  readonly value: TorchValue
  /** Checks a tensor against its storage and the file. Throws InvalidTorchFile. */
  readonly place: (name: string, tensor: TensorView) => PlacedTensor
}

interface Extent {
  readonly begin: number
  readonly bytes: number
}

const place = (extents: ReadonlyMap<string, Extent>) => (name: string, { offset, shape, storage, strides }: TensorView): PlacedTensor => {
  const extent = extents.get(storage.key)
  if (extent === undefined) return refuse(`${name}: its storage ${storage.key} is not in the file`)
  const width = bytesPerElement[storage.dtype]
  const inFile = extent.bytes / width
  if (!(storage.offset + storage.count <= inFile)) return refuse(`${name}: storage ${storage.key} has ${inFile} elements, expected ${storage.offset + storage.count}`)
  const count = shape.reduce((product, size) => product * size, 1)
  // a dimension of stride 0 could ask for any amount of memory from a few bytes
  if (count > storage.count) return refuse(`${name}: [${shape}] has more elements than its storage of ${storage.count}`)
  const last = count === 0 ? 0 : offset + 1 + shape.reduce((sum, size, d) => sum + (size - 1) * strides[d]!, 0)
  if (!(last <= storage.count)) return refuse(`${name}: reaches element ${last} of a storage of ${storage.count}`)
  return { dtype: storage.dtype, shape, strides, begin: extent.begin + (storage.offset + offset) * width }
}

const readPicklesOf = <A>(f: () => A): A => {
  try {
    return f()
  } catch (error) {
    if (error instanceof InvalidPickle || error instanceof InvalidZip) return refuse(error.message)
    throw error
  }
}

const readZipFormat = (file: ByteSource): TorchFile => readPicklesOf(() => {
  const entries = readZip(file)
  const pickles = [...entries.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name))
  const [pickle] = pickles
  if (pickle === undefined || pickles.length > 1) return refuse(`a zip archive with ${pickles.length} \`NAME/data.pkl\`, expected one${entries.has("constants.pkl") || [...entries.keys()].some((name) => name.endsWith("/constants.pkl")) ? " (TorchScript is not read)" : ""}`)
  if (pickle.method !== "stored" || pickle.size > maxPickleBytes) return refuse(`data.pkl is ${pickle.method} with ${pickle.size} bytes, expected stored and at most ${maxPickleBytes}`)
  const folder = pickle.name.slice(0, -"data.pkl".length)
  const order = entries.get(`${folder}byteorder`)
  if (order !== undefined && !(order.size === 6 && new TextDecoder().decode(readStored(file, order)) === "little")) return refuse("its numbers are not little-endian")
  const extents = new Map([...entries.values()].filter(({ name }) => name.startsWith(`${folder}data/`)).map(({ begin, method, name, size }) =>
    method === "stored" ? [name.slice(folder.length + "data/".length), { begin, bytes: size }] : refuse(`${name} is compressed, expected stored`)))
  const { value } = readPickle(readStored(file, pickle), torchVocabulary)
  return { value, place: place(extents) }
})

/** Numbers, texts and plain containers alone: what stands before and after the value. */
const plainVocabulary: Vocabulary<never> = {
  knows: () => false,
  call: () => "a call",
  persistent: () => "a persistent id"
}

const readOldFormat = (file: ByteSource): TorchFile => readPicklesOf(() => {
  const head = file.read(0, Math.min(file.size, maxPickleBytes))
  const number = readPickle(head, plainVocabulary)
  if (number.value !== magic) return refuse("neither a zip archive nor a file of the format before it")
  const protocol = readPickle(head, plainVocabulary, number.end)
  if (protocol.value !== 1001) return refuse("a version of the old format other than 1001")
  const machine = readPickle(head, plainVocabulary, protocol.end)
  if (machine.value instanceof Map && machine.value.get("little_endian") === false) return refuse("its numbers are not little-endian")
  const storages = new Map<string, Storage>()
  const { end, value } = readPickle<Part>(head, {
    ...torchVocabulary,
    persistent: (id) => {
      const found = torchVocabulary.persistent(id)
      if (typeof found === "string") return found
      const storage = found.value as Storage
      const before = storages.get(storage.key)
      if (before !== undefined && before.dtype !== storage.dtype) return `storage ${storage.key} as ${before.dtype} and as ${storage.dtype}`
      storages.set(storage.key, storage)
      return found
    }
  }, machine.end)
  const keys = readPickle(head, plainVocabulary, end)
  if (!Array.isArray(keys.value)) return refuse("no list of storages")
  const extents = new Map<string, Extent>()
  let at = keys.end
  for (const key of keys.value) {
    const storage = typeof key === "string" ? storages.get(key) : undefined
    if (storage === undefined) return refuse("a storage that no tensor uses")
    if (extents.has(storage.key)) return refuse(`storage ${storage.key} twice`)
    if (!(at + 8 <= file.size)) return refuse(`ends at byte ${file.size}, before storage ${storage.key}`)
    const count = file.read(at, 8)
    const bytes = Number(new DataView(count.buffer, count.byteOffset, 8).getBigInt64(0, true)) * bytesPerElement[storage.dtype]
    if (!(bytes >= 0 && at + 8 + bytes <= file.size)) return refuse(`storage ${storage.key} of ${bytes} bytes at ${at + 8} in a file of ${file.size}`)
    extents.set(storage.key, { begin: at + 8, bytes })
    at += 8 + bytes
  }
  if (at !== file.size) return refuse(`${file.size - at} bytes after the last storage`)
  return { value, place: place(extents) }
})

/** Whether the first bytes of a file are those of one of the two formats. */
export const isTorchFile = (first: Uint8Array): boolean =>
  first[0] === 0x50 && first[1] === 0x4b && first[2] === 0x03 && first[3] === 0x04 || first[0] === 0x80 && first[1]! <= 5 && first[2] === 0x8a

/** Throws InvalidTorchFile, and whatever `file.read` throws. */
export const readTorchFile = (file: ByteSource): TorchFile => {
  if (file.size < 4) return refuse(`expected at least 4 bytes, got ${file.size}`)
  return file.read(0, 1)[0] === 0x50 ? readZipFormat(file) : readOldFormat(file)
}
