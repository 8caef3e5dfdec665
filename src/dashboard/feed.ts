/**
 * What open pages are told: first everything, then events as they are logged, what they change in the rest, and how the run is.
 * The run's directory is read once for all pages, and only while one is open; they ask the run nothing themselves.
 */
import { statfsSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { thinned, type Curve } from "../report/curves.ts"
import { openHome, type HomeRecord } from "../report/record.ts"
import { askControl } from "../runtime/control-client.ts"
import type { LogRecord } from "../runtime/segments.ts"

export type Send = (event: string, data: unknown) => void

const keptEvents = 500
const curvePoints = 2000
const pollMillis = 250
/** How often the run is asked how it is. */
const statusEvery = 4

const thin = (curves: Readonly<Record<string, Curve>>): Readonly<Record<string, Curve>> => Object.fromEntries(Object.entries(curves).map(([name, curve]) => [name, thinned(curve, curvePoints)]))

const details = (record: HomeRecord) => ({
  runs: record.runs.map(({ description, name, pictures, spent }) => ({ name, description, pictures: pictures.map(({ step }) => step), spent })), incidents: record.incidents.slice(-keptEvents), description: record.description
})
const everything = (record: HomeRecord, events: ReadonlyArray<LogRecord>) => ({
  schema: 1, name: record.name, seq: record.seq, events, ...details(record),
  curves: Object.fromEntries(record.runs.map(({ curves, name }) => [name, { ...curves, train: thin(curves.train) }]))
})

const diskOf = (path: string): { readonly free_bytes: number; readonly total_bytes: number } | null => {
  try {
    const { bavail, blocks, bsize } = statfsSync(path)
    return { free_bytes: bavail * bsize, total_bytes: blocks * bsize }
  } catch {
    return null
  }
}

export const openFeed = (home: string) => {
  const reader = openHome(home)
  const listeners = new Set<Send>()
  const waiting = new Set<Send>()
  let recent: Array<LogRecord> = []
  let following = false
  let status: unknown = null

  const tell = (event: string, data: unknown) => {
    for (const send of listeners) send(event, data)
  }
  const askStatus = async () => {
    // Whatever is wrong with a run that does not answer: the page shows what the directory says.
    status = await askControl({ dir: home, path: "/status", timeoutMillis: 2000 }).catch(() => null)
    return { status, disk: diskOf(home) }
  }

  /** A log that cannot be read now may be later. */
  const advance = () => reader.advance().catch(() => [])

  const follow = async () => {
    for (let turn = 0; listeners.size + waiting.size > 0; turn++) {
      let changed = false
      for (let events = await advance(); events.length > 0; events = await advance()) {
        changed = true
        recent = [...recent, ...events].slice(-keptEvents)
        tell("events", events)
      }
      const record = changed || waiting.size > 0 ? reader.record() : null
      if (changed && record !== null) tell("details", details(record))
      if (waiting.size > 0 && record !== null) {
        const { disk } = await askStatus()
        for (const send of waiting) {
          send("record", everything(record, recent))
          send("status", { status, disk })
          listeners.add(send)
        }
        waiting.clear()
      } else if (turn % statusEvery === 0) tell("status", await askStatus())
      await sleep(pollMillis)
    }
  }

  return {
    /** Until the answer is called. */
    listen: (send: Send): () => void => {
      waiting.add(send)
      if (!following) {
        following = true
        void follow().finally(() => { following = false })
      }
      return () => {
        waiting.delete(send)
        listeners.delete(send)
      }
    },
    record: (): HomeRecord => reader.record()
  }
}
export type Feed = ReturnType<typeof openFeed>
