/** Every kind of fault by name, and what a trial draws of them. */
import { type Draw, drawFor } from "../draw.ts"
import type { Fault, Plan, Shape } from "../fault.ts"
import { actors } from "./actors.ts"
import { commit } from "./commit.ts"
import { damage } from "./damage.ts"
import { disk } from "./disk.ts"
import { machine } from "./machine.ts"
import { notFinite } from "./not-finite.ts"
import { signals } from "./signals.ts"

const single: ReadonlyArray<Fault> = [...signals, ...commit, ...disk, ...damage, ...actors, notFinite, ...machine]

export interface Kind {
  readonly name: string
  readonly says: string
  readonly ends: Fault["ends"]
  /** What is done to one run, all at once; null where it cannot happen in a run of this shape. */
  readonly draw: (draw: Draw, shape: Shape) => ReadonlyArray<Plan> | null
}

const alone = ({ draw, ends, name, says }: Fault): Kind => ({
  name, says, ends,
  draw: (from, shape) => {
    const plan = draw(from, shape)
    return plan && [plan]
  }
})

const tries = 20

/** Two different ones, each at a moment of its own. */
const together = (among: ReadonlyArray<Fault>): Kind => ({
  name: "two-at-once", says: "two of those that combine, in one run", ends: "equal",
  draw: (draw, shape) => {
    for (let tried = 0; tried < tries; tried++) {
      const first = draw.pick(among)
      const second = draw.pick(among.filter((fault) => fault !== first))
      const plans = [first.draw(draw, shape), second.draw(draw, shape)].filter((plan) => plan !== null)
      if (plans.length === 2) return plans
    }
    return null
  }
})

export const kinds: ReadonlyArray<Kind> = [...single.map(alone), together(single.filter(({ combines }) => combines))]

export interface TrialPlan {
  readonly trial: number
  readonly kind: Kind
  readonly plans: ReadonlyArray<Plan>
}

/** The plan of a trial: a pure function of seed, trial, the kinds that may happen, and the shape of the run. Kinds take turns. */
export const planOf = (seed: number, trial: number, among: ReadonlyArray<Kind>, shape: Shape): TrialPlan | null => {
  const possible = among.filter((kind) => Array.from({ length: tries }, (_, i) => i).some((tried) => kind.draw(drawFor(seed, tried), shape) !== null))
  if (possible.length === 0) return null
  const kind = possible[(seed + trial) % possible.length]!
  const draw = drawFor(seed, trial)
  // The draws go on where one was not possible.
  for (let tried = 0; tried < tries; tried++) {
    const plans = kind.draw(draw, shape)
    if (plans !== null) return { trial, kind, plans }
  }
  return null
}
