/** `rae dashboard [RUN]`: serves the run's page on 127.0.0.1 until it is interrupted. A process of its own: the run does not know of it. */
import { once } from "node:events"
import { serveDashboard, type Dashboard } from "../dashboard/server.ts"
import type { DashboardInput } from "./commands.ts"
import { findRun, runsDirectory } from "./run-directory.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

const usualPort = 8620

/** The usual port may be another dashboard's; one that was asked for is taken, or an error. */
const serve = async (home: string, port: number | undefined): Promise<Dashboard> => {
  try {
    return await serveDashboard({ home, port: port ?? usualPort })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (port === undefined && code === "EADDRINUSE") return serveDashboard({ home, port: 0 })
    throw new UsageError(`cannot listen on 127.0.0.1:${port ?? usualPort}: ${code === "EADDRINUSE" ? "something else does" : message}`, "choose another port with --port N; 0 takes a free one")
  }
}

export const dashboard = async ({ operand, values }: DashboardInput, terminal: Terminal): Promise<number> => {
  const run = findRun(operand, runsDirectory(values["runs-dir"]))
  const { close, port } = await serve(run.home, values.port)
  terminal.out(`http://127.0.0.1:${port}/`)
  terminal.err(`${run.name}: serving until Ctrl-C; from another machine: ssh -L ${port}:127.0.0.1:${port} HOST`)
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")])
  await close()
  return 0
}
