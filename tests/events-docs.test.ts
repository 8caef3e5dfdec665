/** docs/events.md is what the table of events says. */
import { assert, it } from "vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { table } from "../actors/events.ts"
import { eventsDocs } from "../scripts/events-docs.ts"

it("docs/events.md is what scripts/events-docs.ts writes", () => {
  assert.isTrue(readFileSync(join(import.meta.dirname, "../docs/events.md"), "utf8") === eventsDocs(), "run: node scripts/events-docs.ts")
})

it("every event says what it means", () => {
  assert.deepStrictEqual(Object.entries(table).filter(([, { says }]) => says.length < 10).map(([type]) => type), [])
  for (const type of Object.keys(table)) assert.include(eventsDocs(), `\`${type}\``)
})
