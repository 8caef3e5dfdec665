/** Creation, reading, conversion and in-place writes. */
import { deviceCode, dtypeCode, type Device, type Dtype } from "./dtype.ts"
import { TensorError } from "./errors.ts"
import { native } from "./native.ts"
import { made } from "./scope.ts"
import type { Tensor } from "./tensor.ts"

export interface Placement {
  readonly dtype?: Dtype
  readonly device?: Device
}
/** A key of the counter-based generator (src/random): four uint32. */
export type RandomKey = readonly [number, number, number, number]

export const zeros = (shape: readonly number[], { dtype = "float32", device = "cpu" }: Placement = {}): Tensor =>
  made(native.zeros(shape, dtypeCode(dtype), deviceCode(device)))
export const full = (shape: readonly number[], value: number, { dtype = "float32", device = "cpu" }: Placement = {}): Tensor =>
  made(native.full(shape, value, dtypeCode(dtype), deviceCode(device)))
/** 0, 1, … n-1; int64 unless told. */
export const arange = (n: number, { dtype = "int64", device = "cpu" }: Placement = {}): Tensor =>
  made(native.arange(n, dtypeCode(dtype), deviceCode(device)))

/** On the CPU; `to` takes it to another device. */
export const fromFloat32 = (data: Float32Array, shape: readonly number[]): Tensor => made(native.fromBytes(data, shape, dtypeCode("float32")))
export const fromFloat64 = (data: Float64Array, shape: readonly number[]): Tensor => made(native.fromBytes(data, shape, dtypeCode("float64")))
export const fromUint8 = (data: Uint8Array, shape: readonly number[]): Tensor => made(native.fromBytes(data, shape, dtypeCode("uint8")))
export const fromInt64 = (data: BigInt64Array | readonly number[], shape: readonly number[]): Tensor =>
  made(native.fromBytes(data instanceof BigInt64Array ? data : BigInt64Array.from(data, BigInt), shape, dtypeCode("int64")))

/** float32 in [0, 1): element n is a function of the key and n alone, the same bits on every device. */
export const randomUniform = (key: RandomKey, shape: readonly number[], { device = "cpu" }: Pick<Placement, "device"> = {}): Tensor =>
  made(native.randomUniform(key, shape, deviceCode(device)))
/** Standard normal float32. On a GPU a value may differ from the CPU's in its last bit, where log, sine and cosine do. */
export const randomNormal = (key: RandomKey, shape: readonly number[], { device = "cpu" }: Pick<Placement, "device"> = {}): Tensor =>
  made(native.randomNormal(key, shape, deviceCode(device)))

/** The value of a tensor of one element. */
export const item = (t: Tensor): number => native.item(t.handle)
/** The values in row-major order, converted to float32. */
export const toFloat32 = (t: Tensor): Float32Array<ArrayBuffer> => new Float32Array(native.toBuffer(t.handle, dtypeCode("float32")))
/** The same in float64. */
export const toFloat64 = (t: Tensor): Float64Array<ArrayBuffer> => new Float64Array(native.toBuffer(t.handle, dtypeCode("float64")))
/** The raw little-endian bytes in row-major order, in the tensor's own dtype. */
export const toBytes = (t: Tensor): Uint8Array<ArrayBuffer> => new Uint8Array(native.toBuffer(t.handle, native.dtype(t.handle)))
export const toInt64 = (t: Tensor): number[] => {
  if (t.dtype !== "int64") throw new TensorError("dtype", "toInt64", `expected int64, got ${t.dtype}`)
  return Array.from(new BigInt64Array(native.toBuffer(t.handle, dtypeCode("int64"))), Number)
}

/** The same memory where nothing changes, else a converted copy. */
export const to = (t: Tensor, { dtype, device }: Placement): Tensor =>
  made(native.to(t.handle, dtype === undefined ? null : dtypeCode(dtype), device === undefined ? null : deviceCode(device)))
export const clone = (t: Tensor): Tensor => made(native.clone(t.handle))

/** Writes `src`, converted and broadcast, into the memory of `dst`. */
export const copy_ = (dst: Tensor, src: Tensor): void => native.copy_(dst.handle, src.handle)
/** dst += alpha · src */
export const add_ = (dst: Tensor, src: Tensor, alpha = 1): void => native.add_(dst.handle, src.handle, alpha)
export const mul_ = (dst: Tensor, factor: number): void => native.mul_(dst.handle, factor)
export const zero_ = (dst: Tensor): void => native.zero_(dst.handle)
