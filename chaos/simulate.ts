/**
 * `npm run simulate -- [--schedules N] [--seed N] [--only N]`: random fault schedules over the supervision tree, on virtual time, with no
 * machine learning in it. Exit 0: every invariant held in every schedule; 1: one did not, and the command that replays it is printed.
 */
import { parseArgs } from "node:util"
import { simulate } from "./simulation/simulate.ts"

const { values } = parseArgs({ options: { schedules: { type: "string", default: "10000" }, seed: { type: "string", default: "1" }, only: { type: "string" }, json: { type: "boolean", default: false } } })
const numbers = values.only !== undefined ? [Number(values.only)] : Array.from({ length: Number(values.schedules) }, (_, i) => i)
const began = performance.now()
const { failures, summary } = await simulate(Number(values.seed), numbers)
const seconds = (performance.now() - began) / 1000
if (values.json) console.log(JSON.stringify({ schema: 1, seconds, ...summary, failures }))
else {
  for (const { number, violations } of failures) console.log([`schedule ${number}`, ...violations, `= help: npm run simulate -- --seed ${values.seed} --only ${number}`].join("\n  "))
  console.log(`${summary.schedules} schedules in ${seconds.toFixed(1)} s: ${summary.done} ended with the weights of an undisturbed run, ${summary.gaveUp} gave up as they may; ${summary.restarts} restarts, ${summary.engines} engines`)
  console.log(failures.length === 0 ? "every invariant held" : `${failures.length} schedules broke an invariant`)
}
process.exitCode = failures.length > 0 ? 1 : 0
