/** LPIPS of each image of a batch, by the loss's own VGG. */
import { tapDistance, vggTaps } from "../models/lpips.ts"
import { signed } from "../models/image-space.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

/** Images [B,3,H,W] in [0,1], float32; weights under the names of lpipsSpec. */
export const lpips = (weights: ReadonlyMap<string, Tensor>, a: Tensor, b: Tensor): ReadonlyArray<number> =>
  Array.from({ length: a.shape[0] ?? 0 }, (_, i) => scope(() => {
    const taps = (images: Tensor) => vggTaps(weights, signed(T.narrow(images, 0, i, 1)))
    return T.item(tapDistance(weights, taps(a), taps(b)))
  }))
