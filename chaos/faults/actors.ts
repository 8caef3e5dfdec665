/** Actors of the engine that throw in one of their operations. */
import type { EngineChild } from "../../actors/tree.ts"
import type { Draw } from "../draw.ts"
import { isOf } from "../fingerprint.ts"
import { at, type Fault, type Seen, type Shape, stepMoment } from "../fault.ts"

/** How often an operation is called in a run. */
const calls = {
  step: ({ steps, variants }: Shape) => Math.floor(steps.length / variants.length),
  save: ({ commits, variants }: Shape) => Math.floor(commits.length / variants.length),
  evaluation: ({ evaluations, variants }: Shape) => Math.floor(evaluations / variants.length),
  run: () => 1
} as const

type Operations = Readonly<Record<string, keyof typeof calls>>

/** At the end of a run, the evaluation that failed is all that tells of its actor. */
const wentDown = ({ events }: Seen): ReadonlySet<string> => new Set(events.flatMap((event) => isOf("supervisor.child_down")(event) ? [event.offender] : isOf("eval.failed")(event) ? ["evaluator"] : []))

const throws = (actor: EngineChild, name: string, operations: Operations): Fault => ({
  name: `actor-${name}`, says: `the actor ${actor} throws in an operation`, combines: true, ends: "equal",
  draw: (draw: Draw, shape: Shape) => {
    const [operation, how] = draw.pick(Object.entries(operations))
    const most = calls[how](shape)
    if (most < 1) return null
    const place = `${actor}.${operation}@${draw.whole(1, most)}`
    return {
      text: `${place} throws`, moment: { _tag: "FromStart" }, actorFaults: [place],
      // How many saves there are hangs on the disk; every other call comes, unless a second fault ends the process that counts them.
      struck: (seen) => (how !== "save" && seen.alone) || wentDown(seen).has(actor),
      complaints: (seen) => {
        if (!seen.alone) return []
        const down = wentDown(seen)
        // It may take the trainer, which waits for its answer, with it; the engine stays.
        return [...(down.has(actor) ? [] : [`${actor} did not go down`]), ...(down.has("engine") ? ["the engine went down with an actor"] : [])]
      }
    }
  }
})

/** The same at any moment of a run, on request. */
const liveThrow: Fault = {
  name: "actor-live", says: "an actor throws in the operation that it does next", combines: true, ends: "equal",
  draw: (draw, shape) => {
    const actor = draw.pick(["generator", "discriminator", "ema", "data_loader", "feature_cache"] as const)
    const moment = stepMoment(draw, shape)
    return {
      text: `${actor} throws in its next operation ${at(moment)}`, moment,
      act: (scene) => scene.strike(["supervisor.child_down"], () => scene.inject(`crash:${actor}`)),
      // A next operation may not have come.
      struck: (seen) => wentDown(seen).has(actor)
    }
  }
}

export const actors: ReadonlyArray<Fault> = [
  liveThrow,
  throws("generator", "generator", { forward: "step", adaptiveWeight: "step", backward: "step", update: "step", weights: "step", reconstruct: "step", saved: "save" }),
  throws("discriminator", "discriminator", { judge: "step", learn: "step", saved: "save" }),
  throws("ema", "ema", { follow: "step", saved: "save" }),
  throws("data_loader", "loader", { batch: "step" }),
  throws("feature_cache", "cache", { features: "step", usage: "run" }),
  throws("evaluator", "evaluator", { evaluate: "evaluation" })
]
