/**
 * LPIPS on VGG16, the perceptual distance.
 *
 * Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (2018), version 0.1; Simonyan and
 * Zisserman, "Very Deep Convolutional Networks" (2014). Names: torchvision's `features.*` and the linear heads `lin*.model.1.weight`.
 *
 * Expected: tests/golden/stage1_tiny, loss within 1e-4 relative.
 */
import { conv2d } from "../nn/layers.ts"
import { type Spec, SpecBuilder } from "../nn/parameters.ts"
import { Weights } from "../nn/weights.ts"
import { lpipsDistance } from "../tensor/kernels.ts"
import * as T from "../tensor/ops.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

export interface LpipsConfig {
  /** Channels of the five stages; published: 64, 128, 256, 512, 512. */
  readonly widths: readonly [number, number, number, number, number]
}

export const vgg16: LpipsConfig = { widths: [64, 128, 256, 512, 512] }

/** Index of each convolution in torchvision's `features`, by stage; a 2 × 2 max pool precedes every stage but the first. */
const STAGES = [[0, 2], [5, 7], [10, 12, 14], [17, 19, 21], [24, 26, 28]] as const

/** Mean and deviation of LPIPS's scaling layer, for images in [-1,1]. */
const SHIFT = [-0.030, -0.088, -0.188]
const SCALE = [0.458, 0.448, 0.450]

export const lpipsSpec = ({ widths }: LpipsConfig): Spec => {
  const spec = new SpecBuilder()
  let inputs = 3
  for (const [stage, indices] of STAGES.entries()) {
    for (const index of indices) {
      spec.conv(`features.${index}`, widths[stage]!, inputs, [3, 3], Math.sqrt(2 / (9 * inputs)))
      inputs = widths[stage]!
    }
  }
  for (const [stage, width] of widths.entries()) spec.add(`lin${stage}.model.1.weight`, [1, width, 1, 1], { kind: "uniform", to: 2 / width })
  return {
    model: "lpips-vgg16", parameters: spec.parameters,
    // torchvision's classifier, that of timm, and LPIPS's constants
    ignored: [/^classifier\./, /^pre_logits\./, /^head\./, /^scaling_layer\./],
    // the LPIPS package's whole network cuts VGG16 into slices, each with the indices of `features`
    aliases: [[/^net\.slice[1-5]\.(?=\d)/, "features."]]
  }
}

const scaled = (x_B3HW: Tensor): Tensor => {
  const channel = (values: readonly number[]) => T.to(T.fromFloat32(Float32Array.from(values), [1, 3, 1, 1]), { device: x_B3HW.device })
  return T.channelsLast(T.div(T.sub(x_B3HW, channel(SHIFT)), channel(SCALE)))
}

/** Activations after the last convolution of each stage, of images in [-1,1]. */
export const vggTaps = (weights: ReadonlyMap<string, Tensor>, x_B3HW: Tensor): ReadonlyArray<Tensor> => scope(() => {
  const features = new Weights(weights).at("features")
  let x = scaled(x_B3HW)
  return STAGES.map((indices, stage) => {
    x = scope(() => {
      let y = stage === 0 ? x : T.maxPool2d(x, 2, 2)
      for (const index of indices) y = T.relu(conv2d(features.at(index), y, { padding: 1 }))
      return y
    })
    return x
  })
})

/** Mean perceptual distance between two sets of taps, a scalar tensor; differentiable by `a` only. */
export const tapDistance = (weights: ReadonlyMap<string, Tensor>, a: ReadonlyArray<Tensor>, b: ReadonlyArray<Tensor>): Tensor => scope(() => {
  const w = new Weights(weights)
  return a.map((tap, stage) => T.mean(lpipsDistance(tap, b[stage]!, w.get(`lin${stage}.model.1.weight`)))).reduce((sum, distance) => T.add(sum, distance))
})
