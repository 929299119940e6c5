import type { ExitCode } from './exit-code.ts'

/** Ends a command with a sentence for its user and the exit code that goes with it. */
export class CommandError extends Error {
  readonly exitCode: ExitCode
  /** Stable, for programs that read the JSON output. */
  readonly code: string

  constructor(
    message: string,
    options: ErrorOptions & { readonly exitCode: ExitCode; readonly code: string },
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'CommandError'
    this.exitCode = options.exitCode
    this.code = options.code
  }
}
