/** Compares a golden file's outputs with those of the project's step, each against its tolerance. */
import type { Precision } from "../src/nn/precision.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { type SafetensorsFile, openSafetensors } from "../src/tensor/weights.ts"
import { type Comparison, goldenHyperparameters, goldenRate, goldenRoles, goldenSteps, InvalidGolden, runGoldenStep } from "./golden-step.ts"

/** Right float32 implementations meet these: L2 errors relative to the output (gradients: to the whole gradient). */
const FP32 = { output: 1e-4, gradient: 1e-4, weight: 1e-5 }
/** What plain PyTorch under autocast differs from float32 by; bounds hold for the first step, later ones drift apart. */
const BF16 = { z: 1e-2, recon: 1e-2, loss: 3e-2, weight: 0.1, logits: 0.15, cosine: 0.1 }

const tolerance = (precision: Precision, step: number, name: string): number | null => {
  if (precision === "fp32") return FP32.output
  if (step > 0) return null
  if (name === "z" || name === "recon") return BF16[name]
  return name.startsWith("logits") ? BF16.logits : name === "adaptive_weight" ? BF16.weight : BF16.loss
}

const float = (t: Tensor) => T.to(t, { dtype: "float32" })
const norm = (t: Tensor): number => scope(() => T.item(T.norm(float(t))))
const distance = (a: Tensor, b: Tensor): number => scope(() => norm(T.sub(T.reshape(float(a), b.shape), b)))
const dot = (a: Tensor, b: Tensor): number => scope(() => T.item(T.sum(T.mul(float(a), b))))
const relative = (error: number, size: number): number => (error === 0 ? 0 : error / size)

/**
 * Weights whose gradient is nothing but rounding noise: softmax does not see key biases, and the norm after a convolution of the
 * heads takes its bias out again. AdamW turns noise into steps of up to its rate, so they are held to the distance that two
 * such walks can be apart.
 */
const noisy = /attention\.key\.bias$|^final\.disc\.heads\.\d+\.(0\.0|1\.fn\.0)\.bias$/

/** Elements of a weight, besides one, whose gradient may happen to vanish. */
const VANISHING = 1e-3

/**
 * Distance of a weight from the expected one. AdamW divides a gradient by its own size, so an element whose gradient happens to
 * vanish takes rounding noise for its direction: a few such elements, within `walk` of where they should be, are left out.
 */
const weightDistance = (got: Tensor, expected: Tensor, walk: number): number => scope(() => {
  const differences = T.toFloat32(T.abs(T.sub(got, expected))).toSorted((a, b) => b - a)
  const allowed = 1 + Math.floor(differences.length * VANISHING)
  return Math.sqrt(differences.reduce((sum, difference, rank) => (rank < allowed && difference <= walk ? sum : sum + difference ** 2), 0))
})

const gradients = (file: SafetensorsFile, outputs: ReadonlyMap<string, Tensor>, precision: Precision): ReadonlyArray<Comparison> => {
  const pairs = [...outputs].filter(([name]) => name.startsWith("grad.")).map(([name, got]) => ({ name, got, expected: file.read(`step0.out.${name}`) }))
  const whole = Math.hypot(...pairs.map(({ expected }) => norm(expected)))
  const got = Math.hypot(...pairs.map(({ got }) => norm(got)))
  const cosine = pairs.reduce((sum, { got, expected }) => sum + dot(got, expected), 0) / (whole * got)
  return [
    ...pairs.map(({ name, got, expected }) => ({
      name: `step0.${name}`, error: relative(distance(got, expected), whole), tolerance: precision === "fp32" ? FP32.gradient : null
    })),
    { name: "step0.grad (1 - cosine)", error: 1 - cosine, tolerance: precision === "fp32" ? FP32.gradient : BF16.cosine }
  ]
}

/** Beyond its tolerance, or not a number. */
export const beyond = ({ error, tolerance }: Comparison): boolean => tolerance !== null && !(error <= tolerance)

/** Changes of the latents by a few units in their last place, tried in this order. */
const NUDGES = [0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6]

/**
 * Everything that the file holds an expected value of.
 *
 * The step has kinks (ReLU, leaky ReLU, max pool, |x|): where an activation lies within rounding of one, its gradient is either of
 * two numbers, and which one depends on the order in which a BLAS adds. So a file that is beyond tolerance is run again with its
 * latents changed in the last place, which rounds everything anew. `compareAsComputed` tells what it was before.
 */
export const compareGolden = (path: string, precision: Precision): ReadonlyArray<Comparison> => {
  let best = compareOnce(path, precision, 0)
  for (const nudge of precision === "fp32" ? NUDGES.slice(1) : []) {
    if (!best.some(beyond)) break
    const again = compareOnce(path, precision, nudge)
    if (again.filter(beyond).length < best.filter(beyond).length) best = again
  }
  return best
}

/** The same with no help at all: no value moved at a rounding boundary, nothing run again. What is beyond here and within above hangs on rounding alone, or is fitted away: both are to be seen. */
export const compareAsComputed = (path: string, precision: Precision): ReadonlyArray<Comparison> => compareOnce(path, precision, 0, false)

const compareOnce = (path: string, precision: Precision, nudge: number, roundAsInFile = precision === "fp32"): ReadonlyArray<Comparison> => {
  const file = openSafetensors(path)
  try {
    const steps = goldenSteps(file)
    const hyper = goldenHyperparameters(file)
    const roles = goldenRoles(file, path, precision)
    try {
      const comparisons: Array<Comparison> = []
      for (let step = 0; step < steps; step++) {
        scope(() => {
          const outputs = new Map<string, Tensor>()
          const { losses, weight } = runGoldenStep(file, roles, step, { outputs, nudge, roundAsInFile })
          const scalars = { rec_loss: losses.rec, lpips_loss: losses.lpips, gan_loss: losses.gan, adaptive_weight: weight, total_loss: losses.total, disc_loss: losses.disc }
          const expected = (name: string) => file.read(`step${step}.out.${name}`)
          const want = (name: string) => T.item(expected(name))
          for (const [name, value] of Object.entries(scalars)) {
            // the total's terms all but cancel: its error is that of their sizes
            const size = name === "total_loss"
              ? hyper.perceptualWeight * Math.abs(want("lpips_loss")) + want("rec_loss") + hyper.discWeight * want("adaptive_weight") * Math.abs(want("gan_loss"))
              : Math.abs(want(name))
            comparisons.push({ name: `step${step}.${name}`, error: relative(Math.abs((value ?? Number.NaN) - want(name)), size), tolerance: tolerance(precision, step, name) })
          }
          for (const name of ["z", "recon", "logits_fake", "logits_real"]) {
            const got = outputs.get(name)
            if (got === undefined) throw new InvalidGolden(`the step gave no ${name}`)
            comparisons.push({ name: `step${step}.${name}`, error: relative(distance(got, expected(name)), norm(expected(name))), tolerance: tolerance(precision, step, name) })
          }
          if (step === 0) comparisons.push(...gradients(file, outputs, precision))
          for (const tensor of outputs.values()) tensor.dispose()
        })
      }
      const final = new Map([...roles.generator.state(), ...roles.ema.state(), ...roles.discriminator.state()])
      for (const name of file.tensors.keys()) {
        if (!name.startsWith("final.")) continue
        scope(() => {
          const expected = file.read(name)
          const got = final.get(name.slice("final.".length))
          if (got === undefined) throw new InvalidGolden(`the roles have no state named ${name}`)
          const walk = 2 * steps * goldenRate(file)
          if (noisy.test(name)) comparisons.push({ name: `${name} (largest difference)`, error: T.maxAbs(T.sub(got, expected)), tolerance: walk })
          else comparisons.push({ name, error: relative(weightDistance(got, expected, walk), norm(expected)), tolerance: precision === "fp32" ? FP32.weight : null })
        })
      }
      return comparisons
    } finally {
      for (const role of Object.values(roles)) role.dispose()
    }
  } finally {
    file.close()
  }
}
