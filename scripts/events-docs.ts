#!/usr/bin/env node
/** Writes docs/events.md from the table of events: `node scripts/events-docs.ts`. */
import type * as SchemaAST from "effect/SchemaAST"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { table, type EventType } from "../actors/events.ts"

const introduction = `# Events

<!-- Written by scripts/events-docs.ts from actors/events.ts: change it there. -->

What happens in a run is one JSON object a line in \`RUN/events/\`, in files named for the number of their first line; a study has one log for all of its
variants. \`rae events\` reads it, \`rae events --json\` and \`GET /events\` on the control socket give the objects as they are.

Every event has:

| field | meaning |
|---|---|
| \`seq\` | its number; they go on over restarts, and a reader that stopped at one goes on with \`--after\` |
| \`time\` | when, in UTC |
| \`type\` | what happened, in the past tense |
| \`level\` | debug, info, warn, error |
| \`actor\` | who says it |
| \`run\` | the run, or the variant of a study: \`study/variant\` |
| \`cause\` | the number of the event that this one answers, where there is one |

Causes link what belongs together: fault → decision → action → outcome.

    fault.injected ← engine.exited ← supervisor.child_down ← engine.started ← engine.ready ← run.started ← train.step
    checkpoint.requested ← snapshot.taken ← checkpoint.started ← checkpoint.committed
    checkpoint.failed ← checkpoint.room_made, checkpoint.committed
    stop.requested ← snapshot.taken, run.stopped          pause.requested ← train.paused          resume.requested ← train.resumed

Fields are only ever added. A number that is not finite is one of the texts \`NaN\`, \`Infinity\`, \`-Infinity\`.
`

/** The description of a schema where it has one; a check's counts, as integers are numbers with a check. */
const describedAs = (ast: SchemaAST.AST): string | undefined => {
  const own = ast.annotations?.["description"] ?? ast.checks?.map((check) => check.annotations?.["description"]).find((text) => text !== undefined)
  return typeof own === "string" ? own : undefined
}

const typeText = (ast: SchemaAST.AST): string => {
  const described = describedAs(ast)
  if (described !== undefined) return described
  switch (ast._tag) {
    case "String": return "text"
    case "Number": return ast.checks?.some((check) => check.annotations?.["expected"] === "an integer") === true ? "whole number" : "number"
    case "Boolean": return "true or false"
    case "Null": return "null"
    case "Literal": return `\`${String(ast.literal)}\``
    case "Union": return ast.types.map(typeText).join(" or ")
    case "Arrays": return `list of ${ast.rest.map(typeText).join(", ")}`
    case "Objects": return ast.indexSignatures.length > 0
      ? `map of ${ast.indexSignatures.map(({ type }) => typeText(type)).join(", ")}`
      : `{ ${ast.propertySignatures.map(({ name, type }) => `${String(name)}: ${typeText(type)}`).join(", ")} }`
    default: throw new Error(`no words for a field of kind ${ast._tag}`)
  }
}

const row = (type: EventType): string => {
  const { actor, fields, level, says } = table[type]
  const listed = Object.entries(fields).map(([name, schema]) => `\`${name}\` ${typeText(schema.ast)}`.replaceAll("|", "\\|"))
  return `| \`${type}\` | ${level} | ${actor} | ${says.replaceAll("|", "\\|")} | ${listed.join("; ")} |`
}

export const eventsDocs = (): string => {
  const groups = Map.groupBy(Object.keys(table) as ReadonlyArray<EventType>, (type) => type.slice(0, type.indexOf(".")))
  const sections = [...groups].map(([name, types]) => [`## ${name}`, "", "| event | level | actor | meaning | fields |", "|---|---|---|---|---|", ...types.map(row), ""].join("\n"))
  return `${introduction}\n${sections.join("\n")}`
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "../docs/events.md"), eventsDocs())
