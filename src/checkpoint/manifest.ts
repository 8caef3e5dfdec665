/**
 * `manifest.json`: what a checkpoint consists of. It is written in exactly one way (key order, spacing), and ends with a
 * hash of itself: a reader takes it only if it is, byte for byte, what the writer would write. Any altered byte is seen.
 */
import * as Schema from "effect/Schema"
import type { Dtype as StoredDtype } from "../formats/safetensors.ts"
import { hashBytes } from "./xxh3.ts"

/** A thousand tensors take 0.2 MB. */
export const maxManifestBytes = 32 * 2 ** 20

const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Hash = Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/))
/** No separator, no leading dot: a name can lead nowhere but into the checkpoint's own directory. */
const FileName = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/))
const TensorName = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(1024))
const Text = Schema.String.check(Schema.isMaxLength(1024))

/** Names of element types as the tensor layer has them. */
export const Dtype = Schema.Literals(["float32", "float64", "bfloat16", "float16", "int64", "uint8", "bool"])
export type Dtype = typeof Dtype.Type

/** Their names in safetensors headers. */
export const storedAs: Readonly<Record<Dtype, StoredDtype>> = {
  float32: "F32", float64: "F64", bfloat16: "BF16", float16: "F16", int64: "I64", uint8: "U8", bool: "BOOL"
}

export const FileEntry = Schema.Struct({ name: FileName, size: count, hash: Hash })
export type FileEntry = typeof FileEntry.Type

export const TensorEntry = Schema.Struct({
  name: TensorName, file: FileName, dtype: Dtype, shape: Schema.Array(count).check(Schema.isMaxLength(16)), hash: Hash
})
export type TensorEntry = typeof TensorEntry.Type

/** What the engine reports when it has written its files: sizes and XXH3-128 hashes of the files and of every tensor's bytes. */
export const WriteReport = Schema.Struct({ files: Schema.Array(FileEntry), tensors: Schema.Array(TensorEntry) })
export type WriteReport = typeof WriteReport.Type

/** The checkpoint that a run went on from: its step and its manifest's hash. */
export const ResumedFrom = Schema.Struct({ step: count, hash: Hash })

/** Weights that training does not change are referenced by hash, never copied in. */
export const Frozen = Schema.Struct({ name: Text, hash: Text })

const body = {
  schema: Schema.Literal(1),
  step: count,
  epoch: count,
  position: count,
  config_hash: Text,
  resumed_from: Schema.NullOr(ResumedFrom),
  frozen: Schema.Array(Frozen),
  written_at: Schema.String.check(Schema.isPattern(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)),
  files: Schema.Array(FileEntry),
  tensors: Schema.Array(TensorEntry)
}
const Body = Schema.Struct(body)
export type Body = typeof Body.Type

export const Manifest = Schema.Struct({ ...body, hash: Hash })
export type Manifest = typeof Manifest.Type

export class ManifestInvalid extends Schema.TaggedError<ManifestInvalid>()("ManifestInvalid", { problem: Schema.String }) {
  override get message() {
    return `invalid manifest: ${this.problem}`
  }
}

/** One line a file and a tensor, the same for every writer. */
const textOf = (manifest: Body, hash: string): string => {
  const { schema, step, epoch, position, config_hash, resumed_from, frozen, written_at } = manifest
  const head = Object.entries({
    schema, step, epoch, position, config_hash,
    resumed_from: resumed_from && { step: resumed_from.step, hash: resumed_from.hash },
    frozen: frozen.map(({ name, hash }) => ({ name, hash })),
    written_at
  }).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`).join("")
  const lines = (items: ReadonlyArray<unknown>) => items.length === 0 ? "[]" : `[\n${items.map((item) => `    ${JSON.stringify(item)}`).join(",\n")}\n  ]`
  const files = lines(manifest.files.map(({ name, size, hash }) => ({ name, size, hash })))
  const tensors = lines(manifest.tensors.map(({ name, file, dtype, shape, hash }) => ({ name, file, dtype, shape, hash })))
  return `{\n${head}  "files": ${files},\n  "tensors": ${tensors},\n  "hash": "${hash}"\n}\n`
}

const bytesOf = (manifest: Body, hash: string) => new TextEncoder().encode(textOf(manifest, hash))

const byName = <A extends { readonly name: string }>(items: ReadonlyArray<A>) => [...items].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))

/** What Schema cannot say: names are unique, and every tensor lies in a listed file. */
const inconsistency = ({ files, tensors }: Body): string | undefined => {
  const fileNames = new Set(files.map(({ name }) => name))
  if (fileNames.size !== files.length) return "a file is listed twice"
  if (fileNames.has("manifest.json")) return "the manifest lists itself"
  if (new Set(tensors.map(({ name }) => name)).size !== tensors.length) return "a tensor is listed twice"
  const stray = tensors.find(({ file }) => !fileNames.has(file))
  return stray && `tensor ${stray.name} lies in ${stray.file}, which is not listed`
}

const checked = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, value: unknown): S["Type"] => {
  try {
    return Schema.decodeUnknownSync(schema)(value, { onExcessProperty: "error" })
  } catch (error) {
    throw new ManifestInvalid({ problem: error instanceof Error ? error.message : String(error) })
  }
}

/** Seals a body with its hash. Throws ManifestInvalid where the body is none, so that nothing unreadable is ever written. */
export const encode = (draft: Body): { readonly manifest: Manifest; readonly bytes: Uint8Array } => {
  const body = checked(Body, { ...draft, files: byName(draft.files), tensors: byName(draft.tensors) })
  const problem = inconsistency(body)
  if (problem !== undefined) throw new ManifestInvalid({ problem })
  const hash = hashBytes(bytesOf(body, ""))
  return { manifest: { ...body, hash }, bytes: bytesOf(body, hash) }
}

const parse = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (error) {
    throw new ManifestInvalid({ problem: `not JSON: ${error instanceof Error ? error.message : String(error)}` })
  }
}

/** Reads a manifest. Throws ManifestInvalid for anything but the writer's exact bytes. */
export const decode = (bytes: Uint8Array): Manifest => {
  const invalid = (problem: string) => new ManifestInvalid({ problem })
  if (bytes.length > maxManifestBytes) throw invalid(`${bytes.length} bytes, at most ${maxManifestBytes} are read`)
  const manifest = checked(Manifest, parse(bytes))
  const hash = hashBytes(bytesOf(manifest, ""))
  if (hash !== manifest.hash) throw invalid(`expected hash ${manifest.hash}, got ${hash}`)
  if (!Buffer.from(bytes).equals(bytesOf(manifest, hash))) throw invalid("written in another way than manifests are written")
  const problem = inconsistency(manifest)
  if (problem !== undefined) throw invalid(problem)
  return manifest
}
