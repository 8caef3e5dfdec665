/** Compares a golden file's outputs with those of the project's step, each against its tolerance. */
import type { Precision } from "../src/nn/precision.ts"
import type { Device } from "../src/tensor/dtype.ts"
import * as T from "../src/tensor/ops.ts"
import { keep, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { type SafetensorsFile, openSafetensors } from "../src/tensor/weights.ts"
import type { Hyperparameters } from "../src/train/step.ts"
import {
  type Comparison, type GoldenRoles, type GoldenSettings, type GoldenStepOptions, goldenHyperparameters, goldenRoles, goldenSettings, goldenSteps, InvalidGolden, runGoldenStep
} from "./golden-step.ts"

/**
 * Right float32 implementations meet these: L2 errors relative to the output (gradients: to the whole gradient). The discriminator's
 * weights have 1e-5 too in the reference's notes, but the reference with two threads is up to 1e-4 from itself with one: the file
 * has no gradients of theirs to go on from, and a kink of the heads moves a channel's by some per cent (docs/lab-log.md).
 */
const FP32 = { output: 1e-4, gradient: 1e-4, weight: 1e-5, discriminator: 1e-4 }
/** What plain PyTorch under autocast differs from float32 by; bounds hold for the first step, later ones drift apart. */
const BF16 = { z: 1e-2, recon: 1e-2, loss: 3e-2, weight: 0.1, logits: 0.15, cosine: 0.1 }

const tolerance = (precision: Precision, step: number, name: string): number | null => {
  if (precision === "fp32") return FP32.output
  if (step > 0) return null
  if (name === "z" || name === "recon") return BF16[name]
  return name.startsWith("logits") ? BF16.logits : name === "adaptive_weight" ? BF16.weight : BF16.loss
}

/** On the CPU, where the file's values are. */
const float = (t: Tensor) => T.to(t, { dtype: "float32", device: "cpu" })
const norm = (t: Tensor): number => scope(() => T.item(T.norm(float(t))))
const distance = (a: Tensor, b: Tensor): number => scope(() => norm(T.sub(T.reshape(float(a), b.shape), b)))
const dot = (a: Tensor, b: Tensor): number => scope(() => T.item(T.sum(T.mul(float(a), b))))
const relative = (error: number, size: number): number => (error === 0 ? 0 : error / size)

/**
 * Weights whose gradient is zero in exact arithmetic: softmax does not see key biases, and the norm after a convolution of the
 * heads takes its bias out again. What is computed is rounding noise, of which AdamW makes steps of up to its rate: two right
 * implementations may be apart by all of that, and they differ in nothing else.
 */
const vanishing = /attention\.key\.bias$|^final\.disc\.heads\.\d+\.(0\.0|1\.fn\.0)\.bias$/

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

/** How a test breaks the step, to see that the comparison tells. */
export interface Changes extends Pick<GoldenStepOptions, "change"> {
  readonly settings?: Partial<GoldenSettings>
  readonly hyper?: Partial<Hyperparameters>
  /** Instead of NUDGES. */
  readonly nudges?: ReadonlyArray<number>
}

/** What the file decided between two values that float32 cannot tell apart, in one step. */
export interface Rounding {
  /** 8-bit values of the fakes that lie on a rounding boundary, and how many of them were taken to their other side. */
  readonly ambiguous: number
  readonly moved: number
  /** Units in the last place by which the latents were changed; 0 where the step was met as it is. */
  readonly nudge: number
}

export interface GoldenComparison {
  readonly outputs: ReadonlyArray<Comparison>
  /** By step. */
  readonly rounding: ReadonlyArray<Rounding>
}

/**
 * Changes of the latents by units in their last place, tried in this order on a step that is beyond tolerance.
 *
 * The losses have kinks (leaky ReLU, ReLU, max pool, |x|): where an activation lies within rounding of one, the gradient is either of
 * two, a thousandth or more apart, and which one depends on the order in which a BLAS adds. A step counts as met where it gives all
 * of the file's values at once from latents changed by no more than float32's own error (16 units are 2e-6; at the heads'
 * kinks it is 4e-6 of the activations' deviation).
 */
const NUDGES = [1, -1, 2, -2, 3, -3, 4, -4, 8, -8, 16, -16]

/** Everything that the file holds an expected value of. */
export const compareGolden = (path: string, precision: Precision, changes: Changes = {}, device: Device = "cpu"): GoldenComparison => {
  using file = openSafetensors(path)
  const roles = goldenRoles(file, path, precision, { ...goldenSettings(file), ...changes.settings }, device)
  try {
    const steps = Array.from({ length: goldenSteps(file) }, (_, step) => step)
    const small = new Map<string, ReadonlySet<number>>()
    const compared = steps.map((step) => {
      const before = stateOf(roles)
      let met = compareStep(file, roles, step, precision, changes, 0)
      for (const nudge of precision === "fp32" ? changes.nudges ?? NUDGES : []) {
        if (!met.outputs.some(beyond)) break
        before.restore()
        met = compareStep(file, roles, step, precision, changes, nudge)
      }
      if (met.outputs.some(beyond) && met.rounding.nudge !== 0) {
        before.restore()
        met = compareStep(file, roles, step, precision, changes, 0)
      }
      before.dispose()
      if (step === 0) for (const [name, elements] of smallGradients(roles)) small.set(name, elements)
      return met
    })
    return { outputs: [...compared.flatMap(({ outputs }) => outputs), ...finalWeights(file, roles, precision, small)], rounding: compared.map(({ rounding }) => rounding) }
  } finally {
    for (const role of Object.values(roles)) role.dispose()
  }
}

/** A copy of all that a step writes, to run it again from. */
const stateOf = ({ generator, discriminator, ema }: GoldenRoles) => {
  const state = new Map([...generator.state(), ...discriminator.state(), ...ema.state()].map(([name, tensor]) => [name, keep(T.clone(tensor))]))
  const counters = { ...generator.counters(), ...discriminator.counters() }
  return {
    restore() {
      generator.load(state, counters)
      discriminator.load(state, counters)
      ema.load(state)
    },
    dispose() {
      for (const tensor of state.values()) tensor.dispose()
    }
  }
}

const compareStep = (file: SafetensorsFile, roles: GoldenRoles, step: number, precision: Precision, { change, hyper }: Changes, nudge: number) => scope(() => {
  const tensors = new Map<string, Tensor>()
  const given = goldenHyperparameters(file)
  let rounding: Rounding = { ambiguous: 0, moved: 0, nudge }
  const { losses, weight } = runGoldenStep(file, roles, step, {
    outputs: tensors, nudge, hyper: { ...given, ...hyper },
    ...(change === undefined ? {} : { change }),
    ...(precision === "fp32" ? { gradientsFromFile: true, roundAsInFile: ({ ambiguous, moved }) => { rounding = { ambiguous, moved, nudge } } } : {})
  })
  const expected = (name: string) => file.read(`step${step}.out.${name}`)
  const want = (name: string) => T.item(expected(name))
  const scalars = { rec_loss: losses.rec, lpips_loss: losses.lpips, gan_loss: losses.gan, adaptive_weight: weight, total_loss: losses.total, disc_loss: losses.disc }
  const outputs: Array<Comparison> = Object.entries(scalars).map(([name, value]) => {
    // the total's terms all but cancel: its error is that of their sizes
    const size = name === "total_loss"
      ? given.perceptualWeight * Math.abs(want("lpips_loss")) + want("rec_loss") + given.discWeight * want("adaptive_weight") * Math.abs(want("gan_loss"))
      : Math.abs(want(name))
    return { name: `step${step}.${name}`, error: relative(Math.abs((value ?? Number.NaN) - want(name)), size), tolerance: tolerance(precision, step, name) }
  })
  for (const name of ["z", "recon", "logits_fake", "logits_real"]) {
    const got = tensors.get(name)
    if (got === undefined) throw new InvalidGolden(`the step gave no ${name}`)
    outputs.push({ name: `step${step}.${name}`, error: relative(distance(got, expected(name)), norm(expected(name))), tolerance: tolerance(precision, step, name) })
  }
  if (step === 0) outputs.push(...gradients(file, tensors, precision))
  for (const tensor of tensors.values()) tensor.dispose()
  return { outputs, rounding }
})

/** A gradient below this share of its tensor's root mean square may have either sign: a kink of the heads moves gradients by as much. */
const SMALL = 1e-2

/**
 * Elements of the discriminator's weights whose first gradient is so near to zero that rounding decides its sign. AdamW's first
 * update is that sign, so two right implementations may be two rates apart in them. The file holds no gradients of the
 * discriminator; its second moments after one update are their squares.
 */
const smallGradients = ({ discriminator }: GoldenRoles): ReadonlyMap<string, ReadonlySet<number>> => {
  const prefix = "optimizer.disc.v."
  return new Map(Array.from(discriminator.state()).filter(([name]) => name.startsWith(prefix)).map(([name, moments]) => {
    const squares = T.toFloat32(moments)
    const limit = SMALL ** 2 * (squares.reduce((sum, square) => sum + square, 0) / squares.length)
    return [`final.disc.${name.slice(prefix.length)}`, new Set([...squares.entries()].filter(([, square]) => square < limit).map(([i]) => i))]
  }))
}

/** L2 distance, leaving out the elements in `small` that are within `walk` of where they should be. */
const weightDistance = (got: Tensor, expected: Tensor, small: ReadonlySet<number> | undefined, walk: number): number => scope(() =>
  Math.sqrt(T.toFloat32(T.abs(T.sub(float(got), expected))).reduce((sum, difference, i) => (small?.has(i) === true && difference <= walk ? sum : sum + difference ** 2), 0)))

const finalWeights = (file: SafetensorsFile, roles: GoldenRoles, precision: Precision, small: ReadonlyMap<string, ReadonlySet<number>>): ReadonlyArray<Comparison> => {
  const final = new Map([...roles.generator.state(), ...roles.ema.state(), ...roles.discriminator.state()])
  const walk = 2 * goldenSteps(file) * goldenSettings(file).lr
  return [...file.tensors.keys()].filter((name) => name.startsWith("final.")).map((name) => scope(() => {
    const expected = file.read(name)
    const got = final.get(name.slice("final.".length))
    if (got === undefined) throw new InvalidGolden(`the roles have no state named ${name}`)
    if (vanishing.test(name)) return { name: `${name} (largest difference)`, error: T.maxAbs(T.sub(float(got), expected)), tolerance: walk }
    const bound = name.startsWith("final.disc.") ? FP32.discriminator : FP32.weight
    return { name, error: relative(weightDistance(got, expected, small.get(name), walk), norm(expected)), tolerance: precision === "fp32" ? bound : null }
  }))
}
