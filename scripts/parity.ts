/**
 * npm run parity -- FILE.safetensors … [--json] [--precision fp32|bf16]
 *
 * Runs the project's own step on golden files and prints the error of every output against its tolerance.
 * Exit 0: all within; 1: one beyond; 2: a file that cannot be used, or wrong usage.
 */
import { parseArgs } from "node:util"
import { InvalidWeights } from "../src/models/check-weights.ts"
import type { Precision } from "../src/nn/precision.ts"
import { TensorError } from "../src/tensor/errors.ts"
import { beyond, compareAsComputed, compareGolden } from "./golden-comparison.ts"
import { type Comparison, InvalidGolden } from "./golden-step.ts"

const fail = (message: string): never => {
  console.error(`error: ${message}`)
  process.exit(2)
}

const options = (() => {
  try {
    return parseArgs({ allowPositionals: true, options: { json: { type: "boolean", default: false }, precision: { type: "string", default: "fp32" } } })
  } catch (error) {
    return fail((error as Error).message)
  }
})()
const { positionals: files, values: { json, precision } } = options
if (files.length === 0) fail("no file given; usage: npm run parity -- FILE.safetensors … [--json] [--precision fp32|bf16]")
if (precision !== "fp32" && precision !== "bf16") fail(`unknown precision ${precision}; expected fp32 or bf16`)

const results = files.map((file) => {
  try {
    const comparisons = compareGolden(file, precision as Precision)
    const asComputed = compareAsComputed(file, precision as Precision).filter(beyond)
    return { file, ok: !comparisons.some(beyond), as_computed_beyond: asComputed, outputs: comparisons.map(({ name, error, tolerance }) => ({ name, error, tolerance, ok: !beyond({ name, error, tolerance }) })) }
  } catch (error) {
    if (error instanceof InvalidGolden || error instanceof InvalidWeights || error instanceof TensorError) return fail(`${file}: ${error.message}`)
    throw error
  }
})

/** Furthest beyond its tolerance. */
const worst = (comparisons: ReadonlyArray<Comparison>): string => {
  const times = ({ error, tolerance }: Comparison) => error / (tolerance ?? 1)
  const most = comparisons.reduce((a, b) => (times(a) > times(b) ? a : b))
  return `${most.name} by ${times(most).toFixed(1)} times`
}

if (json) console.log(JSON.stringify({ precision, ok: results.every(({ ok }) => ok), files: results }))
else {
  for (const { as_computed_beyond: plain, file, ok, outputs } of results) {
    console.log(`${file} (${precision}): ${ok ? "within tolerance" : "beyond tolerance"}`)
    console.log(`  as computed, with values at 8-bit boundaries and kinks left where they fell: ${plain.length === 0 ? "within tolerance too" : `${plain.length} of ${outputs.length} beyond, the worst ${worst(plain)}`}`)
    for (const output of outputs) {
      const bound = output.tolerance === null ? "" : ` of ${output.tolerance.toExponential(0)}`
      console.log(`  ${output.ok ? "ok    " : "BEYOND"} ${output.error.toExponential(2)}${bound.padEnd(10)} ${output.name}`)
    }
  }
}
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1
