/** `rae stats`: what it takes. */
import { list, oneOf, text, toggle, type Parsed } from "./arguments.ts"
import { command, jsonFlag } from "./command.ts"

const statsFlags = {
  data: text("DIR", "folder of class folders of images"),
  output: text("FILE", "where to write them (else ./stat.pt)", "o"),
  set: list("KEY=VALUE", "override one config key; may be repeated"),
  profile: oneOf(["tiny", "paper"], "size of the networks"),
  device: text("DEVICE", "cpu or cuda:N"),
  "random-weights": toggle("a random encoder, for a trial"),
  "models-dir": text("DIR", "where pretrained files lie under their Hub names or published paths"),
  json: jsonFlag
}
export type StatsInput = Parsed<typeof statsFlags>

export const statsCommand = command({
  name: "stats",
  summary: "mean and variance of the latents over a folder, in the published stat.pt layout",
  operand: { name: "CONFIG", help: "a config file (YAML)", required: true },
  flags: statsFlags,
  examples: [{ command: "rae stats config.yaml --data train -o models/stats/own/stat.pt", does: "for `normalization_stat_path`; the same command goes on when interrupted" }],
  load: async () => (await import("./stats.ts")).stats
})
