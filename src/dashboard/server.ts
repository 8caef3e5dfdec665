/** The dashboard's server: one page, its event stream, and the evaluator's pictures. It reads; nothing that it is asked changes anything. */
import { once } from "node:events"
import { readFileSync, realpathSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { join, sep } from "node:path"
import { loadAssets } from "./assets.ts"
import { openFeed, type Feed } from "./feed.ts"
import { headers, refusal } from "./guard.ts"

export interface DashboardOptions {
  /** Directory of the run, or of the study. */
  readonly home: string
  /** 0: any free one. */
  readonly port: number
}
export interface Dashboard {
  readonly port: number
  readonly close: () => Promise<void>
}

/** A page that reads slower than the run logs is cut off, and comes again by itself. */
const mostWaitingBytes = 32 * 1024 * 1024
const mostConnections = 64
const signOfLifeMillis = 15_000

const refuse = (response: ServerResponse, status: number, reason: string) => {
  response.writeHead(status, { ...headers, "content-type": "text/plain; charset=utf-8", connection: "close" })
  response.end(`${reason}\n`)
}

/** Names of runs and numbers of steps are looked up in what the directory was found to hold: no path is made of what was asked. */
const picture = (feed: Feed, query: URLSearchParams): Buffer | null => {
  const run = feed.record().runs.find(({ name }) => name === query.get("run"))
  const found = run?.pictures.find(({ step }) => String(step) === query.get("step"))
  if (run === undefined || found === undefined) return null
  try {
    const [dir, path] = [realpathSync(run.dir), realpathSync(join(run.dir, "eval", found.file))]
    return path.startsWith(dir + sep) ? readFileSync(path) : null
  } catch {
    return null
  }
}

const stream = (feed: Feed, request: IncomingMessage, response: ServerResponse) => {
  response.writeHead(200, { ...headers, "content-type": "text/event-stream" })
  if (request.method === "HEAD") {
    response.end()
    return
  }
  const send = (event: string, data: unknown) => {
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    if (response.writableLength > mostWaitingBytes) response.destroy()
  }
  const leave = feed.listen(send)
  const alive = setInterval(() => response.write(":\n\n"), signOfLifeMillis)
  request.once("close", () => {
    clearInterval(alive)
    leave()
  })
  response.once("close", leave)
}

export const serveDashboard = async ({ home, port }: DashboardOptions): Promise<Dashboard> => {
  const assets = loadAssets()
  const feed = openFeed(home)
  const server: Server = createServer({ maxHeaderSize: 8 * 1024, headersTimeout: 5000, requestTimeout: 10_000 }, (request, response) => {
    const refused = refusal(request.method, request.headers)
    if (refused !== null) return refuse(response, refused.status, refused.reason)
    const url = URL.parse(request.url ?? "", "http://localhost")
    if (url === null) return refuse(response, 400, "the request's target is not a path")
    const send = (type: string, body: string | Buffer) => {
      response.writeHead(200, { ...headers, "content-type": type, "content-length": Buffer.byteLength(body) })
      response.end(request.method === "HEAD" ? undefined : body)
    }
    if (url.pathname === "/live") return stream(feed, request, response)
    if (url.pathname === "/picture") {
      const found = picture(feed, url.searchParams)
      return found === null ? refuse(response, 404, "no such picture") : send("image/png", found)
    }
    const asset = assets.get(url.pathname)
    return asset === undefined ? refuse(response, 404, "no such page") : send(asset.type, asset.body)
  })
  server.maxConnections = mostConnections
  server.listen(port, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
  }
}
