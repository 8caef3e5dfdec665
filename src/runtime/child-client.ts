/** The child's operations as typed calls; whatever the transport says when the process is gone, the caller hears how it went. */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schedule from "effect/Schedule"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import type { Duplex } from "node:stream"
import type { ChildLost } from "./child-error.ts"
import { layerMsgpack } from "./msgpack.ts"

export type ChildClient<Rpcs extends Rpc.Any> = RpcClient.RpcClient<Rpcs, ChildLost>

/** `lost` waits for the process to be over and fails with how; it replaces every error of the transport. */
export const makeChildClient = Effect.fnUntraced(function*<Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>, pipe: Duplex, lost: Effect.Effect<never, ChildLost>
) {
  // No pings: a long native operation answers none, and the heartbeat knows better. No retries: another process is another incarnation.
  const protocol = RpcClient.layerProtocolSocket({ pingInterval: Duration.infinity, retryPolicy: Schedule.recurs(0) }).pipe(
    Layer.provide(Layer.effect(Socket.Socket)(NodeSocket.fromDuplex(Effect.succeed(pipe)))),
    Layer.provide(layerMsgpack)
  )
  const services = yield* Layer.build(protocol)
  const client = yield* RpcClient.make(group, { disableTracing: true }).pipe(Effect.provideContext(services))
  const calls = Object.entries(client).map(([name, call]) => [name, lostInstead(call as Call, lost)] as const)
  return Object.fromEntries(calls) as unknown as ChildClient<Rpcs>
})

type Call = (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown> | Stream.Stream<unknown, unknown>

const lostInstead = (call: Call, lost: Effect.Effect<never, ChildLost>): Call => (...args) => {
  const result = call(...args)
  return Stream.isStream(result)
    ? Stream.catchCauseIf(result, isTransport, () => Stream.fromEffect(lost))
    : Effect.catchCauseIf(result, isTransport, () => lost)
}

/** A pipe that breaks while being written to is a defect in the protocol's eyes. */
const isTransport = (cause: Cause.Cause<unknown>) =>
  cause.reasons.some((reason) => {
    const error = Cause.isFailReason(reason) ? reason.error : Cause.isDieReason(reason) ? reason.defect : undefined
    return typeof error === "object" && error !== null && "_tag" in error && (error._tag === "RpcClientError" || error._tag === "SocketError")
  })
