/**
 * The control server of a run: HTTP/1.1 on a unix socket that only its owner may open. The application gives the routes; here
 * are the limits on what is let in, and the shape of a refusal: `{ schema: 1, error: { code, message, hint } }`.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Schema from "effect/Schema"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { once } from "node:events"
import { ControlRefused, type Method, type Reply, type Route } from "./control-reply.ts"
import { prepareSocket, removeSocket } from "./control-socket.ts"

export { ControlRefused, json, ndjson, type Route, route, text } from "./control-reply.ts"

export class ControlFailed extends Schema.TaggedError<ControlFailed>()("ControlFailed", { path: Schema.String, reason: Schema.String }) {
  override get message() {
    return `control socket ${this.path}: ${this.reason}`
  }
}

export const limits = { headerBytes: 8 * 1024, bodyBytes: 64 * 1024, connections: 64, headerMillis: 5000, requestMillis: 10_000 } as const

/** Serves until the scope closes. Call it once the run directory is claimed: an old socket counts as stale. */
export const serveControl = Effect.fnUntraced(function*<R = never>(options: { readonly dir: string; readonly routes: ReadonlyArray<Route<R>> }) {
  const handlers = yield* FiberSet.makeRuntime<R>()
  const server = createServer({
    maxHeaderSize: limits.headerBytes, headersTimeout: limits.headerMillis, requestTimeout: limits.requestMillis
  }, (request, response) => {
    const gone = new AbortController()
    response.once("close", () => gone.abort())
    handlers(answer(options.routes, request, gone.signal).pipe(Effect.flatMap((reply) => Effect.promise(() => send(response, reply, gone.signal)))))
  })
  server.maxConnections = limits.connections
  server.on("clientError", (_, socket) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
  })
  yield* Effect.acquireRelease(listen(server, options.dir), (path) => close(server, options.dir, path))
})

const listen = (server: Server, dir: string) =>
  Effect.callback<string, ControlFailed>((resume) => {
    let path = dir
    const failed = (error: Error) => resume(Effect.fail(new ControlFailed({ path, reason: error.message })))
    try {
      path = prepareSocket(dir)
      server.once("error", failed)
      const mask = process.umask(0o177) // bound at once within `listen`, and never open to others for a moment
      try {
        server.listen(path, () => {
          server.off("error", failed)
          server.on("error", () => undefined) // a connection that could not be accepted is its client's trouble
          resume(Effect.succeed(path))
        })
      } finally {
        process.umask(mask)
      }
    } catch (error) {
      failed(error as Error)
    }
  })

const close = (server: Server, dir: string, path: string) =>
  Effect.callback<void>((resume) => {
    server.close(() => {
      removeSocket(dir, path)
      resume(Effect.void)
    })
    server.closeAllConnections()
  })

const answer = <R>(routes: ReadonlyArray<Route<R>>, request: IncomingMessage, signal: AbortSignal): Effect.Effect<Reply, never, R> =>
  Effect.gen(function*() {
    const url = URL.parse(request.url ?? "", "http://control")
    if (url === null) return yield* refused(400, "bad_request", "the request's target is not a path")
    const here = routes.filter(({ path }) => path === url.pathname)
    if (here.length === 0) return yield* refused(404, "not_found", `no such route: ${url.pathname}`, `routes: ${routes.map(({ method, path }) => `${method} ${path}`).join(", ")}`)
    const chosen = here.find(({ method }) => method === (request.method as Method))
    if (chosen === undefined) return yield* refused(405, "method_not_allowed", `${url.pathname} takes ${here.map(({ method }) => method).join(", ")}, got ${request.method}`)
    const body = yield* readBody(request)
    return yield* chosen.handle({ query: url.searchParams, body, signal })
  }).pipe(
    Effect.exit,
    Effect.map((exit) => Exit.isSuccess(exit) ? exit.value : refusal(Cause.squash(exit.cause)))
  )

const refused = (status: number, code: string, reason: string, hint: string | null = null) => new ControlRefused({ status, code, reason, hint })

const refusal = (error: unknown): Reply => {
  const { code, hint, reason, status } = error instanceof ControlRefused ? error : refused(500, "internal", error instanceof Error ? error.message : String(error))
  return { _tag: "Json", status, value: { schema: 1, error: { code, message: reason, hint } } }
}

const readBody = (request: IncomingMessage): Effect.Effect<unknown, ControlRefused> =>
  Effect.tryPromise({
    try: async () => {
      const parts: Array<Buffer> = []
      let bytes = 0
      for await (const part of request as AsyncIterable<Buffer>) {
        bytes += part.length
        if (bytes > limits.bodyBytes) throw refused(413, "too_large", `body of more than ${limits.bodyBytes} bytes`)
        parts.push(part)
      }
      const text = Buffer.concat(parts).toString("utf8")
      return text.trim() === "" ? null : JSON.parse(text) as unknown
    },
    catch: (error) => error instanceof ControlRefused ? error : refused(400, "bad_request", `body is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  })

const send = async (response: ServerResponse, reply: Reply, signal: AbortSignal): Promise<void> => {
  if (reply._tag === "Json") {
    const body = `${JSON.stringify(reply.value)}\n`
    // a body that was refused half-way is not read to its end: this connection is over
    response.writeHead(reply.status, { "content-type": "application/json", "content-length": Buffer.byteLength(body), ...(reply.status === 413 ? { connection: "close" } : {}) })
    response.end(body)
    return
  }
  if (reply._tag === "Text") {
    response.writeHead(200, { "content-type": reply.type, "content-length": Buffer.byteLength(reply.text) })
    response.end(reply.text)
    return
  }
  response.writeHead(200, { "content-type": "application/x-ndjson" })
  response.flushHeaders()
  try {
    for await (const record of reply.records) {
      if (signal.aborted) break
      if (!response.write(`${JSON.stringify(record)}\n`)) await once(response, "drain", { signal })
    }
    response.end()
  } catch {
    response.destroy() // half a stream must not look like a whole one
  }
}
