/** HTML in which every value is escaped unless it is HTML already: nothing that a run says can become markup. */

export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
type Value = Html | string | number | null | undefined | ReadonlyArray<Html | string | number>

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;", "'": "&#39;" }
export const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => escapes[character] ?? "")

const rendered = (value: Value): string => {
  if (value instanceof Html) return value.text
  if (value === null || value === undefined) return ""
  return typeof value === "object" ? value.map(rendered).join("") : escaped(String(value))
}

/** Attribute values must stand in double quotes. */
export const html = (parts: TemplateStringsArray, ...values: ReadonlyArray<Value>): Html =>
  new Html(parts.map((part, i) => (i === 0 ? "" : rendered(values[i - 1])) + part).join(""))

/** Text of the program's own: style sheets. */
export const raw = (text: string): Html => new Html(text)
export const nothing: Html = new Html("")
