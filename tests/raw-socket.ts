/** A client that speaks no protocol, for servers that must bear one. */
import * as Effect from "effect/Effect"
import { connect } from "node:net"

/** Sends bytes as they are; everything that comes back until the server ends it. */
export const raw = (path: string, bytes: string) => Effect.promise(() => new Promise<string>((resolve) => {
  let answer = ""
  const socket = connect(path, () => socket.write(bytes))
  socket.on("data", (data) => { answer += String(data) })
  socket.on("error", () => undefined)
  socket.on("close", () => resolve(answer))
}))
