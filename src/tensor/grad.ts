/** Gradients through libtorch's autograd. Nothing is recorded outside `enableGrad`. */
import { native } from "./native.ts"
import { made } from "./scope.ts"
import type { Tensor } from "./tensor.ts"

const inMode = <A>(on: boolean, f: () => A): A => {
  const before = native.setGradMode(on)
  try {
    return f()
  } finally {
    native.setGradMode(before)
  }
}

/** Runs `f` with operations recorded wherever an argument requires a gradient. */
export const enableGrad = <A>(f: () => A): A => inMode(true, f)
export const noGrad = <A>(f: () => A): A => inMode(false, f)

/** An alias of the same memory that requires a gradient: the variable to differentiate by. */
export const leaf = (t: Tensor): Tensor => made(native.leaf(t.handle))
/** An alias of the same memory cut off from the graph. */
export const detach = (t: Tensor): Tensor => made(native.detach(t.handle))
export const requiresGrad = (t: Tensor): boolean => native.requiresGrad(t.handle)

const handles = (ts: readonly Tensor[]) => ts.map((t) => t.handle)

/**
 * For every input, the sum over the outputs of gradOutput · ∂output/∂input. Frees the graph unless `retainGraph`. An input that no
 * output depends on is an error.
 */
export const grad = (
  outputs: readonly Tensor[], inputs: readonly Tensor[], gradOutputs: readonly Tensor[], options: { readonly retainGraph?: boolean } = {}
): Tensor[] => native.grad(handles(outputs), handles(inputs), handles(gradOutputs), options.retainGraph ?? false).map(made)
