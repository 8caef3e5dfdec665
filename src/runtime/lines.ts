/** Cuts a byte stream into lines, and keeps the last few for a report. */
import { StringDecoder } from "node:string_decoder"

/** A library that prints without a line end must not grow a line for ever. */
const longestLine = 16 * 1024

export interface LineSplitter {
  readonly push: (chunk: Buffer) => void
  /** Gives the last line, which had no end. */
  readonly end: () => void
}

export const makeLineSplitter = (onLine: (line: string) => void): LineSplitter => {
  const decoder = new StringDecoder("utf8")
  let rest = ""
  const take = (text: string) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) onLine(line.endsWith("\r") ? line.slice(0, -1) : line)
    for (; rest.length > longestLine; rest = rest.slice(longestLine)) onLine(rest.slice(0, longestLine))
  }
  return {
    push: (chunk) => take(decoder.write(chunk)),
    end: () => {
      take(decoder.end())
      if (rest !== "") onLine(rest)
      rest = ""
    }
  }
}

export interface Tail {
  readonly push: (line: string) => void
  readonly lines: () => ReadonlyArray<string>
}

export const makeTail = (count: number): Tail => {
  const lines: Array<string> = []
  return {
    push: (line) => {
      lines.push(line)
      if (lines.length > count) lines.shift()
    },
    lines: () => [...lines]
  }
}
