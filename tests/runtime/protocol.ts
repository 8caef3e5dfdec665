/** What the test's child process can be asked. */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"

export class Refused extends Schema.TaggedError<Refused>()("Refused", { reason: Schema.String }) {}

export class TestEngine extends RpcGroup.make(
  Rpc.make("Add", { payload: { a: Schema.Number, b: Schema.Number }, success: Schema.Number, error: Refused }),
  Rpc.make("Wait", { payload: { millis: Schema.Finite } }),
  Rpc.make("Count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true }),
  Rpc.make("Die", { payload: { signal: Schema.String } }),
  Rpc.make("Exit", { payload: { code: Schema.Int } }),
  Rpc.make("Block", { payload: { millis: Schema.Finite, operation: Schema.Int } }),
  Rpc.make("Grandchild", { success: Schema.Int }),
  Rpc.make("Stubborn")
) {}
