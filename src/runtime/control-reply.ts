/** What a control route is, what it is asked, and what it answers. */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export interface ControlRequest {
  readonly query: URLSearchParams
  /** Parsed JSON; null where there was none. */
  readonly body: unknown
  /** Raised when whoever asked has gone, or the server stops. */
  readonly signal: AbortSignal
}

/** A typed no. `status` is HTTP's, `code` is for programs. */
export class ControlRefused extends Schema.TaggedError<ControlRefused>()("ControlRefused", {
  status: Schema.Int, code: Schema.String, reason: Schema.String, hint: Schema.NullOr(Schema.String)
}) {
  override get message() {
    return this.reason
  }
}

export type Reply =
  | { readonly _tag: "Json"; readonly status: number; readonly value: unknown }
  | { readonly _tag: "Text"; readonly text: string; readonly type: string }
  | { readonly _tag: "Ndjson"; readonly records: AsyncIterable<unknown> }

export const json = (value: unknown, status = 200): Reply => ({ _tag: "Json", status, value })

/** `type`: its media type. */
export const text = (text: string, type: string): Reply => ({ _tag: "Text", text, type })

/** One line a record, sent as it comes. */
export const ndjson = (records: AsyncIterable<unknown>): Reply => ({ _tag: "Ndjson", records })

export type Method = "GET" | "POST"

export interface Route<R = never> {
  readonly method: Method
  readonly path: string
  readonly handle: (request: ControlRequest) => Effect.Effect<Reply, ControlRefused, R>
}

export const route = <R = never>(method: Method, path: string, handle: Route<R>["handle"]): Route<R> => ({ method, path, handle })
