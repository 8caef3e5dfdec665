/** `released`: the handle was freed before this use. `invalid`: whatever no other code names. */
export type TensorErrorCode =
  | "shape" | "dtype" | "out_of_memory" | "device_lost" | "no_device" | "io" | "disk_full" | "non_finite" | "released" | "invalid"

/** Every failure of the native side. The code picks the response; `op` is the operation, `errno` the name of a failed system call's error ("" if none). */
export class TensorError extends Error {
  readonly code: TensorErrorCode
  readonly op: string
  readonly errno: string
  /** Bytes that were wanted, where the disk was full. */
  readonly needed: number | null
  constructor(code: TensorErrorCode, op: string, message: string, errno = "", needed = -1) {
    super(`${op}: ${message}`)
    this.name = "TensorError"
    this.code = code
    this.op = op
    this.errno = errno
    this.needed = needed >= 0 ? needed : null
  }
}
