/**
 * Inception v3 as the FID papers use it: TensorFlow's network of 2015-12-05 with 1008 classes, of which the 2048 pooled features are taken.
 *
 * Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2015); Heusel et al., "GANs Trained by a Two Time-Scale
 * Update Rule Converge to a Local Nash Equilibrium" (2017). Names and weights: pytorch-fid and torch-fidelity (the file
 * `…inception-2015-12-05-6726825d.pth`). It differs from torchvision's: average pools do not count what lies outside the image, the last
 * block pools by maxima, the resize is TensorFlow 1's.
 *
 * Expected: tests/golden/inception, features within 1e-4 relative.
 */
import { type Spec, SpecBuilder } from "../nn/parameters.ts"
import * as T from "../tensor/ops.ts"
import { keep, scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"

export const inceptionFeatures = 2048
const classes = 1008
const inputSize = 299
/** Of batch normalisation; torchvision's blocks state it. */
const epsilon = 1e-3

interface Convolution {
  readonly kind: "convolution"
  readonly name: string
  readonly outputs: number
  readonly kernel: readonly [number, number]
  readonly stride: number
  readonly padding: readonly [number, number]
}
type Layer =
  | Convolution
  /** 3 × 3, the size stays. */
  | { readonly kind: "average" | "largest" }
  /** 3 × 3, every other place, without what lies outside. */
  | { readonly kind: "halve" }
  /** Its results one behind the other, by channels. */
  | { readonly kind: "join"; readonly branches: ReadonlyArray<ReadonlyArray<Layer>> }

type Side = number | readonly [number, number]
const sides = (side: Side): readonly [number, number] => typeof side === "number" ? [side, side] : side

/** Size stays, unless `stride` or `padding` say otherwise. */
const conv = (name: string, outputs: number, kernel: Side, { padding, stride = 1 }: { readonly stride?: number; readonly padding?: number } = {}): Convolution => {
  const [height, width] = sides(kernel)
  return { kind: "convolution", name, outputs, kernel: [height, width], stride, padding: padding === undefined ? [(height - 1) / 2, (width - 1) / 2] : [padding, padding] }
}
const unpadded = { padding: 0 }
const halved = { padding: 0, stride: 2 }
const halve: Layer = { kind: "halve" }
const pooled = (pool: "average" | "largest", outputs: number): ReadonlyArray<Layer> => [{ kind: pool }, conv("branch_pool", outputs, 1)]
const forked = (name: string): Layer => ({ kind: "join", branches: [[conv(`${name}a`, 384, [1, 3])], [conv(`${name}b`, 384, [3, 1])]] })

/** The branches of a block; their convolutions' names stand under the block's. */
const block = (name: string, ...branches: ReadonlyArray<ReadonlyArray<Layer>>): Layer => {
  const under = (layer: Layer): Layer =>
    layer.kind === "convolution" ? { ...layer, name: `${name}.${layer.name}` } : layer.kind === "join" ? { ...layer, branches: layer.branches.map((branch) => branch.map(under)) } : layer
  return { kind: "join", branches: branches.map((branch) => branch.map(under)) }
}

const blockA = (name: string, pool: number) => block(name,
  [conv("branch1x1", 64, 1)],
  [conv("branch5x5_1", 48, 1), conv("branch5x5_2", 64, 5)],
  [conv("branch3x3dbl_1", 64, 1), conv("branch3x3dbl_2", 96, 3), conv("branch3x3dbl_3", 96, 3)],
  pooled("average", pool))
const blockB = (name: string) => block(name,
  [conv("branch3x3", 384, 3, halved)],
  [conv("branch3x3dbl_1", 64, 1), conv("branch3x3dbl_2", 96, 3), conv("branch3x3dbl_3", 96, 3, halved)],
  [halve])
const blockC = (name: string, width: number) => block(name,
  [conv("branch1x1", 192, 1)],
  [conv("branch7x7_1", width, 1), conv("branch7x7_2", width, [1, 7]), conv("branch7x7_3", 192, [7, 1])],
  [
    conv("branch7x7dbl_1", width, 1), conv("branch7x7dbl_2", width, [7, 1]), conv("branch7x7dbl_3", width, [1, 7]), conv("branch7x7dbl_4", width, [7, 1]),
    conv("branch7x7dbl_5", 192, [1, 7])
  ],
  pooled("average", 192))
const blockD = (name: string) => block(name,
  [conv("branch3x3_1", 192, 1), conv("branch3x3_2", 320, 3, halved)],
  [conv("branch7x7x3_1", 192, 1), conv("branch7x7x3_2", 192, [1, 7]), conv("branch7x7x3_3", 192, [7, 1]), conv("branch7x7x3_4", 192, 3, halved)],
  [halve])
const blockE = (name: string, pool: "average" | "largest") => block(name,
  [conv("branch1x1", 320, 1)],
  [conv("branch3x3_1", 384, 1), forked("branch3x3_2")],
  [conv("branch3x3dbl_1", 448, 1), conv("branch3x3dbl_2", 384, 3), forked("branch3x3dbl_3")],
  pooled(pool, 192))

/** From [B,3,299,299] to [B,2048,8,8]. */
const network: ReadonlyArray<Layer> = [
  conv("Conv2d_1a_3x3", 32, 3, halved), conv("Conv2d_2a_3x3", 32, 3, unpadded), conv("Conv2d_2b_3x3", 64, 3), halve,
  conv("Conv2d_3b_1x1", 80, 1), conv("Conv2d_4a_3x3", 192, 3, unpadded), halve,
  blockA("Mixed_5b", 32), blockA("Mixed_5c", 64), blockA("Mixed_5d", 64), blockB("Mixed_6a"),
  blockC("Mixed_6b", 128), blockC("Mixed_6c", 160), blockC("Mixed_6d", 160), blockC("Mixed_6e", 192), blockD("Mixed_7a"),
  blockE("Mixed_7b", "average"), blockE("Mixed_7c", "largest")
]

/** Calls `see` with every convolution and its inputs; returns the channels behind the layers. */
const walk = (layers: ReadonlyArray<Layer>, channels: number, see: (convolution: Convolution, inputs: number) => void): number =>
  layers.reduce((inputs, layer) => {
    if (layer.kind === "join") return layer.branches.reduce((sum, branch) => sum + walk(branch, inputs, see), 0)
    if (layer.kind !== "convolution") return inputs
    see(layer, inputs)
    return layer.outputs
  }, channels)

export const inceptionSpec = (): Spec => {
  const spec = new SpecBuilder()
  walk(network, 3, ({ kernel, name, outputs }, inputs) => {
    spec.add(`${name}.conv.weight`, [outputs, inputs, ...kernel], { kind: "normal", std: Math.sqrt(2 / (inputs * kernel[0] * kernel[1])) }, "product")
    spec.norm(`${name}.bn`, outputs)
    spec.add(`${name}.bn.running_mean`, [outputs], { kind: "constant", value: 0 })
    spec.add(`${name}.bn.running_var`, [outputs], { kind: "constant", value: 1 })
  })
  // Not computed with: its 1008 classes tell this network from torchvision's, which has 1000 and the same names.
  spec.linear("fc", classes, inceptionFeatures)
  return { model: "inception-v3-fid", parameters: spec.parameters, ignored: [/\.num_batches_tracked$/] }
}

/**
 * TensorFlow 1's bilinear resize (no half-pixel centres, nothing widened where it shrinks), in float32 and in the order of torch-fidelity, which
 * it equals bit for bit: [B,C,H,W] to [B,C,side,side].
 */
export const resizeLikeTensorFlow = (x_BCHW: Tensor, side: number): Tensor => scope(() => {
  const along = (x: Tensor, dim: 2 | 3): Tensor => {
    const size = x.shape[dim]!
    const scale = Math.fround(size / side)
    const places = Array.from({ length: side }, (_, i) => Math.fround(i * scale))
    const low = places.map(Math.floor)
    const at = (indices: ReadonlyArray<number>) => T.indexSelect(x, dim, T.to(T.fromInt64(indices, [side]), { device: x.device }))
    const [a, b] = [at(low), at(low.map((index) => Math.min(index + 1, size - 1)))]
    const part = T.to(T.fromFloat32(Float32Array.from(places, (place, i) => place - low[i]!), dim === 2 ? [1, 1, side, 1] : [1, 1, 1, side]), { device: x.device })
    return T.add(a, T.mul(T.sub(b, a), part))
  }
  return along(along(x_BCHW, 3), 2)
})

export class Inception {
  /** Weight and bias by the convolution's name, with the normalisation behind it folded in. */
  readonly #folded: ReadonlyMap<string, readonly [Tensor, Tensor]>

  /** Weights under the names of inceptionSpec, in float32; taken over. */
  constructor(weights: ReadonlyMap<string, Tensor>) {
    const folded = new Map<string, readonly [Tensor, Tensor]>()
    walk(network, 3, ({ name, outputs }) => {
      const get = (of: string) => weights.get(`${name}.${of}`)!
      const [weight, bias] = scope(() => {
        const scale = T.div(get("bn.weight"), T.sqrt(T.add(get("bn.running_var"), epsilon)))
        const product = T.mul(get("conv.weight"), T.view(scale, [outputs, 1, 1, 1]))
        return [T.channelsLast(product), T.sub(get("bn.bias"), T.mul(get("bn.running_mean"), scale))] as const
      })
      folded.set(name, [keep(weight), keep(bias)])
    })
    for (const weight of weights.values()) weight.dispose()
    this.#folded = folded
  }

  /** Images [B,3,H,W] in [0,1], in steps of 1/255, to features [B,2048] in float32. */
  features(images_B3HW: Tensor): Tensor {
    return scope(() => {
      const bytes = T.round(T.mul(images_B3HW, 255))
      const x = T.div(T.sub(resizeLikeTensorFlow(bytes, inputSize), 128), 128)
      return T.mean(this.#apply(network, T.channelsLast(x)), [2, 3])
    })
  }

  #apply(layers: ReadonlyArray<Layer>, x: Tensor): Tensor {
    return layers.reduce((input, layer) => scope(() => {
      switch (layer.kind) {
        case "convolution": {
          const [weight, bias] = this.#folded.get(layer.name)!
          return T.relu(T.conv2d(input, weight, bias, layer))
        }
        case "average": return T.avgPool2d(input, 3, 1, 1)
        // behind a relu nothing is below zero, so zeros outside change no maximum
        case "largest": return T.maxPool2d(T.pad(input, [1, 1, 1, 1]), 3, 1)
        case "halve": return T.maxPool2d(input, 3, 2)
        case "join": return T.cat(layer.branches.map((branch) => this.#apply(branch, input)), 1)
      }
    }), x)
  }

  dispose(): void {
    for (const [weight, bias] of this.#folded.values()) {
      weight.dispose()
      bias.dispose()
    }
  }
}
