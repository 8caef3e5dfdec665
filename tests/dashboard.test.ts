/** The dashboard over HTTP: what it serves, live and of an ended run, and whom it refuses. */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { appendFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer, request, type IncomingMessage, type Server } from "node:http"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { serveDashboard, type Dashboard } from "../src/dashboard/server.ts"
import { socketPath } from "../src/runtime/control-socket.ts"
import { colourfulPicture, makeRecordedStudy } from "./report-recorded-study.ts"

const root = mkdtempSync(join(tmpdir(), "rae-dashboard-"))
const { lines, study } = makeRecordedStudy(root)
let page: Dashboard
beforeAll(async () => { page = await serveDashboard({ home: study, port: 0 }) })
afterAll(async () => {
  await page.close()
  rmSync(root, { recursive: true })
})

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage["headers"]
  readonly body: Buffer
}
const ask = (path: string, headers: Readonly<Record<string, string>> = {}, method = "GET") => new Promise<Answer>((resolve, reject) => {
  request({ host: "127.0.0.1", port: page.port, path, method, headers, agent: false }, (answer) => {
    const parts: Array<Buffer> = []
    answer.on("data", (part: Buffer) => parts.push(part)).on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(parts) }))
  }).on("error", reject).end()
})
const statusOf = async (...question: Parameters<typeof ask>) => (await ask(...question)).status

/** The messages of the event stream, as they come. */
const live = async function*(): AsyncGenerator<{ readonly event: string; readonly data: Record<string, unknown> }> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => { request({ host: "127.0.0.1", port: page.port, path: "/live", agent: false }, resolve).on("error", reject).end() })
  answer.setEncoding("utf8")
  let text = ""
  for await (const part of answer as AsyncIterable<string>) {
    text += part
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const [event = "", data = ""] = text.slice(0, end).split("\n")
      text = text.slice(end + 2)
      if (event.startsWith("event: ")) yield { event: event.slice(7), data: JSON.parse(data.slice(6)) as Record<string, unknown> }
    }
  }
}
const first = async (wanted: (event: string, data: Record<string, unknown>) => boolean, meanwhile: (event: string) => void = () => undefined) => {
  for await (const { data, event } of live()) {
    if (wanted(event, data)) return data
    meanwhile(event)
  }
  return assert.fail("the stream ended")
}

describe("dashboard", () => {
  it("serves one page whose every part is here, with nothing inline allowed", async () => {
    const { body, headers, status } = await ask("/")
    assert.deepStrictEqual([status, headers["content-type"]], [200, "text/html; charset=utf-8"])
    assert.match(String(headers["content-security-policy"]), /^default-src 'none'; script-src 'self'; style-src 'self';.*frame-ancestors 'none'$/)
    const seen = new Set<string>()
    const follow = async (path: string): Promise<void> => {
      if (seen.has(path)) return
      seen.add(path)
      const { body, headers, status } = await ask(path)
      assert.strictEqual(status, 200, path)
      if (String(headers["content-type"]).startsWith("text/javascript")) for (const [, to] of body.toString().matchAll(/from "([^"]+)"/g)) await follow(new URL(to!, `http://x${path}`).pathname)
    }
    const parts = [...body.toString().matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, to]) => to!)
    for (const part of parts) await follow(part)
    assert.includeMembers([...seen], ["/page/app.js", "/page/chart.js", "/report/curves.ts", "/report/fields.ts", "/page/style.css"])
    assert.notMatch(body.toString(), /https?:/)
  })

  it("tells first everything, then what is logged", async () => {
    const record = await first((event) => event === "record")
    assert.deepInclude(record, { schema: 1, name: "study", seq: lines.length })
    const { "study/a": a } = record["curves"] as Record<string, { train: Record<string, { steps: ReadonlyArray<number>; values: ReadonlyArray<number | null> }>; restarts: ReadonlyArray<{ step: number }> }>
    assert.deepStrictEqual([a?.train["total"]?.steps.at(-1), a?.train["total"]?.values[2], a?.restarts.map(({ step }) => step)], [60, null, [28]])
    assert.lengthOf(record["incidents"] as ReadonlyArray<unknown>, 4)
    const later = JSON.stringify({ ...JSON.parse(lines.at(-1)!) as object, seq: lines.length + 1, type: "checkpoint.committed", step: 44 })
    const events = await first((event) => event === "events", (event) => {
      if (event === "record") appendFileSync(join(study, "events", "0000000001.ndjson"), `${later}\n`)
    })
    assert.deepInclude((events as unknown as ReadonlyArray<object>)[0], { step: 44 })
  })

  it("says how the run is while it answers, and that it does not", async () => {
    assert.strictEqual((await first((event) => event === "status"))["status"], null)
    const control: Server = createServer((_, response) => response.end(JSON.stringify({ schema: 1, state: "training", step: 7 })))
    await new Promise<void>((resolve) => { control.listen(socketPath(study), resolve) })
    assert.deepInclude((await first((event, { status }) => event === "status" && status !== null))["status"], { state: "training", step: 7 })
    await new Promise((resolve) => control.close(resolve))
  })

  it("ends the stream after its headers where nothing else is asked for", async () => {
    const answer = await new Promise<string>((resolve) => {
      let text = ""
      const socket = connect(page.port, "127.0.0.1", () => socket.write("HEAD /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
      socket.on("data", (part) => { text += String(part) }).on("close", () => resolve(text))
    })
    assert.match(answer, /^HTTP\/1\.1 200 .*\r\n\r\n$/s)
  })

  it("shows pictures by run and step, and no other file", async () => {
    const { body, headers, status } = await ask("/picture?run=study/a&step=60")
    assert.deepStrictEqual([status, headers["content-type"], body.equals(colourfulPicture(70, 40))], [200, "image/png", true])
    writeFileSync(join(root, "secret.png"), "secret")
    symlinkSync(join(root, "secret.png"), join(study, "a", "eval", "step-000000070.png"))
    const answers = await Promise.all([
      "/picture?run=study/a&step=70", "/picture?run=../../etc&step=60", "/picture?run=study/a&step=../../run.json", "/picture", "/run.json", "/../run.json", "/..%2f..%2frun.json", "/page/../../report/page.ts",
      "/page/%2e%2e/server.ts", "/study/run.json", "/report/page.ts"
    ].map((path) => statusOf(path)))
    assert.deepStrictEqual(answers, answers.map(() => 404))
  })

  it("refuses foreign names, origins, sites and methods", async () => {
    const port = String(page.port)
    assert.strictEqual(await statusOf("/", { host: `evil.example:${port}` }), 421)
    assert.strictEqual(await statusOf("/", { host: "127.0.0.1.evil.example" }), 421)
    assert.strictEqual(await statusOf("/", { host: `localhost:${port}` }), 200)
    assert.strictEqual(await statusOf("/", { host: "localhost:9000" }), 200, "a tunnel has another port")
    assert.strictEqual(await statusOf("/live", { origin: "http://evil.example" }), 403)
    assert.strictEqual(await statusOf("/live", { origin: "null" }), 403)
    assert.strictEqual(await statusOf("/live", { host: `localhost:${port}`, origin: "http://localhost:1" }), 403)
    assert.strictEqual(await statusOf("/picture?run=study/a&step=60", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" }), 403)
    assert.strictEqual(await statusOf("/", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" }), 403)
    assert.strictEqual(await statusOf("/", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" }), 200, "a link may be followed")
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) assert.strictEqual(await statusOf("/", {}, method), 405)
    const answer = await new Promise<string>((resolve) => {
      let text = ""
      const socket = connect(page.port, "127.0.0.1", () => socket.write("GET / HTTP/1.0\r\n\r\n"))
      socket.on("data", (part) => { text += String(part) }).on("close", () => resolve(text))
    })
    assert.match(answer, /^HTTP\/1\.1 421/)
  })

  it("rae dashboard says where it is, ends with Ctrl-C, and takes no port that is taken", async () => {
    const rae = (...words: ReadonlyArray<string>) => spawn(join(import.meta.dirname, "../bin/rae"), ["dashboard", "study", "--runs-dir", root, ...words], { stdio: ["ignore", "pipe", "pipe"] })
    const child = rae("--port", "0")
    const [address] = await once(child.stdout.setEncoding("utf8"), "data") as [string]
    assert.match(address, /^http:\/\/127\.0\.0\.1:\d+\/\n$/)
    assert.strictEqual((await fetch(address.trim())).status, 200)
    child.kill("SIGINT")
    assert.deepStrictEqual(await once(child, "exit"), [0, null])
    const refused = rae("--port", String(page.port))
    const [[told], [code]] = await Promise.all([once(refused.stderr.setEncoding("utf8"), "data"), once(refused, "exit")]) as [[string], [number]]
    assert.deepStrictEqual([code, /cannot listen on 127\.0\.0\.1:\d+: something else does/.test(told)], [2, true])
  })

  it("listens on 127.0.0.1 alone", async () => {
    // Every address of 127/8 is this machine's: a server on all addresses would answer there.
    const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
      const socket = connect(page.port, "127.0.0.2", () => resolve(null)).on("error", resolve)
      socket.unref()
    })
    assert.strictEqual(error?.code, "ECONNREFUSED")
  })
})
