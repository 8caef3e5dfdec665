/**
 * A few lines that are redrawn in place at the foot of the terminal, with other lines scrolling above them.
 *
 * One write a frame, between the marks of a synchronised update, each line overwritten and then erased to its end: nothing is
 * ever blank in between, so nothing flickers. After a resize the terminal has wrapped the old lines anew; their new height is
 * computed, not remembered.
 */
import { displayWidth } from "../formats/text-table.ts"
import type { Terminal } from "./terminal.ts"

const begin = "\x1b[?2026h"
const end = "\x1b[?2026l"
const hideCursor = "\x1b[?25l"
const showCursor = "\x1b[?25h"
const eraseToLineEnd = "\x1b[K"
const eraseBelow = "\x1b[J"

const frameMillis = 100

export interface LiveBlock {
  /** A line above the block, with the next frame. */
  readonly print: (line: string) => void
  /** Draws now. */
  readonly flush: () => void
  /** Removes the block, prints what is waiting and gives the cursor back. */
  readonly close: () => void
}

export const openLiveBlock = (terminal: Pick<Terminal, "control" | "errColumns" | "errRows" | "onResize">, content: (columns: number) => ReadonlyArray<string>): LiveBlock => {
  let waiting: Array<string> = []
  let shown: ReadonlyArray<string> = []
  let closed = false

  const toTop = () => {
    const columns = terminal.errColumns()
    const rows = shown.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / columns)), 0)
    return rows > 0 ? `\r\x1b[${Math.min(rows, terminal.errRows() - 1)}A` : "\r"
  }
  const write = (block: ReadonlyArray<string>) => {
    const lines = [...waiting, ...block].map((line) => `${line}${eraseToLineEnd}\n`).join("")
    terminal.control(`${begin}${hideCursor}${toTop()}${lines}${eraseBelow}${end}`)
    waiting = []
    shown = block
  }
  const flush = () => {
    if (closed) return
    const block = content(terminal.errColumns()).slice(0, Math.max(0, terminal.errRows() - 1))
    if (waiting.length === 0 && block.length === shown.length && block.every((line, i) => line === shown[i])) return
    write(block)
  }
  const timer = setInterval(flush, frameMillis)
  timer.unref()
  // An old frame on a new width is rubble until it is drawn over: at once, not with the next frame.
  const forgetResize = terminal.onResize(() => {
    if (!closed) write(content(terminal.errColumns()).slice(0, Math.max(0, terminal.errRows() - 1)))
  })
  const close = () => {
    if (closed) return
    closed = true
    clearInterval(timer)
    forgetResize()
    write([])
    terminal.control(showCursor)
    process.off("exit", close)
  }
  // A second Ctrl-C ends the process wherever it is: the cursor comes back all the same.
  process.on("exit", close)
  return { print: (line) => void waiting.push(line), flush, close }
}
