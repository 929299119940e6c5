/** Why an embedded server is not there: nothing to start, or it did not start. */
export type EmbeddedServerErrorCode = 'embedded-binaries-missing' | 'embedded-start-failed'

/** The embedded server cannot be started; the message says what to install or what the server said. */
export class EmbeddedServerError extends Error {
  readonly code: EmbeddedServerErrorCode

  constructor(code: EmbeddedServerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EmbeddedServerError'
    this.code = code
  }
}
