/** Flags of commands that encode and decode: which weights, and where they are looked for (src/cli/autoencoder-target.ts). */
import { list, oneOf, text, toggle, whole, type Values } from "./arguments.ts"
import { runsDir } from "./command.ts"

export const targetFlags = {
  weights: oneOf(["ema", "model"], "the moving average, or the weights under training (else the average)"),
  step: whole("N", "of the checkpoint of this step (else the newest)", 0),
  set: list("KEY=VALUE", "override one key of a CONFIG; may be repeated"),
  profile: oneOf(["tiny", "paper"], "size of the networks of a CONFIG"),
  "random-weights": toggle("random weights in place of a CONFIG's pretrained ones, for a trial"),
  "models-dir": text("DIR", "where pretrained files lie under their Hub names or published paths"),
  device: text("DEVICE", "cpu or cuda:N (else the run's)"),
  "runs-dir": runsDir
}
export type TargetFlags = Values<typeof targetFlags>
