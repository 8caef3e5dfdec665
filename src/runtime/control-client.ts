/**
 * Asks a run over its control socket. Without Effect, because the command line must start fast: the errors are classes to
 * tell apart by `_tag`.
 */
import type { IncomingMessage } from "node:http"
import { createInterface } from "node:readline"
import { socketPath } from "./control-socket.ts"

// An import of node:http touches each of its exports, and those load a second HTTP client: 60 of 280 ms of `rae status`.
const { request } = process.getBuiltinModule("node:http")

export class NotRunning extends Error {
  readonly _tag = "NotRunning"
}
/** It is there and does not answer in time, or not sensibly. */
export class NoAnswer extends Error {
  readonly _tag = "NoAnswer"
}
/** It answered no. */
export class Refused extends Error {
  readonly _tag = "Refused"
  readonly status: number
  readonly code: string
  readonly hint: string | null
  constructor(status: number, code: string, message: string, hint: string | null) {
    super(message)
    this.status = status
    this.code = code
    this.hint = hint
  }
}

export interface Question {
  /** The run's directory. */
  readonly dir: string
  readonly method?: "GET" | "POST" | undefined
  readonly path: string
  readonly body?: unknown
  readonly timeoutMillis?: number | undefined
}

const defaultTimeoutMillis = 5000
const maxAnswerBytes = 16 * 1024 * 1024

/** The answer's document. Rejects with NotRunning, NoAnswer or Refused. */
export const askControl = async (question: Question): Promise<unknown> => {
  const timeout = question.timeoutMillis ?? defaultTimeoutMillis
  const answer = await open(question, AbortSignal.timeout(timeout))
  return documentOf(answer, question.path)
}

/** The answer's records, as they come, for as long as they come; the time limit is on the first byte. */
export const streamControl = async function*(question: Question): AsyncGenerator<unknown> {
  const opening = new AbortController()
  const timer = setTimeout(() => opening.abort(new Error("timed out")), question.timeoutMillis ?? defaultTimeoutMillis)
  const answer = await open(question, opening.signal).finally(() => clearTimeout(timer))
  if (answer.statusCode !== 200) await documentOf(answer, question.path)
  try {
    for await (const line of createInterface({ input: answer })) yield parse(line, question.path)
  } finally {
    answer.destroy()
  }
}

const open = ({ body, dir, method, path }: Question, signal: AbortSignal) =>
  new Promise<IncomingMessage>((resolve, reject) => {
    const asking = request({ socketPath: socketPath(dir), path, method: method ?? "GET", agent: false, signal }, resolve)
    asking.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") return reject(new NotRunning(`nobody answers in ${dir}`))
      reject(new NoAnswer(signal.aborted ? `no answer to ${path} in time` : `no answer to ${path}: ${error.message}`))
    })
    asking.end(body === undefined ? undefined : JSON.stringify(body))
  })

const documentOf = async (answer: IncomingMessage, path: string): Promise<unknown> => {
  const parts: Array<Buffer> = []
  let bytes = 0
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      bytes += part.length
      if (bytes > maxAnswerBytes) throw new Error(`more than ${maxAnswerBytes} bytes`)
      parts.push(part)
    }
  } catch (error) {
    throw new NoAnswer(`no whole answer to ${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
  const value = parse(Buffer.concat(parts).toString("utf8"), path)
  const status = answer.statusCode ?? 0
  if (status >= 200 && status < 300) return value
  const error = (value as { readonly error?: { readonly code?: string; readonly message?: string; readonly hint?: string | null } } | null)?.error
  throw new Refused(status, error?.code ?? "unknown", error?.message ?? `${path} was answered with ${status}`, error?.hint ?? null)
}

const parse = (text: string, path: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new NoAnswer(`${path} was answered with something that is not JSON: ${text.slice(0, 200)}`)
  }
}
