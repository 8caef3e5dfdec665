/**
 * Where a run's figures go besides its log: TensorBoard's files, text for Prometheus, OTLP. All of it in the supervisor, fed by events, so
 * that no training step waits for it; whatever fails here is told in the log and the run goes on.
 *
 *     RAE_TENSORBOARD=0                no event files (else in RUN/tensorboard)
 *     RAE_METRICS_LISTEN=[HOST:]PORT   `GET /metrics` there, on 127.0.0.1 unless a host is given (at the control socket always)
 *     OTEL_EXPORTER_OTLP_ENDPOINT      OTLP over HTTP, as OpenTelemetry's other variables say
 */
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { createServer, type Server } from "node:http"
import { textType } from "../src/formats/prometheus.ts"
import { type Event, make as event } from "./events.ts"
import type { StampedEvent } from "./journal.ts"
import { makeRegistry, type Registry } from "./metrics-registry.ts"
import { openTensorboard } from "./metrics-tensorboard.ts"
import type { Status } from "./status.ts"

export interface MetricsOptions {
  readonly name: string
  /** Directory of one of the study's runs; null for what is none. */
  readonly dirOf: (run: string) => string | null
  readonly status: () => Status
  readonly emit: (event: Event) => void
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface Metrics {
  readonly apply: (event: StampedEvent) => void
  /** For Prometheus, as of now. */
  readonly text: () => string
}

/** Lives with the scope; what was handed in is written before it closes. */
export const openMetrics = Effect.fnUntraced(function*({ dirOf, emit, env, name, status }: MetricsOptions) {
  const tell = (run: string, message: string) => emit(event("record.failed", run, { message }))
  const registry = makeRegistry(name)
  const text = (): string => {
    registry.measure(status())
    return registry.text()
  }
  const tensorboard = env["RAE_TENSORBOARD"] === "0" ? null : openTensorboard({ dirOf, tell })
  if (tensorboard !== null) yield* Effect.addFinalizer(() => Effect.promise(tensorboard.close))
  const listen = env["RAE_METRICS_LISTEN"]
  if (listen !== undefined && listen !== "") yield* serveText(listen, text, (message) => tell(name, message))
  if (env["OTEL_EXPORTER_OTLP_ENDPOINT"] !== undefined || env["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] !== undefined) {
    yield* exportOtlp(registry, status, env).pipe(Effect.catchCause((cause) => Effect.sync(() => tell(name, `metrics are not sent over OTLP: ${String(Cause.squash(cause))}`))))
  }

  const metrics: Metrics = {
    apply: (happened) => {
      registry.apply(happened)
      tensorboard?.apply(happened)
    },
    text
  }
  return metrics
})

/** A port that is taken is news, not the end of a run. */
const serveText = (listen: string, text: () => string, tell: (message: string) => void) => Effect.acquireRelease(
  Effect.callback<Server | null>((resume) => {
    const server = createServer((request, response) => {
      if (request.url !== "/metrics") return void response.writeHead(404).end()
      response.writeHead(200, { "content-type": textType }).end(text())
    })
    const failed = (reason: string) => {
      tell(`metrics are not served at ${listen}: ${reason}`)
      resume(Effect.succeed(null))
    }
    const [, host, port] = /^(?:(.+):)?(\d{1,5})$/.exec(listen) ?? []
    if (port === undefined || Number(port) > 65_535) return failed("expected [HOST:]PORT")
    server.once("error", (error) => failed(error.message))
    server.listen(Number(port), host ?? "127.0.0.1", () => {
      // A connection that cannot be taken is the asker's trouble, never the run's.
      server.removeAllListeners("error").on("error", () => undefined)
      resume(Effect.succeed(server))
    })
  }),
  (server) => server === null ? Effect.void : Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })
)

const measureEvery = "5 seconds"

/** Loaded where it is configured, and only there. */
const exportOtlp = Effect.fnUntraced(function*({ map, measure }: Registry, status: () => Status, env: MetricsOptions["env"]) {
  const [OtlpMetrics, OtlpSerialization, FetchHttpClient] = yield* Effect.promise(() => Promise.all([
    import("effect/observability/OtlpMetrics"), import("effect/observability/OtlpSerialization"), import("effect/http/FetchHttpClient")
  ]))
  // An endpoint alone is enough to mean it, as in OpenTelemetry's own libraries.
  const config = ConfigProvider.fromEnv({ env: { OTEL_METRICS_EXPORTER: "otlp", ...Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)) } })
  measure(status())
  const exporter = OtlpMetrics.layerFromConfig({ resource: { serviceName: "rae" } }).pipe(Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer]))
  yield* Layer.build(exporter).pipe(Effect.provideService(Metric.MetricRegistry, map), Effect.provideService(ConfigProvider.ConfigProvider, config))
  yield* Effect.sync(() => measure(status())).pipe(Effect.andThen(Effect.sleep(measureEvery)), Effect.forever, Effect.forkScoped)
})
