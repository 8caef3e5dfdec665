/** A headless Chromium to open pages in: over its DevTools protocol, for one page at a time. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

/** Null where none is installed (Debian: `apt-get install chromium`). */
export const findChromium = (): string | null => {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim()
    } catch {
      // the next one
    }
  }
  return null
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

export interface Page {
  readonly open: (url: string) => Promise<void>
  /** Evaluates JavaScript in the page; a promise is waited for. Throws what it throws. */
  readonly evaluate: <A>(expression: string) => Promise<A>
  /** Until the expression is true in the page. */
  readonly until: (expression: string) => Promise<void>
  readonly screenshot: () => Promise<Buffer>
  /** What the page complained of: exceptions, errors on the console, what its policy refused. */
  readonly complaints: ReadonlyArray<string>
  readonly close: () => Promise<void>
}

const started = async (chromium: ChildProcess): Promise<string> => {
  for await (const line of createInterface({ input: chromium.stderr! })) {
    const address = /DevTools listening on (ws:\S+)/.exec(line)?.[1]
    if (address !== undefined) return address
  }
  throw new Error("chromium ended before it was ready")
}

export const openChromium = async (path: string, size: { readonly width: number; readonly height: number }): Promise<Page> => {
  const profile = mkdtempSync(join(tmpdir(), "rae-chromium-"))
  const chromium = spawn(path, ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--remote-debugging-port=0", `--user-data-dir=${profile}`, `--window-size=${size.width},${size.height}`, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] })
  const address = await started(chromium)
  chromium.stderr!.resume()
  const targets = await (await fetch(`http://${new URL(address).host}/json`)).json() as ReadonlyArray<{ readonly type: string; readonly webSocketDebuggerUrl: string }>
  const socket = new WebSocket(targets.find(({ type }) => type === "page")!.webSocketDebuggerUrl)
  await once(socket, "open")

  let last = 0
  const asked = new Map<number, (message: Message) => void>()
  const awaited = new Map<string, () => void>()
  const complaints: Array<string> = []
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as Message
    if (message.id !== undefined) asked.get(message.id)?.(message)
    if (message.method !== undefined) awaited.get(message.method)?.()
    if (message.method === "Runtime.exceptionThrown") complaints.push(JSON.stringify(message.params))
    if (message.method === "Log.entryAdded" && (message.params?.["entry"] as { readonly level: string } | undefined)?.level === "error") complaints.push(JSON.stringify(message.params))
  })
  const send = <A>(method: string, params: object = {}) => new Promise<A>((resolve, reject) => {
    const id = ++last
    asked.set(id, ({ error, result }) => {
      asked.delete(id)
      if (error === undefined) resolve(result as A)
      else reject(new Error(`${method}: ${error.message}`))
    })
    socket.send(JSON.stringify({ id, method, params }))
  })
  for (const domain of ["Page", "Runtime", "Log"]) await send(`${domain}.enable`)

  const evaluate = async <A>(expression: string): Promise<A> => {
    const { exceptionDetails, result } = await send<{ readonly result: { readonly value: A }; readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } } }>("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true })
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }
  return {
    evaluate, complaints,
    open: async (url) => {
      const loaded = new Promise<void>((resolve) => awaited.set("Page.loadEventFired", resolve))
      await send("Page.navigate", { url })
      await loaded
    },
    until: (expression) => evaluate(`new Promise((resolve) => { const look = () => { if (${expression}) resolve(true); else setTimeout(look, 50) }; look() })`),
    screenshot: async () => Buffer.from((await send<{ readonly data: string }>("Page.captureScreenshot", { format: "png" })).data, "base64"),
    close: async () => {
      socket.close()
      chromium.kill("SIGKILL")
      if (chromium.exitCode === null && chromium.signalCode === null) await once(chromium, "exit")
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    }
  }
}
