/** Learned position embeddings of a square grid of patches, for images of another size than they were trained for. */
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

/** [1, side², C] to [1, h·w, C] by bicubic interpolation, as Hugging Face does it: with antialiasing in DINOv2, without in MAE and SigLIP. */
export const resizedPositions = (trained_1NC: Tensor, h: number, width: number, antialias: boolean): Tensor => {
  const [, count, C] = trained_1NC.shape as [number, number, number]
  const side = Math.round(Math.sqrt(count))
  if (h === side && width === side) return trained_1NC
  return scope(() => {
    const grid_1CHW = T.permute(T.reshape(trained_1NC, [1, side, side, C]), [0, 3, 1, 2])
    return T.transpose(T.flatten(T.interpolate(grid_1CHW, [h, width], "bicubic", { antialias }), 2), 1, 2)
  })
}
