/** Faults that `rae inject` makes in a live run. Names alone, so that the command line can list them without loading more. */

/** `crash:` takes an actor's name. */
export const faults = {
  "engine-kill": "SIGKILL to the engine, as the kernel's out-of-memory killer does",
  "engine-segv": "SIGSEGV to the engine, as a fault in native code does",
  "engine-stop": "SIGSTOP to the engine: it hangs, and its heartbeat with it",
  "not-finite": "the next batch's images are not a number",
  "disk-full": "saves find no space for three seconds; what can give way gives way (latents, ballast)",
  "crash:": "an actor throws in its next operation: crash:generator"
} as const
export type FaultName = keyof typeof faults
export const faultNames = Object.keys(faults) as ReadonlyArray<FaultName>
