import {
  PartitionAlreadyExistsError,
  PartitionAttachedError,
  PartitionDetachInProgressError,
  PartitionError,
  PartitionNotFoundError,
  PartitionReferencedError,
  PlanStaleError,
  RowsInDefaultError,
  ConnectionFailedError,
  ServerUnsupportedError,
  StatementFailedError,
  UnmanagedPartitionDropError,
} from '../errors.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Holder } from '../plan/blocker.ts'
import { describeHolder, describeSnapshot } from '../plan/blocker.ts'
import type { DetachOperation, Operation } from '../plan/operation.ts'
import { notMeant } from '../sql/only-if.ts'
import { proofName } from '../sql/prove-range.ts'
import type { DdlLimits } from '../sql/settings.ts'
import type { Refusal } from '../sql/statement.ts'
import { describeError, isConnectionFailure, sqlStateOf, sqlStates } from './sql-state.ts'
import { NotNow } from './gave-way.ts'
import { LockNotFree, notFreeWithin } from './lock-ladder.ts'
import { StepRefused, WrongTable } from './step-refused.ts'

type Subject = Pick<Operation, 'parent' | 'partition'> & {
  readonly kind: Operation['kind'] | 'adopt'
  readonly mode?: DetachOperation['mode']
}

/** Turns what went wrong in an operation into an error whose message is a sentence with a next step. */
export function explainFailure(error: unknown, subject: Subject, limits: DdlLimits): unknown {
  const what = `${formatTableName(subject.parent)}: cannot ${subject.kind} ${formatTableName(subject.partition)}`
  if (error instanceof StepRefused) return refusalError(error.refusal, what, subject)
  if (error instanceof LockNotFree) return notFree(error, what, subject)
  if (error instanceof WrongTable) return wrongTable(error, what, subject)
  if (error instanceof PartitionError) return error
  if (isConnectionFailure(error)) {
    return new ConnectionFailedError(
      `${what}: the connection to the server was lost (${describeError(error)}). The next run sees what was done and goes on from there.`,
      { cause: error },
    )
  }
  const state = sqlStateOf(error)
  return state === undefined ? error : statementError({ error, state, what, subject, limits })
}

function wrongTable(error: WrongTable, what: string, { parent, partition }: Subject): StatementFailedError {
  const name = formatTableName(partition)
  return new StatementFailedError(
    `${what}: its schema was renamed in the moment of the statement, and another table of that name was detached. Most likely that is what ${name} is now: look at it, and attach it to its own parent again with ALTER TABLE ${formatTableName(parent)} ATTACH PARTITION ${name} FOR VALUES .., with the bounds that its CHECK has. The one that was meant is still attached; plan again.`,
    { cause: error, sqlState: undefined, code: 'statement-failed' },
  )
}

/** The same for what was only read. */
export function explainReading(error: unknown): unknown {
  const state = sqlStateOf(error)
  if (error instanceof PartitionError || state === undefined) return error
  const [code, next] = readingFailures[state] ?? ['statement-failed', 'run again']
  return new StatementFailedError(
    `The database could not be read: ${describeError(error)} (SQLSTATE ${state}). Nothing was changed; ${next}.`,
    { cause: error, sqlState: state, code },
  )
}

const readingFailures: Readonly<
  Record<string, readonly ['statement-timeout' | 'access-denied', string] | undefined>
> = {
  [sqlStates.queryCanceled]: [
    'statement-timeout',
    "run again, and raise the role's statement_timeout if that cut it short",
  ],
  [sqlStates.insufficientPrivilege]: ['access-denied', 'the catalogs must be readable for the role'],
}

/** Whether an explained failure is an answer of the server or of a guard, in a session that goes on. */
export function isFromServer(error: unknown): boolean {
  return (
    error instanceof PartitionError &&
    !['aborted', 'lock-lost', 'connection-failed', 'server-unsupported'].includes(error.code)
  )
}

function refusalError(
  { code, message, next = '' }: Refusal,
  what: string,
  { kind }: Subject,
): PartitionError {
  const text = `${what}: ${message}. Nothing was changed; plan again.`
  switch (code) {
    case 'unmanaged':
      return new UnmanagedPartitionDropError(
        `${what}: ${message}. Nothing was dropped; mark the table with \`pg-partsmith adopt\` (adoptPartition) if it may go.`,
      )
    case 'attached':
      return new PartitionAttachedError(text)
    case 'not-found':
      return new PartitionNotFoundError(text)
    case 'pending':
      return new PartitionDetachInProgressError(text)
    case 'rows-in-default':
      return new RowsInDefaultError(
        `${what}: ${message}. Nothing was changed; raise maxRowsFromDefault of the table if writers may wait longer, or move the rows by hand.`,
      )
    case 'published':
    case 'foreign':
      return new RowsInDefaultError(
        `${what}: ${message}. Nothing was changed; plan again to see what can be done.`,
      )
    case 'referenced':
      return new PartitionReferencedError(
        kind === 'drop'
          ? `${what}: ${message}. Nothing was dropped; remove what depends on it, then run again.`
          : `${what}: ${message}. Nothing was changed; plan again to see what can be done.`,
      )
    case 'unlike':
      return new PartitionError(
        `${what}: ${message}. Nothing was changed; check the name. Where it was a partition before its parent was changed so, look at it and drop it by hand.`,
      )
    case 'lacks':
      return new PartitionError(`${what}: ${message}. Nothing was changed; make them alike, then run again.`)
    case 'untrusted': {
      const untrusted = `${what}: ${message}. Nothing was changed. ${next}, and run again.`
      if (kind === 'drop') return new UnmanagedPartitionDropError(untrusted)
      return kind === 'adopt' ? new PartitionError(untrusted) : new PlanStaleError(untrusted)
    }
    case 'stale':
    case 'raced':
      return new PlanStaleError(text)
  }
}

function notFree(error: LockNotFree, what: string, { kind }: Subject): StatementFailedError {
  const { attempts, holders, snapshots, advice } = error
  const tried = attempts === 1 ? '' : `, ${attempts} times`
  // Whom the reason names already is not named twice, nor who holds both a lock and a snapshot.
  const named = error.cause instanceof NotNow ? error.cause.holders.slice(0, 1) : []
  const isNew = (holder: Holder, before: readonly Holder[]): boolean =>
    ![...named, ...before].some(({ pid, prepared }) => pid === holder.pid && prepared === holder.prepared)
  const others = [
    ...holders.filter((holder) => isNew(holder, [])).map(describeHolder),
    ...snapshots.filter((holder) => isNew(holder, holders)).map(describeSnapshot),
  ]
  const also = named.length > 0 ? 'Also in' : 'In'
  const who = others.length === 0 ? '' : ` ${also} the way: ${others.slice(0, 3).join('; ')}.`
  const next = error.hasBegun
    ? 'The detach was begun and is pending; the next run finishes it.'
    : `Nothing was ${done[kind] ?? 'changed'}; the next run tries again.`
  return new StatementFailedError(
    `${what}: ${error.message}${tried}.${who} ${next}${advice.map((sentence) => ` ${sentence}`).join('')}`,
    { cause: error, sqlState: sqlStateOf(error), code: 'lock-timeout' },
  )
}

/** What may have been committed before it, as a marker or the end of a foreign key, changes nothing for the rows. */
const done: Readonly<Partial<Record<Subject['kind'], string>>> = { detach: 'detached', drop: 'dropped' }

interface Failure {
  readonly error: unknown
  readonly state: string
  readonly what: string
  readonly subject: Subject
  readonly limits: DdlLimits
}

function statementError(about: Failure): PartitionError {
  const { error, state, what, subject, limits } = about
  const cause = { cause: error, sqlState: state }
  const said = describeError(error)
  const later = isConcurrent(subject)
    ? 'The next run finishes what was begun, or tries again.'
    : `Nothing was ${done[subject.kind] ?? 'changed'}; the next run tries again.`
  const failed = new StatementFailedError(`${what}: ${said}${detailOf(error)} (SQLSTATE ${state}).`, {
    ...cause,
    code: 'statement-failed',
  })
  switch (state) {
    case sqlStates.lockNotAvailable:
      return new StatementFailedError(`${what}: ${notFreeWithin(limits)}. ${later}`, {
        ...cause,
        code: 'lock-timeout',
      })
    case sqlStates.deadlockDetected:
      return new StatementFailedError(`${what}: the server ended it to resolve a deadlock. ${later}`, {
        ...cause,
        code: 'lock-timeout',
      })
    case sqlStates.queryCanceled:
      return new StatementFailedError(
        `${what}: a statement was cancelled, by its limit of ${limits.statementTimeoutMs} ms or by somebody. ${later}`,
        { ...cause, code: 'statement-timeout' },
      )
    case sqlStates.insufficientPrivilege:
      return new StatementFailedError(
        `${what}: ${said}. The role needs to own ${formatTableName(subject.parent)}, or be a member of its owner, who needs CREATE on its schema, and BYPASSRLS where row-level security is forced on its DEFAULT partition; \`pg-partsmith grants\` prints what is missing. Nothing was changed.`,
        { ...cause, code: 'access-denied' },
      )
    case sqlStates.readOnlySqlTransaction:
      return new ServerUnsupportedError(
        `${what}: the server or the session only reads. Connect to the primary, with default_transaction_read_only off. Nothing was changed.`,
        cause,
      )
    case sqlStates.foreignKeyViolation:
      if (subject.kind === 'create' || subject.kind === 'attach') return refersToNothing(about)
      return stillReferred(
        about,
        'delete the rows that refer to it, or have them refer to rows that stay, then run again',
      )
    case sqlStates.dependentObjectsStillExist:
      return stillReferred(about, 'remove what depends on it, then run again')
    case sqlStates.duplicateTable:
    // Of the type that comes with a table.
    case sqlStates.duplicateObject:
    case sqlStates.uniqueViolation:
      return new PartitionAlreadyExistsError(
        `${what}: ${said}${detailOf(error)}. Nothing was changed; rename what has the name, or plan again.`,
        cause,
      )
    // A table that is gone, a range that another partition has, a DEFAULT or a pending detach that was not there.
    case sqlStates.undefinedTable:
    case sqlStates.invalidObjectDefinition:
    case sqlStates.objectNotInPrerequisiteState:
      return new PlanStaleError(`${what}: ${said}${detailOf(error)}. Nothing was changed; plan again.`, cause)
    case sqlStates.datatypeMismatch:
    case sqlStates.internalError:
      if (subject.kind === 'attach' && state === sqlStates.datatypeMismatch) return unlikeParent(about)
      if (subject.kind !== 'finalize' && !isConcurrent(subject)) return failed
      return new StatementFailedError(
        `${what}: ${said}. Where the detach is pending (inspect says so), a column or CHECK of ${formatTableName(subject.parent)} was changed meanwhile, and PostgreSQL 18 cannot finish it so. Undo that change and run again; its rows are not found through the parent until then.`,
        { ...cause, code: 'statement-failed' },
      )
    case sqlStates.invalidTextRepresentation:
      if (!said.includes(notMeant)) return failed
      return new PlanStaleError(
        `${what}: a schema was renamed at that moment, and its name means another one now. Nothing was changed; plan again.`,
        cause,
      )
    case sqlStates.checkViolation:
      // Every translation of the message has the name in it; a CHECK of the user's own has another.
      return subject.kind === 'attach' && said.includes(proofName) ? outOfRange(about) : failed
    default:
      return failed
  }
}

function stillReferred({ error, what }: Failure, next: string): PartitionReferencedError {
  return new PartitionReferencedError(
    `${what}: ${describeError(error)}${detailOf(error)}. Nothing was changed; ${next}.`,
    { cause: error },
  )
}

/** A key that is NOT VALID has not been checked for the rows that were there; each that is moved or attached is. */
function refersToNothing({ error, state, what }: Failure): StatementFailedError {
  return new StatementFailedError(
    `${what}: ${describeError(error)}${detailOf(error)} (SQLSTATE ${state}). A row that belongs into it refers to one that does not exist. Nothing was changed; add that one or delete this, then run again.`,
    { cause: error, sqlState: state, code: 'statement-failed' },
  )
}

function outOfRange({ error, state, what, subject }: Failure): StatementFailedError {
  return new StatementFailedError(
    `${what}: ${describeError(error)}${detailOf(error)} (SQLSTATE ${state}). It holds rows outside of its range. Nothing was changed; move or delete those rows of ${formatTableName(subject.partition)}, then run again.`,
    { cause: error, sqlState: state, code: 'statement-failed' },
  )
}

/** The server says of a table to be attached what it lacks, or has too much, of columns and constraints. */
function unlikeParent({ error, state, what, subject }: Failure): StatementFailedError {
  return new StatementFailedError(
    `${what}: ${describeError(error)}${detailOf(error)} (SQLSTATE ${state}). ${formatTableName(subject.parent)} was changed since ${formatTableName(subject.partition)} was detached. Nothing was changed; give it the same columns and constraints with ALTER TABLE ${formatTableName(subject.partition)}, then run again.`,
    { cause: error, sqlState: state, code: 'statement-failed' },
  )
}

/** What was begun outside of a transaction is not undone. */
function isConcurrent({ mode }: Subject): boolean {
  return mode === 'concurrent'
}

function detailOf(error: unknown): string {
  const detail = typeof error === 'object' && error !== null && 'detail' in error ? error.detail : undefined
  return typeof detail === 'string' && detail !== '' ? ` (${detail.replace(/\.$/, '')})` : ''
}
