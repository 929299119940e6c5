/**
 * Every error that the library throws on purpose.
 *
 * Tell them apart by `code`, never by the message: messages are sentences for people and may be reworded.
 */

export type PartitionErrorCode =
  | 'partition-error'
  | 'partition-already-exists'
  | 'partition-not-found'
  | 'partition-attached'
  | 'partition-detach-in-progress'
  | 'partition-referenced'
  | 'rows-in-default'
  | 'invalid-config'
  | 'lock-not-acquired'
  | 'lock-lost'
  | 'unmanaged-drop'
  | 'plan-stale'
  | 'plan-mismatch'
  | 'plan-unreadable'
  | 'refused-by-hook'
  | 'server-unsupported'
  | 'connection-failed'
  | 'aborted'
  | 'lock-timeout'
  | 'statement-timeout'
  | 'access-denied'
  | 'statement-failed'

export interface PartitionErrorOptions {
  /** The error that caused this one; kept as `error.cause`. */
  readonly cause?: unknown
}

/** The base of every error of this library; `code` is stable across releases. */
export class PartitionError extends Error {
  readonly code: PartitionErrorCode

  constructor(message: string, options: PartitionErrorOptions & { readonly code?: PartitionErrorCode } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = new.target.name
    this.code = options.code ?? 'partition-error'
  }
}

/** A relation of the wanted name exists and is not the wanted partition. */
export class PartitionAlreadyExistsError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'partition-already-exists' })
  }
}

/** The table or partition that was named does not exist (any more). */
export class PartitionNotFoundError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'partition-not-found' })
  }
}

/** The operation needs a detached table and this one is attached. */
export class PartitionAttachedError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'partition-attached' })
  }
}

/** A detach of this partition was begun and has not been finished (`pg_inherits.inhdetachpending`). */
export class PartitionDetachInProgressError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'partition-detach-in-progress' })
  }
}

/** Rows of other tables refer to rows of this partition, so it can be neither detached nor dropped. */
export class PartitionReferencedError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'partition-referenced' })
  }
}

/** The DEFAULT partition holds rows of the new range that may not be moved: too many, a publication sends them, or it may hold them on another server. */
export class RowsInDefaultError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'rows-in-default' })
  }
}

/** One thing that is wrong in a configuration. */
export interface ConfigProblem {
  /** Where in the options: `['tables', 0, 'granularity']`. */
  readonly path: readonly (string | number)[]
  /** A sentence without the path: what is wrong and, where one is near, what was probably meant. */
  readonly message: string
}

/** The configuration cannot be used; `problems` lists everything that is wrong with it, not only the first. */
export class InvalidPartitionConfigError extends PartitionError {
  readonly problems: readonly ConfigProblem[]

  constructor(
    message: string,
    options: PartitionErrorOptions & { readonly problems?: readonly ConfigProblem[] } = {},
  ) {
    super(message, { ...options, code: 'invalid-config' })
    this.problems = options.problems ?? [{ path: [], message }]
  }
}

/** Another maintainer holds the lock of this table. */
export class LockAcquisitionError extends PartitionError {
  /** For how long it has held it, by the server's clock, where that can be known. */
  readonly heldForMs: number | undefined

  constructor(
    message: string,
    options: PartitionErrorOptions & { readonly heldForMs?: number | undefined } = {},
  ) {
    super(message, { ...options, code: 'lock-not-acquired' })
    this.heldForMs = options.heldForMs
  }
}

/** The lock was held and is, or may be, no longer ours; the run stops before its next statement. */
export class LockLostError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'lock-lost' })
  }
}

/** The table carries no marker of ours, so it is not ours to drop. */
export class UnmanagedPartitionDropError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'unmanaged-drop' })
  }
}

/** The database moved on since the plan was made; the message says what moved. */
export class PlanStaleError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'plan-stale' })
  }
}

/** The plan was made for another table or from another configuration. */
export class PlanMismatchError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'plan-mismatch' })
  }
}

/** The text is not a plan that this version can read (cut short, edited, or from another version). */
export class PlanUnreadableError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'plan-unreadable' })
  }
}

/** A `before*` hook threw, so the operation was not carried out. */
export class HookRefusedError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'refused-by-hook' })
  }
}

/** The server cannot be maintained: too old, or a standby that only reads. */
export class ServerUnsupportedError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'server-unsupported' })
  }
}

/** The database could not be reached, refused the login, or dropped the connection. */
export class ConnectionFailedError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'connection-failed' })
  }
}

/** The run was stopped through its AbortSignal; what was running on the server has been cancelled. */
export class RunAbortedError extends PartitionError {
  constructor(message: string, options: PartitionErrorOptions = {}) {
    super(message, { ...options, code: 'aborted' })
  }
}

/**
 * The server refused a statement. `code` tells a lock that was not free in time (`lock-timeout`), a statement that ran
 * too long (`statement-timeout`) and a missing right (`access-denied`) from the rest (`statement-failed`).
 */
export class StatementFailedError extends PartitionError {
  /** The server's five-character code. */
  readonly sqlState: string | undefined

  constructor(
    message: string,
    options: PartitionErrorOptions & {
      readonly code: 'lock-timeout' | 'statement-timeout' | 'access-denied' | 'statement-failed'
      readonly sqlState: string | undefined
    },
  ) {
    super(message, options)
    this.sqlState = options.sqlState
  }
}
