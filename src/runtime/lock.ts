/**
 * A run directory has one supervisor. The claim is a lock that the kernel holds on `DIR/run.lock` for this process and drops
 * when the process ends, however it ends: nothing stale is left, two starters cannot both win, and a full disk is no obstacle.
 *
 * Node has no call for file locks, but its SQLite does take one: an exclusive transaction on an empty database that is never
 * written. (Children do not inherit it, as they would an `flock`.)
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

export class RunInUse extends Schema.TaggedError<RunInUse>()("RunInUse", { dir: Schema.String }) {
  readonly exitCode = 2
  readonly hint = "`rae status` shows that run, `rae stop` ends it"
  override get message() {
    return `run directory in use by a live run: ${this.dir}`
  }
}

export class LockFailed extends Schema.TaggedError<LockFailed>()("LockFailed", { path: Schema.String, reason: Schema.String }) {
  override get message() {
    return `cannot lock ${this.path}: ${this.reason}`
  }
}

const lockName = "run.lock"
const sqliteBusy = 5

/** Claims the directory, which must exist, until the scope closes. */
export const claimRunDir = (dir: string) => Effect.asVoid(Effect.acquireRelease(
  Effect.try({ try: () => lock(join(dir, lockName)), catch: (error) => failure(dir, error) }),
  (database) => Effect.sync(() => {
    held.delete(database)
    database.close()
  })
))

/** A database that nothing refers to is closed by the garbage collector, and its lock would go with it. */
const held = new Set<DatabaseSync>()

const lock = (path: string) => {
  const database = new DatabaseSync(path)
  try {
    database.exec("PRAGMA journal_mode = MEMORY") // a journal on disk would be begun with the transaction, and need room
    database.exec("BEGIN EXCLUSIVE")
    held.add(database)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

const failure = (dir: string, error: unknown) => {
  if (typeof error === "object" && error !== null && "errcode" in error && error.errcode === sqliteBusy) return new RunInUse({ dir })
  return new LockFailed({ path: join(dir, lockName), reason: error instanceof Error ? error.message : String(error) })
}
