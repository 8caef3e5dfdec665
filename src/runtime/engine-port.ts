/**
 * The child's side: serves its operations on fd 3, and ends when fd 3 closes, because then the supervisor is gone.
 *
 * A thread stuck in native code never sees the pipe close; `dieWithParent` is for the native call that makes the kernel end
 * this process with its parent.
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcServer from "effect/rpc/RpcServer"
import * as SocketServer from "effect/socket/SocketServer"
import { Socket } from "node:net"
import { layerMsgpack } from "./msgpack.ts"

export const requestsFd = 3
export const heartbeatFd = 4

export interface PortOptions<Rpcs extends Rpc.Any, E, R> {
  readonly group: RpcGroup.RpcGroup<Rpcs>
  readonly handlers: Layer.Layer<Rpc.ToHandler<Rpcs>, E, R>
  readonly dieWithParent?: (() => void) | undefined
}

/** How long finalizers may take once nobody is there to wait for them. */
const orphanMillis = 2000

/** Serves until fd 3 closes. */
export const servePort = Effect.fnUntraced(function*<Rpcs extends Rpc.Any, E, R>(options: PortOptions<Rpcs, E, R>) {
  options.dieWithParent?.()
  const closed = yield* Deferred.make<void>()
  const pipe = new Socket({ fd: requestsFd, readable: true, writable: true })
  pipe.once("close", () => setTimeout(() => process.kill(process.pid, "SIGKILL"), orphanMillis).unref())
  const socket = yield* NodeSocket.fromDuplex(Effect.succeed(pipe))
  const transport = SocketServer.SocketServer.of({
    address: NetAddress.unixPathAddress(`fd ${requestsFd}`),
    run: (serve) => Effect.exit(serve(socket)).pipe(Effect.andThen(Deferred.succeed(closed, undefined)), Effect.andThen(Effect.never))
  })
  const server = RpcServer.layer(options.group, { disableTracing: true, disableFatalDefects: true }).pipe(
    Layer.provide(options.handlers),
    Layer.provide(RpcServer.layerProtocolSocketServer),
    Layer.provide(Layer.succeed(SocketServer.SocketServer)(transport)),
    Layer.provide(layerMsgpack)
  )
  yield* Effect.raceFirst(Layer.launch(server), Deferred.await(closed))
  pipe.destroy()
})
