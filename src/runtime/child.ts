/**
 * A child process under supervision: its operations as typed calls, its end as a typed error that every call in flight fails
 * with, its heartbeat watched, and an orderly stop when the scope closes.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { type ChildClient, makeChildClient } from "./child-client.ts"
import { type ChildExited, ChildHung, type ChildLost } from "./child-error.ts"
import { type ProcessOptions, type RunningProcess, startProcess } from "./child-process.ts"
import { type Hang, type HangJudge, type HangPolicy, type Heartbeat, makeHangJudge, makeHeartbeatReader } from "./heartbeat.ts"
import { makeLineSplitter } from "./lines.ts"
import { monotonicMillis } from "./monotonic.ts"
import { processState, threadStates } from "./process-state.ts"

export { ChildExited, ChildHung, type ChildLost, SpawnFailed } from "./child-error.ts"

export interface ChildOptions<Rpcs extends Rpc.Any> extends ProcessOptions {
  readonly group: RpcGroup.RpcGroup<Rpcs>
  /** Without it, hangs go unseen. */
  readonly heartbeat?: HangPolicy | undefined
  /** The name of a native operation, for the report of a hang. */
  readonly opName?: ((op: number) => string) | undefined
  /** Told of a hang before the process is killed for it; not waited for longer than a second. */
  readonly onHang?: ((hung: ChildHung) => Effect.Effect<void>) | undefined
  /** Asks for an orderly end; the closing of fd 3 does by itself. */
  readonly stop?: ((client: ChildClient<Rpcs>) => Effect.Effect<unknown, unknown>) | undefined
  /** From the request to SIGTERM, 5 seconds; from there to SIGKILL, 2 seconds. */
  readonly stopDeadline?: Duration.Input | undefined
  readonly termDeadline?: Duration.Input | undefined
}

export interface ChildHandle<Group> {
  readonly pid: number
  readonly client: RpcClient.FromGroup<Group, ChildLost>
  /** Fails when the process is over, with how. */
  readonly lost: Effect.Effect<never, ChildLost>
  readonly heartbeat: () => Heartbeat | null
  readonly kill: (signal: NodeJS.Signals) => void
  /** Ends it in an orderly way, by force where it does not comply. */
  readonly stop: Effect.Effect<ChildExited>
}

const defaultStop: Duration.Input = "5 seconds"
const defaultTerm: Duration.Input = "2 seconds"
/** A process whose pipe broke is ending; one that is not after this long has lost its mind. */
const brokenPipe: Duration.Input = "2 seconds"
/** A log on a disk that hangs must not save a process that does. */
const tellingOfHang: Duration.Input = "1 second"

export const startChild = Effect.fnUntraced(function*<Rpcs extends Rpc.Any>(options: ChildOptions<Rpcs>) {
  const running = yield* Effect.acquireRelease(startProcess(options), endByForce)
  const hung = yield* Deferred.make<ChildHung>()
  const lost = Effect.flatMap(running.exited, (exited) =>
    Effect.flatMap(Deferred.poll(hung), Option.match({ onNone: () => Effect.fail<ChildLost>(exited), onSome: Effect.flatMap((why) => Effect.fail<ChildLost>(why)) })))
  const lostSoon = Effect.timeoutOrElse(lost, {
    duration: brokenPipe,
    orElse: () => Effect.suspend(() => {
      running.kill("SIGKILL")
      return lost
    })
  })

  const client = yield* makeChildClient(options.group, running.requests, lostSoon)
  const stop = stopInOrder(options, running, client)
  yield* Effect.addFinalizer(() => stop)

  const judge = yield* watchHeartbeat(running, options.heartbeat, Effect.fnUntraced(function*(hang) {
    const last = judge.last()
    const stack = hang.kind === "loop blocked" ? yield* stackOf(running) : []
    const found = new ChildHung({
      name: options.name, pid: running.pid, kind: hang.kind, seconds: hang.seconds, process: processState(running.pid), threads: threadStates(running.pid), stack,
      op: hang.op === 0 ? null : options.opName?.(hang.op) ?? `op ${hang.op}`,
      ops_done: last?.opsDone ?? null, loop_seconds: last === null ? null : (last.nowMillis - last.loopTickMillis) / 1000 + (hang.kind === "silent" ? hang.seconds : 0)
    })
    yield* (options.onHang?.(found) ?? Effect.void).pipe(Effect.ignoreCause, Effect.timeoutOption(tellingOfHang))
    yield* Deferred.succeed(hung, found)
    running.kill("SIGKILL")
  }))

  return { pid: running.pid, client, lost, stop, kill: running.kill, heartbeat: judge.last } as ChildHandle<RpcGroup.RpcGroup<Rpcs>>
})

const endByForce = (running: RunningProcess) => Effect.suspend(() => {
  running.kill("SIGKILL")
  return running.exited
})

/** Request, close of the pipe, SIGTERM, SIGKILL; each has its deadline, also where the caller cannot be interrupted. */
const stopInOrder = <Rpcs extends Rpc.Any>(options: ChildOptions<Rpcs>, running: RunningProcess, client: ChildClient<Rpcs>) => {
  const endsWithin = (deadline: Duration.Input) => running.exited.pipe(Effect.interruptible, Effect.timeoutOption(deadline))
  const request = (options.stop?.(client) ?? Effect.void).pipe(
    Effect.ignoreCause,
    Effect.andThen(Effect.sync(() => running.requests.end())),
    Effect.andThen(running.exited)
  )
  return Effect.gen(function*() {
    const complied = running.isOver()
      ? yield* Effect.asSome(running.exited)
      : yield* request.pipe(Effect.interruptible, Effect.timeoutOption(options.stopDeadline ?? defaultStop))
    if (Option.isSome(complied)) return complied.value
    running.kill("SIGTERM")
    const terminated = yield* endsWithin(options.termDeadline ?? defaultTerm)
    return Option.isSome(terminated) ? terminated.value : yield* endByForce(running)
  })
}

/** A thread beside the blocked one answers at once, where there is one and the machine lets it. */
const answeringWhere: Duration.Input = "2 seconds"
const decodeStack = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Array(Schema.String)))

const stackOf = ({ stack }: RunningProcess): Effect.Effect<ReadonlyArray<string>> =>
  Effect.callback<ReadonlyArray<string>>((resume) => {
    const { push } = makeLineSplitter((line) => resume(Effect.succeed(Option.getOrElse(decodeStack(line), () => []))))
    stack.on("data", push)
    stack.write("?")
    return Effect.sync(() => { stack.off("data", push) })
  }).pipe(Effect.timeoutOrElse({ duration: answeringWhere, orElse: () => Effect.succeed([]) }))

const longestCheckMillis = 250

/** Reads the frames, and looks at the judge's verdict several times within the shortest deadline. */
const watchHeartbeat = Effect.fnUntraced(function*(running: RunningProcess, policy: HangPolicy | undefined, onHang: (hang: Hang) => Effect.Effect<void>) {
  const judge: HangJudge = makeHangJudge(policy ?? unlimited)
  const read = makeHeartbeatReader()
  running.heartbeat.on("data", (chunk: Buffer) => read(chunk).forEach(judge.beat))
  if (policy === undefined) return judge
  const interval = Math.min(longestCheckMillis, Duration.toMillis(policy.silence) / 4)
  yield* Effect.gen(function*() {
    let before = yield* monotonicMillis
    while (true) {
      yield* Effect.sleep(interval)
      const now = yield* monotonicMillis
      if (running.isOver()) return
      const hang = judge.judge(now - before, interval)
      before = now
      if (hang !== undefined) return yield* onHang(hang)
    }
  }).pipe(Effect.forkScoped)
  return judge
})

const unlimited: HangPolicy = { silence: Duration.infinity, startup: Duration.infinity, loopBlocked: () => Duration.infinity, opDeadline: () => Duration.infinity }
