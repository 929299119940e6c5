import {
  HookRefusedError,
  PartitionAlreadyExistsError,
  PartitionAttachedError,
  PartitionDetachInProgressError,
  PartitionNotFoundError,
  PartitionReferencedError,
  PlanStaleError,
  RowsInDefaultError,
  StatementFailedError,
  UnmanagedPartitionDropError,
} from '../errors.ts'
import type { Instant } from '../model/instant.ts'
import { formatTableName } from '../model/table-name.ts'
import { describeHolder, describeSnapshot } from '../plan/blocker.ts'
import type { Operation } from '../plan/operation.ts'
import { isDestructive } from '../plan/operation.ts'
import { isFromServer } from './explain-failure.ts'
import type { HeldLease } from './held-lease.ts'
import type { HookRunner } from './hook-runner.ts'
import type { HookScene } from './hook-subject.ts'
import { hookPhase, hookSubject } from './hook-subject.ts'
import type { Logger } from './logger.ts'
import { OperationCourse } from './operation-course.ts'
import type { WaitSeen } from './operation-course.ts'
import type { Patience } from './patience.ts'
import type { OperationResult, PartitionRepository, RunContext } from './repository.ts'
import { carryOut } from './repository.ts'
import { abortedBy, throwIfAborted } from './run-aborted.ts'
import type { OperationOutcome } from './result.ts'
import type { RunRecord } from './run-record.ts'
import { RangeStillExcluded } from './still-excluded.ts'
import { describeError } from './sql-state.ts'

/** What the operations of one plan are run with. */
export interface OperationRun extends HookScene {
  readonly operations: readonly Operation[]
  readonly server: RunContext['server']
  readonly lock: HeldLease
  readonly signal: AbortSignal
  readonly now: Instant | undefined
  readonly patience: Patience
  readonly allowDestructive: boolean
  readonly continueOnError: boolean
  /** Says why an operation must not run although it was planned, or nothing. */
  readonly refuse?: (operation: Operation) => string | undefined
}

export interface OperationRunnerParts {
  readonly repository: PartitionRepository
  readonly hooks: HookRunner
  readonly logger: Logger
}

/**
 * Runs operations in order: lock still held -> `before*` -> the change -> `after*`.
 *
 * What a guard or a hook refuses, and what gave way to somebody else's lock, is recorded and the next operation goes
 * on, because each stands on its own. What fails otherwise ends the run, unless `continueOnError`.
 */
export async function runOperations(
  parts: OperationRunnerParts,
  run: OperationRun,
  record: RunRecord,
): Promise<void> {
  let isExcluded = false
  for (const [index, operation] of run.operations.entries()) {
    if (isDestructive(operation) && !run.allowDestructive) {
      record.withheld(operation, 'it takes rows out of reach, and that was not allowed')
      continue
    }
    if (operation.reason.code === 'follows-detach' && !record.succeeded('detach', operation.partition)) {
      record.outcome(operation, { status: 'not-run', durationMs: 0, message: 'its detach did not happen' })
      continue
    }
    if (isExcluded && operation.kind === 'create' && operation.excludesFromDefault) {
      record.outcome(operation, {
        status: 'not-run',
        durationMs: 0,
        message: 'the CHECK for another range is still on DEFAULT',
      })
      continue
    }
    const whyNot = run.patience.whyNot(operation.locks)
    if (whyNot !== undefined) {
      record.outcome(operation, { status: 'not-run', durationMs: 0, message: whyNot })
      continue
    }
    try {
      const course = new OperationCourse((first) => {
        reportWait(parts.logger, operation, first)
      })
      const error = await runOne(parts, { run, operation, record, course })
      isExcluded ||= error instanceof RangeStillExcluded
    } catch (error) {
      record.ended(error)
      for (const rest of run.operations.slice(index + 1)) {
        record.outcome(rest, { status: 'not-run', durationMs: 0, message: 'the run ended before it' })
      }
      return
    }
  }
}

const stopped = 'The run was stopped before its next operation.'

interface One {
  readonly run: OperationRun
  readonly operation: Operation
  readonly record: RunRecord
  readonly course: OperationCourse
}

/** Throws only what ends the run; gives what else stood in the way of the operation. */
async function runOne(parts: OperationRunnerParts, one: One): Promise<unknown> {
  const { run, operation, record, course } = one
  const started = performance.now()
  const waited = (): Pick<OperationOutcome, 'waited'> => (course.wait ? { waited: course.wait } : {})
  const took = (): number => Math.round(performance.now() - started)
  try {
    const result = await guarded(parts, one)
    record.outcome(operation, {
      status: result.status,
      durationMs: took(),
      ...(result.rowsMoved !== undefined && result.rowsMoved > 0 && { rowsMoved: result.rowsMoved }),
      ...waited(),
    })
    report(parts.logger, operation, result)
    if (result.status === 'done') await after(parts, one, result)
    return undefined
  } catch (error) {
    const refused = isRefusal(error)
    record.outcome(operation, {
      status: refused ? 'refused' : 'failed',
      durationMs: took(),
      message: describeError(error),
      ...waited(),
      ...(course.hasBegun ? { begun: true } : {}),
    })
    if (run.signal.aborted) throw abortedBy(run.signal, error)
    record.issue(error instanceof HookRefusedError ? 'hook' : operation.kind, {
      error,
      partition: operation.partition,
    })
    parts.logger.warn(describeError(error), { operation: operation.id })
    const goesOn = refused || gaveWay(error) || standsAlone(operation, error)
    if (!goesOn && !run.continueOnError) throw error
    return error
  }
}

async function guarded(
  { repository, hooks }: OperationRunnerParts,
  { run, operation, course }: One,
): Promise<OperationResult> {
  const { signal, lock, server, now, patience } = run
  const refusal = run.refuse?.(operation)
  if (refusal !== undefined) {
    throw new PlanStaleError(
      `${formatTableName(run.config.table)}: ${operation.id} was left out: ${refusal}. Plan again.`,
    )
  }
  const phase = hookPhase('before', operation)
  // What a hook is told costs a look at every partition.
  if (phase && !hooks.isEmpty) {
    throwIfAborted(signal, stopped)
    await hooks.before(phase, hookSubject(run, operation, { phase }), signal)
  }
  throwIfAborted(signal, stopped)
  // A hook can take long: whether the lock is still ours is asked last.
  await (hooks.isEmpty && !isDestructive(operation) ? lock.assertHeldLately() : lock.assertHeld())
  return carryOut(repository, operation, { server, signal, patience, course, ...(now && { now }) })
}

async function after(
  { hooks }: OperationRunnerParts,
  { run, operation, record }: One,
  result: OperationResult,
): Promise<void> {
  const phase = hookPhase('after', operation)
  if (!phase || hooks.isEmpty) return
  const subject = hookSubject(run, operation, { phase, oid: result.oid })
  for (const message of await hooks.after(phase, subject, run.signal)) {
    record.warning('hook', { message, partition: operation.partition })
  }
}

/** Once for each operation: what comes after it is in the result. */
function reportWait(logger: Logger, operation: Operation, { gaveWay, inTheWay = [] }: WaitSeen): void {
  const who = inTheWay
    .slice(0, 3)
    .map((holder) => ('relation' in holder ? describeHolder(holder) : describeSnapshot(holder)))
    .join('; ')
  const what = gaveWay ? 'gave way, and is tried again' : 'waits'
  logger.info(`${operation.id}: ${what}${who === '' ? '' : `: ${who}`}`, {
    table: formatTableName(operation.parent),
    operation: operation.kind,
  })
}

function report(logger: Logger, operation: Operation, { status, rowsMoved = 0 }: OperationResult): void {
  logger.info(status === 'raced' ? `${operation.id}: done already by somebody else` : operation.id, {
    table: formatTableName(operation.parent),
    operation: operation.kind,
    reason: operation.reason.text,
  })
  if (rowsMoved > 0) {
    logger.info(`${operation.id}: moved ${rowsMoved} rows out of DEFAULT`, {
      table: formatTableName(operation.parent),
      rowsMoved,
    })
  }
}

/** A lock that was not free says nothing about the next operation's, and that one may be the more urgent. */
function gaveWay(error: unknown): boolean {
  return error instanceof StatementFailedError && error.code === 'lock-timeout'
}

/**
 * A detach that cannot be finished, a table that no longer fits, or one row of DEFAULT that cannot be moved must not keep
 * tomorrow's partition from being made.
 */
function standsAlone({ kind }: Operation, error: unknown): boolean {
  if (!isFromServer(error)) return false
  // A right that is missing to make one is missing to make them all.
  const isDenied = error instanceof StatementFailedError && error.code === 'access-denied'
  return kind === 'finalize' || kind === 'attach' || (kind === 'create' && !isDenied)
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof PlanStaleError ||
    error instanceof PartitionAlreadyExistsError ||
    error instanceof HookRefusedError ||
    error instanceof PartitionAttachedError ||
    error instanceof PartitionNotFoundError ||
    error instanceof PartitionDetachInProgressError ||
    error instanceof PartitionReferencedError ||
    error instanceof RowsInDefaultError ||
    error instanceof UnmanagedPartitionDropError
  )
}
