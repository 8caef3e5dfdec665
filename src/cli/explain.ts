/** `rae explain CODE|TOPIC`: cause and cure of an error, what an exit code or an event means. */
import { layOut } from "../formats/text-table.ts"
import { didYouMean } from "../config/nearest.ts"
import { errors, topics, type Explanation, type Topic } from "./explanations.ts"
import type { ExplainInput } from "./machine-commands.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

const among = <A>(table: Readonly<Record<string, A>>, word: string): readonly [string, A] | undefined =>
  Object.entries(table).find(([name]) => name.toLowerCase() === word.toLowerCase())

const describeError = (name: string, { cause, cure, title }: Explanation): ReadonlyArray<string> => [`${name}: ${title}`, "", `  cause  ${cause}`, `  cure   ${cure}`]

const describeTopic = ({ lines, title }: Topic, columns: number): ReadonlyArray<string> =>
  [title, "", ...layOut([{ title: "" }, { title: "", least: 20 }], lines, columns - 2).slice(1).map((line) => `  ${line}`)]

/** Loaded only for a word with a dot: the events' schema takes longer than all of the rest. */
const describeEvent = async (type: string) => {
  const { table } = await import("../../actors/events.ts")
  const found = among(table, type)
  if (found === undefined) throw new UsageError(`no event \`${type}\``, didYouMean(type, Object.keys(table)))
  const [name, { actor, fields, level, says }] = found
  return { name, title: says, level, actor, fields: Object.keys(fields) }
}

const overview = (): ReadonlyArray<readonly [string, string]> =>
  [...Object.entries(topics), ...Object.entries(errors)].map(([name, { title }]) => [name, title])

export const explain = async ({ operand, values }: ExplainInput, terminal: Terminal): Promise<number> => {
  const print = (document: object, lines: ReadonlyArray<string>) => {
    if (values.json) terminal.out(JSON.stringify({ schema: 1, ...document }))
    else for (const line of lines) terminal.out(line)
    return 0
  }
  if (operand === undefined) {
    return print({ topics: Object.keys(topics), errors: Object.keys(errors) }, layOut([{ title: "" }, { title: "", least: 20 }], overview(), terminal.outColumns()).slice(1))
  }
  const topic = among(topics, /^\d+$/.test(operand) ? "exit-codes" : operand)
  if (topic !== undefined) return print({ topic: topic[0], title: topic[1].title, lines: topic[1].lines }, describeTopic(topic[1], terminal.outColumns()))
  const error = among(errors, operand)
  if (error !== undefined) return print({ error: error[0], ...error[1] }, describeError(...error))
  if (operand.includes(".")) {
    const event = await describeEvent(operand)
    return print({ event: event.name, ...event }, [`${event.name}: ${event.title}`, "", `  level   ${event.level}`, `  actor   ${event.actor}`, `  fields  ${event.fields.join(", ")}`])
  }
  throw new UsageError(`nothing is known of \`${operand}\``, didYouMean(operand, [...Object.keys(topics), ...Object.keys(errors)]).replace(/^known: .*/, "`rae explain` lists all that can be explained"))
}
