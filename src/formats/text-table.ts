/** Plain text in columns: how wide a string shows on a terminal, how to cut it, and tables with aligned columns. */

const wide = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const invisible = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]$/u
// oxlint-disable-next-line no-control-regex -- colours are control sequences
const colour = /\x1b\[[0-9;]*m/g

const cells = (character: string): number => (invisible.test(character) ? 0 : wide.test(character) ? 2 : 1)

/** Columns that `text` takes on a terminal; colour sequences take none. */
export const displayWidth = (text: string): number => {
  let width = 0
  for (const character of text.replace(colour, "")) width += cells(character)
  return width
}

/** Cuts plain text to `width` columns, the last of them `…` where something was cut. */
export const truncate = (text: string, width: number): string => {
  if (displayWidth(text) <= width) return text
  let kept = ""
  let used = 0
  for (const character of text) {
    used += cells(character)
    if (used > width - 1) break
    kept += character
  }
  return width > 0 ? `${kept}…` : ""
}

export const padEnd = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - displayWidth(text)))
export const padStart = (text: string, width: number): string => " ".repeat(Math.max(0, width - displayWidth(text))) + text

export interface Column {
  readonly title: string
  readonly align?: "left" | "right"
  /** The one that gives way when the table is too wide; `least` columns stay. */
  readonly least?: number
}

/** Lines of a table with two blanks between columns; the first column with `least` is cut if the table exceeds `width`. */
export const layOut = (columns: ReadonlyArray<Column>, rows: ReadonlyArray<ReadonlyArray<string>>, width = Infinity): ReadonlyArray<string> => {
  const widths = columns.map((column, i) => Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(row[i] ?? ""))))
  const excess = widths.reduce((sum, w) => sum + w + 2, -2) - width
  const flexible = columns.findIndex((column) => column.least !== undefined)
  if (excess > 0 && flexible >= 0) widths[flexible] = Math.max(columns[flexible]?.least ?? 0, (widths[flexible] ?? 0) - excess)
  const line = (row: ReadonlyArray<string>) =>
    row.map((cell, i) => {
      const fitted = i === flexible ? truncate(cell, widths[i] ?? 0) : cell
      return columns[i]?.align === "right" ? padStart(fitted, widths[i] ?? 0) : padEnd(fitted, widths[i] ?? 0)
    }).join("  ").trimEnd()
  return [line(columns.map((column) => column.title)), ...rows.map(line)]
}
