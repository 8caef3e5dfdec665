/**
 * npm run parity -- FILE.safetensors … [--json] [--precision fp32|bf16] [--device cuda:N]
 * npm run parity -- --encoder DIR … [--json]                               encoders instead: encoder-parity.ts
 *
 * Runs the project's own step on golden files and prints the error of every output against its tolerance.
 * Exit 0: all within; 1: one beyond; 2: a file that cannot be used, or wrong usage.
 */
import { parseArgs } from "node:util"
import { InvalidWeights } from "../src/models/check-weights.ts"
import type { Precision } from "../src/nn/precision.ts"
import { requireDevice } from "../src/tensor/device.ts"
import type { Device } from "../src/tensor/dtype.ts"
import { TensorError } from "../src/tensor/errors.ts"
import { type Rounding, beyond, compareGolden } from "./golden-comparison.ts"
import { InvalidGolden } from "./golden-step.ts"

const fail = (message: string): never => {
  console.error(`error: ${message}`)
  process.exit(2)
}

const options = (() => {
  try {
    return parseArgs({ allowPositionals: true, options: { json: { type: "boolean", default: false }, precision: { type: "string", default: "fp32" }, device: { type: "string", default: "cpu" }, encoder: { type: "string", multiple: true, default: [] } } })
  } catch (error) {
    return fail((error as Error).message)
  }
})()
const { positionals: files, values: { device: asked, encoder, json, precision } } = options
if (encoder.length > 0) {
  const { printEncoders } = await import("./encoder-parity.ts")
  process.exit(printEncoders([...encoder, ...files], json))
}
if (files.length === 0) fail("no file given; usage: npm run parity -- FILE.safetensors … [--json] [--precision fp32|bf16] [--device cuda:N], or --encoder DIR …")
if (precision !== "fp32" && precision !== "bf16") fail(`unknown precision ${precision}; expected fp32 or bf16`)
if (!/^(cpu|cuda:\d+)$/.test(asked)) fail(`unknown device ${asked}; expected cpu or cuda:N`)
const device = asked as Device
try {
  requireDevice(device)
} catch (error) {
  fail((error as Error).message)
}

const results = files.map((file) => {
  try {
    const { outputs, rounding } = compareGolden(file, precision as Precision, {}, device)
    return { file, ok: !outputs.some(beyond), rounding, outputs: outputs.map(({ name, error, tolerance }) => ({ name, error, tolerance, ok: !beyond({ name, error, tolerance }) })) }
  } catch (error) {
    if (error instanceof InvalidGolden || error instanceof InvalidWeights || error instanceof TensorError) return fail(`${file}: ${error.message}`)
    throw error
  }
})

/** What rounding alone decided: printed, so that nothing is helped unseen. */
const decided = ({ ambiguous, moved, nudge }: Rounding, step: number): string => {
  const values = `${ambiguous} 8-bit values on a rounding boundary, ${moved} taken to their other side`
  return `  step ${step}: ${values}${nudge === 0 ? "" : `; met with latents changed by ${nudge} in their last place, for a kink`}`
}

if (json) console.log(JSON.stringify({ precision, device, ok: results.every(({ ok }) => ok), files: results }))
else {
  for (const { file, ok, rounding, outputs } of results) {
    console.log(`${file} (${precision}, ${device}): ${ok ? "within tolerance" : "beyond tolerance"}`)
    if (precision === "fp32") for (const [step, of] of rounding.entries()) console.log(decided(of, step))
    for (const output of outputs) {
      const bound = output.tolerance === null ? "" : ` of ${output.tolerance.toExponential(0)}`
      console.log(`  ${output.ok ? "ok    " : "BEYOND"} ${output.error.toExponential(2)}${bound.padEnd(10)} ${output.name}`)
    }
  }
}
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1
