/** What is wrong with a configuration, where, in the form of compilers' messages. */
import * as Schema from "effect/Schema"

/** A text that configuration came from: a file, or a command-line option. */
export interface Source {
  /** As it is shown: a path, or the option's name. */
  readonly name: string
  readonly text: string
}
/** Characters `from` to `to` (exclusive) of a source. */
export interface Span {
  readonly source: Source
  readonly from: number
  readonly to: number
}

export const Problem = Schema.Struct({
  message: Schema.String,
  file: Schema.String,
  line: Schema.Int,
  column: Schema.Int,
  /** The line of the source, and how many of its characters are meant. */
  excerpt: Schema.String,
  width: Schema.Int,
  help: Schema.NullOr(Schema.String)
})
export type Problem = typeof Problem.Type

export const problemAt = ({ source, from, to }: Span, message: string, help: string | null = null): Problem => {
  const start = from === 0 ? 0 : source.text.lastIndexOf("\n", from - 1) + 1
  const end = source.text.indexOf("\n", start)
  const excerpt = source.text.slice(start, end === -1 ? undefined : end).trimEnd()
  return {
    message,
    file: source.name,
    line: source.text.slice(0, start).split("\n").length,
    column: from - start + 1,
    excerpt,
    width: Math.max(1, Math.min(to - from, excerpt.length - (from - start))),
    help
  }
}

/** A source of which nothing could be read. */
export const problemOf = (file: string, message: string, help: string | null = null): Problem =>
  ({ message, file, line: 0, column: 0, excerpt: "", width: 0, help })

/** Long lines (flow maps, JSON) are shown around the place that is meant. */
const window = 100
const excerptLines = ({ excerpt, column, width }: Problem): ReadonlyArray<string> => {
  const cut = Math.max(0, Math.min(column - 1 - window / 4, excerpt.length - window))
  const shown = excerpt.slice(cut, cut + window).replaceAll("\t", " ")
  const caret = column - 1 - cut
  return [`   | ${shown}`, `   | ${" ".repeat(caret)}${"^".repeat(Math.max(1, Math.min(width, shown.length - caret)))}`]
}

export const renderProblem = (problem: Problem): string =>
  [
    `error: ${problem.message}`,
    problem.line === 0 ? `  --> ${problem.file}` : `  --> ${problem.file}:${problem.line}:${problem.column}`,
    ...(problem.line === 0 ? [] : excerptLines(problem)),
    ...(problem.help === null ? [] : problem.help.split("\n").map((line, i) => i === 0 ? `   = help: ${line}` : `           ${line}`))
  ].join("\n")

/** A configuration that cannot run, with all that is wrong with it. */
export class ConfigInvalid extends Schema.TaggedError<ConfigInvalid>()("ConfigInvalid", { problems: Schema.Array(Problem) }) {
  override get message(): string {
    return this.problems.map(renderProblem).join("\n\n")
  }
}
