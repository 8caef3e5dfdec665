/**
 * The thread of stack-reporter.ts: for every byte on fd 5, the call stack of the main thread as one line of JSON, innermost first. V8 looks for such
 * requests at every loop and call, so an endless loop answers; a native call that does not return does not.
 */
import { type Debugger, Session } from "node:inspector"
import { Socket } from "node:net"
import { fileURLToPath } from "node:url"
import { stackFd } from "./stack-reporter.ts"

const mostFrames = 20

/** `urls`: of the scripts, by their ids; a frame of a module does not name its own. */
const frameText = (urls: ReadonlyMap<string, string>) => ({ functionName, location, url }: Debugger.CallFrame): string => {
  const place = urls.get(location.scriptId) ?? url
  const path = place.startsWith("file:") ? fileURLToPath(place) : place
  return `${functionName === "" ? "(anonymous)" : functionName} (${path}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1})`
}

const pipe = new Socket({ fd: stackFd, readable: true, writable: true })
pipe.on("error", () => undefined) // the supervisor is gone, and soon this process
pipe.on("data", () => {
  const session = new Session()
  session.connectToMainThread()
  const urls = new Map<string, string>()
  session.on("Debugger.scriptParsed", ({ params: { scriptId, url } }) => { urls.set(scriptId, url) })
  session.once("Debugger.paused", ({ params }) => {
    pipe.write(`${JSON.stringify(params.callFrames.slice(0, mostFrames).map(frameText(urls)))}\n`)
    session.disconnect() // which lets the thread go on
  })
  session.post("Debugger.enable")
  session.post("Debugger.pause")
})
