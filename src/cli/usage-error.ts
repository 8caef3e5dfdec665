/** A command line that cannot be carried out as it was typed: exit code 2, nothing started. */
export class UsageError extends Error {
  readonly _tag = "UsageError"
  readonly exitCode = 2
  readonly help: string | undefined
  constructor(message: string, help?: string) {
    super(message)
    this.help = help
  }
}
