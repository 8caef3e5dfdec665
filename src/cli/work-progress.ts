/** Shows how far a command's work is: on a terminal a line that is redrawn, elsewhere a line every ten seconds. */
import { displayWidth, truncate } from "../formats/text-table.ts"
import { openLiveBlock } from "./live-block.ts"
import { bar } from "./live-view.ts"
import { count, countdown, figure, utc } from "./quantities.ts"
import type { Terminal } from "./terminal.ts"

const lineMillis = 10_000
/** Shorter bars say nothing. */
const leastBar = 5

export interface Work {
  readonly what: string
  readonly done: number
  readonly of: number
  /** Images a second; null while nothing is known. */
  readonly speed: number | null
}

export interface WorkProgress {
  readonly show: (work: Work) => void
  /** A line for people, above the progress. */
  readonly tell: (text: string) => void
  readonly close: () => void
}

const summary = ({ done, of, speed, what }: Work): string =>
  [`${what} ${count(done)}/${count(of)}`, ...(speed === null ? [] : [`${figure(speed)} img/s`, `eta ${countdown((of - done) / speed)}`])].join("  ")

const drawn = (work: Work, columns: number, terminal: Terminal): ReadonlyArray<string> => {
  const text = summary(work)
  const room = Math.min(40, columns - 5 - displayWidth(text))
  return [room < leastBar ? truncate(`  ${text}`, columns - 1) : `  ${bar(work.done / work.of, room, terminal.paintErr)}  ${text}`]
}

export const openWorkProgress = (terminal: Terminal): WorkProgress => {
  let work: Work | null = null
  let told = performance.now()
  const block = terminal.live ? openLiveBlock(terminal, (columns) => (work === null ? [] : drawn(work, columns, terminal))) : null
  const stamped = (text: string) => (block === null ? `${utc(new Date())}  ${text}` : text)
  const tell = (text: string) => { (block?.print ?? terminal.err)(stamped(text)) }
  return {
    show: (next) => {
      work = next
      if (block !== null || performance.now() - told < lineMillis) return
      told = performance.now()
      tell(summary(next))
    },
    tell: (text) => {
      tell(text)
      block?.flush()
    },
    close: () => block?.close()
  }
}
