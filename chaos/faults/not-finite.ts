/** A batch that is not a number: the one fault that must not end equal, because what it would have taught is passed over. */
import { isOf, stepKey } from "../fingerprint.ts"
import { at, type Fault, stepMoment } from "../fault.ts"

export const notFinite: Fault = {
  name: "not-finite", says: "the images of a batch are not a number: that step is passed over, and the run ends finite", combines: false, ends: "finite",
  draw: (draw, shape) => {
    const moment = stepMoment(draw, shape)
    return {
      text: `the batch ${at(moment)} is not a number`, moment,
      act: (scene) => scene.strike(["supervisor.child_down"], () => scene.inject("not-finite")),
      complaints: ({ events, shape: { steps } }) => {
        const logged = events.filter(isOf("train.step"))
        const passedOver = steps.length - new Set(logged.map(({ run, step }) => stepKey(run, step))).size
        return [
          ...(passedOver === 1 ? [] : [`${passedOver} steps passed over, expected 1`]),
          ...(logged.every(({ total }) => Number.isFinite(total)) ? [] : ["a loss that is not finite was trained on"])
        ]
      }
    }
  }
}
