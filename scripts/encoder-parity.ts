/**
 * npm run parity -- --encoder DIR … [--json]
 *
 * Runs an encoder on what another library computed: DIR holds `config.json`, weights in any published format, and `golden.safetensors`
 * with `in.NAME` (normalised pixels [B,3,S,S]) and `out.NAME` (patch tokens [B,N,C]).
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { architectureOf } from "../src/config/architecture.ts"
import { decode } from "../src/config/decode.ts"
import { publishedEncoders } from "../src/config/encoders.ts"
import { locateWeights } from "../src/config/places.ts"
import { renderProblem, type Problem } from "../src/config/problem.ts"
import { ConfigFile } from "../src/config/schema.ts"
import { lookUp } from "../src/config/tree.ts"
import { readYamlMap, type Read } from "../src/config/yaml-source.ts"
import { checkWeights, InvalidWeights, nameInModel } from "../src/models/check-weights.ts"
import { encode, type EncoderConfig, encoderSpec } from "../src/models/encoder.ts"
import { TensorError } from "../src/tensor/errors.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import { openWeights } from "../src/tensor/weight-files.ts"

export interface EncoderComparison {
  readonly name: string
  /** Largest difference of a value. */
  readonly largest: number
  /** L2 of the difference over that of the expected values. */
  readonly relative: number
}
export const encoderTolerance = 1e-4
export const encoderBeyond = ({ largest, relative }: EncoderComparison): boolean => !(largest <= encoderTolerance && relative <= encoderTolerance)

/** Why a directory cannot be compared. */
export class UnusableEncoder extends Error {}
const unusable = (problems: ReadonlyArray<Problem>): never => {
  throw new UnusableEncoder(problems.map(renderProblem).join("\n\n"))
}
const valueOf = <A>(read: Read<A>): A => read.ok ? read.value : unusable(read.problems)

/** Sizes from config.json, read as a run reads them: the class that takes its `model_type` is found first. */
const configIn = (dir: string): EncoderConfig => {
  const file = join(dir, "config.json")
  if (!existsSync(file)) throw new UnusableEncoder(`no file ${file}`)
  const type = lookUp(valueOf(readYamlMap({ name: file, text: readFileSync(file, "utf8") })), ["model_type"])?.node
  const known = Object.entries(publishedEncoders)
  const cls = known.find(([, { configTypes }]) => type?.kind === "value" && configTypes.includes(String(type.value)))?.[0]
  if (cls === undefined) throw new UnusableEncoder(`${file}: expected a \`model_type\` among ${known.flatMap(([, { configTypes }]) => configTypes).join(", ")}`)
  // the keys that have no default and do not matter here
  const text = `stage_1: { params: { encoder_cls: ${cls}, encoder_config_path: ${JSON.stringify(dir)}, encoder_input_size: 224, decoder_config_path: configs/decoder/ViTB } }`
  const tree = valueOf(readYamlMap({ name: "encoder", text }))
  return valueOf(architectureOf(valueOf(decode(ConfigFile, tree)), tree)).encoder
}

/** Throws UnusableEncoder, InvalidWeights or TensorError. */
export const compareEncoder = (dir: string): ReadonlyArray<EncoderComparison> => {
  const config = configIn(dir)
  const spec = encoderSpec(config)
  const path = locateWeights(dir)
  if (path === undefined) throw new UnusableEncoder(`${dir}: no weights; expected model.safetensors, pytorch_model.bin or an index of either`)
  using file = openWeights(path)
  using golden = openWeights(join(dir, "golden.safetensors"))
  const names = new Map(Array.from(file.tensors.keys(), (name) => [nameInModel(spec, name), name]))
  checkWeights(spec, new Map(Array.from(names, ([name, own]) => [name, file.tensors.get(own)!])), path)
  const cases = [...golden.tensors.keys()].flatMap((name) => name.startsWith("in.") && golden.tensors.has(`out.${name.slice(3)}`) ? [name.slice(3)] : [])
  if (cases.length === 0) throw new UnusableEncoder(`${golden.path}: no pair of \`in.NAME\` and \`out.NAME\``)
  return scope(() => {
    const weights = new Map(Array.from(spec.parameters.keys(), (name) => [name, file.read(names.get(name)!, { dtype: "float32" })]))
    return cases.map((name) => scope(() => {
      const expected = golden.read(`out.${name}`, { dtype: "float32" })
      const difference = T.sub(encode(weights, golden.read(`in.${name}`, { dtype: "float32" }), config), expected)
      return { name, largest: T.maxAbs(difference), relative: T.item(T.norm(difference)) / T.item(T.norm(expected)) }
    }))
  })
}

/** Compares and prints; gives the exit code: 0 all within, 1 one beyond, 2 a directory that cannot be compared. */
export const printEncoders = (dirs: ReadonlyArray<string>, json: boolean): 0 | 1 | 2 => {
  const results = []
  for (const dir of dirs) {
    try {
      const outputs = compareEncoder(dir).map((output) => ({ name: output.name, largest: output.largest, relative: output.relative, ok: !encoderBeyond(output) }))
      results.push({ dir, outputs })
    } catch (error) {
      if (!(error instanceof UnusableEncoder || error instanceof InvalidWeights || error instanceof TensorError)) throw error
      console.error(error instanceof UnusableEncoder && error.message.startsWith("error: ") ? error.message : `error: ${error.message}`)
      return 2
    }
  }
  const ok = results.every(({ outputs }) => outputs.every((output) => output.ok))
  if (json) console.log(JSON.stringify({ tolerance: encoderTolerance, ok, encoders: results }))
  else {
    for (const { dir, outputs } of results) {
      console.log(`${dir}: ${outputs.every((output) => output.ok) ? "within tolerance" : "beyond tolerance"}`)
      for (const { largest, name, ok: met, relative } of outputs) {
        console.log(`  ${met ? "ok    " : "BEYOND"} largest ${largest.toExponential(2)}, relative ${relative.toExponential(2)} of ${encoderTolerance.toExponential(0)}  ${name}`)
      }
    }
  }
  return ok ? 0 : 1
}
