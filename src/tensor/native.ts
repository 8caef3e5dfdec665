/** The only importer of the addon. Everything here is by handle and number; the other files of this folder give it names and types. */
import { createRequire } from "node:module"
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs"
import { join, resolve } from "node:path"
import { TensorError } from "./errors.ts"

type Handle = number
type Ints = readonly number[]
type Optional<A> = A | null

type Unary = "clone" | "neg" | "sqrt" | "exp" | "log" | "abs" | "square" | "round" | "floor" | "relu" | "softplus" | "sigmoid"
  | "sum" | "mean" | "norm" | "contiguous" | "channelsLast" | "leaf" | "detach"
type Binary = "add" | "sub" | "mul" | "div" | "maximum" | "minimum" | "lessThan" | "greaterThan" | "matmul"
type WithNumber = "addScalar" | "subScalar" | "scalarSub" | "mulScalar" | "divScalar" | "powScalar" | "lessThanScalar" | "greaterThanScalar"
  | "leakyRelu" | "softmax" | "logSoftmax" | "unsqueeze" | "squeeze"

type Families =
  & { readonly [K in Unary]: (t: Handle) => Handle }
  & { readonly [K in Binary]: (a: Handle, b: Handle) => Handle }
  & { readonly [K in WithNumber]: (t: Handle, n: number) => Handle }

declare const snapshotBrand: unique symbol
export interface NativeSnapshot {
  readonly [snapshotBrand]: true
}
export interface NativeFile {
  readonly name: string
  readonly header: Uint8Array
  readonly size: number
  /** Triples: offset in the snapshot, offset in the file, bytes. */
  readonly parts: readonly number[]
}
export interface NativeWritten {
  readonly fileHashes: readonly string[]
  readonly partHashes: readonly string[]
  readonly seconds: number
}

export interface Native extends Families {
  readonly setErrorClass: (constructor: typeof TensorError) => unknown
  // handles (native/table.cc)
  readonly shape: (t: Handle) => number[]
  readonly strides: (t: Handle) => number[]
  readonly dtype: (t: Handle) => number
  readonly device: (t: Handle) => string
  readonly size: (t: Handle) => number
  readonly misalignment: (t: Handle) => number
  readonly isLive: (t: Handle) => boolean
  readonly release: (t: Handle) => void
  readonly releaseAll: (ts: readonly Handle[]) => void
  readonly setOwner: (name: string) => string
  readonly move: (ts: readonly Handle[], owner: string) => void
  readonly reclaim: (owner: string) => number
  readonly live: () => Record<string, { count: number; bytes: number }>
  // creation and conversion (ops_create.cc, random.cc)
  readonly zeros: (shape: Ints, dtype: number, device: number) => Handle
  readonly full: (shape: Ints, value: number, dtype: number, device: number) => Handle
  readonly arange: (n: number, dtype: number, device: number) => Handle
  readonly fromBytes: (data: NodeJS.TypedArray, shape: Ints, dtype: number) => Handle
  readonly to: (t: Handle, dtype: Optional<number>, device: Optional<number>) => Handle
  readonly item: (t: Handle) => number
  readonly toBuffer: (t: Handle, dtype: number) => ArrayBuffer
  readonly copy_: (dst: Handle, src: Handle) => void
  readonly add_: (dst: Handle, src: Handle, alpha: number) => void
  readonly mul_: (dst: Handle, factor: number) => void
  readonly zero_: (dst: Handle) => void
  readonly randomUniform: (key: Ints, shape: Ints, device: number) => Handle
  readonly randomNormal: (key: Ints, shape: Ints, device: number) => Handle
  // ops_pointwise.cc, ops_reduce.cc
  readonly clamp: (t: Handle, min: Optional<number>, max: Optional<number>) => Handle
  readonly where: (condition: Handle, a: Handle, b: Handle) => Handle
  readonly gelu: (t: Handle, approximate: string) => Handle
  readonly sumDims: (t: Handle, dims: Ints, keepdim: boolean) => Handle
  readonly meanDims: (t: Handle, dims: Ints, keepdim: boolean) => Handle
  readonly variance: (t: Handle, dims: Ints, unbiased: boolean, keepdim: boolean) => Handle
  readonly maxAbs: (t: Handle) => number
  // ops_shape.cc
  readonly reshape: (t: Handle, shape: Ints) => Handle
  readonly view: (t: Handle, shape: Ints) => Handle
  readonly transpose: (t: Handle, a: number, b: number) => Handle
  readonly permute: (t: Handle, dims: Ints) => Handle
  readonly flatten: (t: Handle, from: number, to: number) => Handle
  readonly expand: (t: Handle, shape: Ints) => Handle
  readonly cat: (ts: readonly Handle[], dim: number) => Handle
  readonly stack: (ts: readonly Handle[], dim: number) => Handle
  readonly chunk: (t: Handle, n: number, dim: number) => Handle[]
  readonly narrow: (t: Handle, dim: number, start: number, length: number) => Handle
  readonly select: (t: Handle, dim: number, index: number) => Handle
  readonly pad: (t: Handle, pads: Ints, mode: string, value: Optional<number>) => Handle
  readonly indexSelect: (t: Handle, dim: number, index: Handle) => Handle
  readonly interpolate: (t: Handle, size: Ints, mode: string, antialias: boolean) => Handle
  // ops_linear.cc
  readonly linear: (x: Handle, w: Handle, b: Optional<Handle>) => Handle
  readonly conv2d: (x: Handle, w: Handle, b: Optional<Handle>, stride: Ints, padding: Ints) => Handle
  readonly conv1d: (x: Handle, w: Handle, b: Optional<Handle>, stride: number, padding: number, groups: number) => Handle
  readonly maxPool2d: (x: Handle, kernel: number, stride: number) => Handle
  readonly avgPool2d: (x: Handle, kernel: number, stride: number, padding: number) => Handle
  readonly attention: (q: Handle, k: Handle, v: Handle) => Handle
  readonly layerNorm: (x: Handle, width: number, w: Optional<Handle>, b: Optional<Handle>, eps: number) => Handle
  readonly groupNorm: (x: Handle, groups: number, w: Optional<Handle>, b: Optional<Handle>, eps: number) => Handle
  // ops_linalg.cc
  readonly singularValues: (t: Handle) => Handle
  readonly triangularFactor: (t: Handle) => Handle
  readonly eigenSymmetric: (t: Handle) => Handle[]
  // autograd.cc
  readonly setGradMode: (on: boolean) => boolean
  readonly requiresGrad: (t: Handle) => boolean
  readonly grad: (outputs: readonly Handle[], inputs: readonly Handle[], gradOutputs: readonly Handle[], retainGraph: boolean) => Handle[]
  // kernels_multi.cc, kernel_*.cc
  readonly adamw: (params: readonly Handle[], grads: readonly Handle[], m: readonly Handle[], v: readonly Handle[], working: readonly Optional<Handle>[], options: readonly number[]) => void
  readonly ema: (averages: readonly Handle[], values: readonly Handle[], decay: number) => void
  readonly accumulate: (sums: readonly Handle[], values: readonly Handle[]) => void
  readonly gradStats: (grads: readonly Handle[]) => number[]
  readonly diffaug: (x: Handle, draws: Handle) => Handle
  readonly lpipsDistance: (a: Handle, b: Handle, weight: Handle) => Handle
  readonly quantize8: (x: Handle) => Handle
  // weights.cc, snapshot_bindings.cc
  readonly readTensor: (fd: number, offset: number, shape: Ints, dtype: number) => Handle
  readonly readInto: (fd: number, offsets: Ints, ts: readonly Handle[]) => string[]
  readonly mapTensor: (fd: number, offset: number, shape: Ints, dtype: number) => Handle
  readonly aligned: (t: Handle) => Handle
  readonly hashTensors: (ts: readonly Handle[]) => string[]
  readonly snapshot: (bytes: number) => NativeSnapshot
  readonly snapshotCapture: (snapshot: NativeSnapshot, ts: readonly Handle[], offsets: Ints) => unknown
  readonly snapshotRestore: (snapshot: NativeSnapshot, ts: readonly Handle[], offsets: Ints) => unknown
  readonly snapshotWrite: (snapshot: NativeSnapshot, dir: string, files: readonly NativeFile[], faultFile: number, faultErrno: number) => Promise<NativeWritten>
  // heartbeat.cc
  readonly startHeartbeat: (fd: number, intervalMs: number) => void
  readonly loopTick: () => void
  readonly opsDone: () => number
  readonly opNames: () => string[]
  readonly dieWithParent: (parent: number) => void
  readonly block: (ms: number) => void
  // arena_allocator.cc, device.cc
  readonly memoryStats: () => { live: number; peak: number; extent: number }
  readonly trimMemory: () => void
  readonly resetPeak: () => void
  readonly libtorchVersion: () => string
  readonly deviceProblem: (device: number) => string
  readonly useDeterministicAlgorithms: () => void
  readonly synchronize: (device: number) => void
  readonly gpuMemory: (device: number) => { live: number; peak: number }
  readonly resetGpuPeak: (device: number) => void
  readonly setThreads: (n: number) => void
  readonly threads: () => number
  readonly buildInfo: () => string
  readonly peakBytes: () => number
}

const builds = resolve(import.meta.dirname, "../../build")
const read = (file: string) => existsSync(file) ? readFileSync(file, "utf8").trim() : ""

/** The build for LIBTORCH where that is set, else the one that scripts/build-addon chose when it last ran without it. */
const chosenBuild = (): string => {
  const libtorch = process.env["LIBTORCH"]
  if (libtorch === undefined || libtorch === "") {
    const name = read(join(builds, "default"))
    if (name !== "" && existsSync(join(builds, name, "rae.node"))) return name
    throw new TensorError("invalid", "load", "the native addon is not built; run scripts/setup")
  }
  const root = existsSync(libtorch) ? realpathSync(libtorch) : libtorch
  const name = (existsSync(builds) ? readdirSync(builds) : [])
    .find((name) => read(join(builds, name, "root")) === root && existsSync(join(builds, name, "rae.node")))
  if (name !== undefined) return name
  throw new TensorError("invalid", "load", `the native addon is not built for LIBTORCH=${libtorch}; run scripts/build-addon with it set`)
}

/** Distinct libc10 files in a memory map. */
export const mappedLibtorch = (maps: string): ReadonlyArray<string> =>
  [...new Set(maps.split("\n").filter((line) => /\/libc10\.so[^/]*$/.test(line)).map((line) => line.slice(line.indexOf("/"))))]

/** Two libtorch in one process share symbols: they end it at load, or crash it later at random. */
export const refuseOtherLibtorch = (maps: string, own: string): void => {
  const others = mappedLibtorch(maps).filter((path) => path !== own)
  if (others.length > 0) throw new TensorError("invalid", "load", `two libtorch in one process: ${[own, ...others].join(" and ")}; is LD_PRELOAD or LD_LIBRARY_PATH set?`)
}

const build = join(builds, chosenBuild())
/** The addon that is loaded. */
export const addonFile = join(build, "rae.node")

const load = (): Native => {
  const own = read(join(build, "libc10"))
  refuseOtherLibtorch(readFileSync("/proc/self/maps", "utf8"), own) // before ours starts, as the two may not survive that
  const native = createRequire(import.meta.url)(addonFile) as Native
  refuseOtherLibtorch(readFileSync("/proc/self/maps", "utf8"), own) // ours may have brought another
  native.setErrorClass(TensorError)
  return native
}

export const native: Native = load()
