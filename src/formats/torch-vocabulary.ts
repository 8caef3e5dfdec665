/**
 * What the names in PyTorch's files mean here: where a tensor's numbers lie, never code. These are all the names that are known.
 *
 * https://github.com/pytorch/pytorch/blob/main/torch/_utils.py (the `_rebuild_…` functions)
 */
import { Name, Tuple, type Dict, type Value, type Vocabulary } from "./pickle.ts"
import type { Dtype } from "./safetensors.ts"

/** A block of numbers in the file; tensors are views of one. */
export interface Storage {
  readonly kind: "storage"
  readonly key: string
  readonly dtype: Dtype
  /** Elements. */
  readonly count: number
  /** Where it begins inside the storage of that key, in elements. */
  readonly offset: number
}
/** A view of a storage: element i of dimension d lies `strides[d]` elements on. */
export interface TensorView {
  readonly kind: "tensor"
  readonly storage: Storage
  readonly offset: number
  readonly shape: ReadonlyArray<number>
  readonly strides: ReadonlyArray<number>
}
export type Part = Storage | TensorView
export type TorchValue = Value<Part>

const maxRank = 16

const storageTypes: ReadonlyMap<string, Dtype> = new Map(Object.entries({
  DoubleStorage: "F64", FloatStorage: "F32", HalfStorage: "F16", BFloat16Storage: "BF16",
  LongStorage: "I64", IntStorage: "I32", ShortStorage: "I16", CharStorage: "I8", ByteStorage: "U8", BoolStorage: "BOOL"
} as const).map(([name, dtype]) => [`torch.${name}`, dtype]))

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const kindOf = (value: TorchValue | undefined): Part["kind"] | undefined =>
  typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined

const counts = (value: TorchValue | undefined): ReadonlyArray<number> | undefined =>
  value instanceof Tuple && value.items.length <= maxRank && value.items.every(isCount) ? value.items as ReadonlyArray<number> : undefined

type Call = (args: ReadonlyArray<TorchValue>) => { readonly value: TorchValue } | string

const rebuildTensor: Call = ([storage, offset, size, stride]) => {
  const shape = counts(size)
  const strides = counts(stride)
  if (kindOf(storage) !== "storage" || !isCount(offset)) return "a tensor without a storage and an offset in it"
  if (shape === undefined || strides === undefined || shape.length !== strides.length) return `a tensor whose sizes and strides are not two tuples of as many whole numbers, at most ${maxRank}`
  return { value: { kind: "tensor", storage: storage as Storage, offset, shape, strides } }
}

/** Pairs come as tuples, from Python 2 as lists. */
const orderedDict: Call = ([items]) => {
  const dict: Dict<Part> = new Map()
  if (items === undefined) return { value: dict }
  if (!Array.isArray(items)) return "an OrderedDict of what is no list"
  for (const item of items) {
    const pair = item instanceof Tuple ? item.items : item
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string") return "an OrderedDict of what are no pairs of a text and a value"
    dict.set(pair[0], pair[1] as TorchValue)
  }
  return { value: dict }
}

const calls: ReadonlyMap<string, Call> = new Map<string, Call>([
  ["torch._utils._rebuild_tensor_v2", rebuildTensor],
  ["torch._utils._rebuild_tensor", rebuildTensor],
  ["torch._utils._rebuild_parameter", ([data]) => kindOf(data) === "tensor" ? { value: data! } : "a parameter of what is no tensor"],
  ["collections.OrderedDict", orderedDict],
  ["torch.Size", ([sizes]) => sizes instanceof Tuple || Array.isArray(sizes) ? { value: sizes } : "a size of what is no tuple"]
])

const shown = (value: TorchValue | undefined) => typeof value === "string" ? JSON.stringify(value.slice(0, 80)) : typeof value

/** ("storage", type, key, device, elements[, view]): the device is where it was, and here it is loaded to the one asked for. */
const storage = (id: TorchValue): { readonly value: TorchValue } | string => {
  if (!(id instanceof Tuple) || id.items[0] !== "storage") return "a persistent id that is no storage"
  const [, type, key, , count, view] = id.items
  const dtype = type instanceof Name ? storageTypes.get(type.name) : undefined
  if (dtype === undefined) return `a storage of the unknown type ${type instanceof Name ? type.name : shown(type)}`
  if (typeof key !== "string" || !/^[\w.-]{1,200}$/.test(key)) return `a storage with the key ${shown(key)}`
  if (!isCount(count)) return `a storage of ${shown(count)} elements`
  if (view === undefined || view === null) return { value: { kind: "storage", key, dtype, count, offset: 0 } }
  if (!(view instanceof Tuple) || !isCount(view.items[1]) || !isCount(view.items[2])) return "a view of a storage without offset and size"
  const [, offset, size] = view.items as [unknown, number, number]
  return offset + size <= count
    ? { value: { kind: "storage", key, dtype, count: size, offset } }
    : `a view of elements ${offset} to ${offset + size} of a storage of ${count}`
}

export const torchVocabulary: Vocabulary<Part> = {
  knows: (name) => calls.has(name) || storageTypes.has(name),
  call: (name, args) => calls.get(name)?.(args) ?? `a call of \`${name}\`, which is no function`,
  persistent: storage
}
