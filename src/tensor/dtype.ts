export type Dtype = "float32" | "float64" | "bfloat16" | "float16" | "int64" | "uint8" | "bool"
/** `cpu` or `cuda:N`. */
export type Device = "cpu" | `cuda:${number}`

/** libtorch's numbers (c10/core/ScalarType.h); serialised models fix them for good. */
const codes: Readonly<Record<Dtype, number>> = { uint8: 0, int64: 4, float16: 5, float32: 6, float64: 7, bool: 11, bfloat16: 15 }
const names: ReadonlyMap<number, Dtype> = new Map(Object.entries(codes).map(([name, code]) => [code, name as Dtype]))

export const dtypeCode = (dtype: Dtype): number => codes[dtype]
export const dtypeName = (code: number): Dtype => {
  const name = names.get(code)
  if (name === undefined) throw new RangeError(`a dtype that no operation here makes: libtorch's number ${code}`)
  return name
}

export const dtypeBytes: Readonly<Record<Dtype, number>> = { uint8: 1, int64: 8, float16: 2, float32: 4, float64: 8, bool: 1, bfloat16: 2 }

/** -1 for the CPU, n for cuda:n, as the addon takes it. */
export const deviceCode = (device: Device): number => device === "cpu" ? -1 : Number(device.slice("cuda:".length))
