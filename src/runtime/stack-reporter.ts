/**
 * Where in JavaScript this process is, told over fd 5 by a thread of its own: the event loop whose standing still is to be explained cannot tell.
 * The thread sleeps until it is asked; it costs an isolate, some 10 MB.
 */
import { Worker } from "node:worker_threads"

export const stackFd = 5

/** To be called once, when the process has nothing more urgent to start. */
export const startStackReporter = (): void => {
  const reporter = new Worker(new URL("./stack-worker.ts", import.meta.url), { execArgv: ["--disable-warning=ExperimentalWarning"] })
  reporter.on("error", () => undefined) // a hang is found without it too, if with less to say
  reporter.unref()
}
