/** `--set key=value` as a layer of configuration. */
import { problemAt, type Source } from "./problem.ts"
import { nest, type Branch } from "./tree.ts"
import { readYaml, type Read } from "./yaml-source.ts"

/** The value is YAML: `--set gan.loss.disc_weight=0`, `--set 'training.optimizer.betas=[0.9, 0.99]'`. */
export const readSetting = (setting: string, option = "--set"): Read<Branch> => {
  const source: Source = { name: option, text: setting }
  const equals = setting.indexOf("=")
  const key = setting.slice(0, equals).trimEnd()
  if (equals < 1 || !/^[^.\s]+(\.[^.\s]+)*$/.test(key)) {
    return { ok: false, problems: [problemAt({ source, from: 0, to: setting.length }, `expected key=value after ${option}`, "for example: --set training.optimizer.lr=1e-4")] }
  }
  const value = readYaml(source, equals + 1)
  return value.ok ? { ok: true, value: nest(key, { source, from: 0, to: key.length }, value.value) } : value
}
