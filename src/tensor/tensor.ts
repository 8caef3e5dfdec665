import { dtypeName, type Device, type Dtype } from "./dtype.ts"
import { native } from "./native.ts"

/**
 * A tensor by its handle: slot and generation in the addon's table. Its lifetime is explicit: `dispose`, `using` or the scope it was made
 * in (scope.ts) frees it; after that any use throws TensorError `released`.
 */
export class Tensor {
  readonly handle: number
  /** Taken out of all scopes by `keep`. */
  kept = false

  constructor(handle: number) {
    this.handle = handle
  }
  get shape(): readonly number[] {
    return native.shape(this.handle)
  }
  get dtype(): Dtype {
    return dtypeName(native.dtype(this.handle))
  }
  get device(): Device {
    return native.device(this.handle) as Device
  }
  /** Number of elements. */
  get size(): number {
    return native.size(this.handle)
  }
  get isLive(): boolean {
    return native.isLive(this.handle)
  }
  /** Frees the handle; harmless where it is already freed. */
  dispose(): void {
    native.release(this.handle)
  }
  [Symbol.dispose](): void {
    native.release(this.handle)
  }
}
