import { withoutMarker } from '../model/marker.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import type { TableName } from '../model/table-name.ts'
import type { DetachOperation, FinalizeOperation, UnmarkOperation } from '../plan/operation.ts'
import { conflict } from '../plan/lock-conflicts.ts'
import { describeHolder, isAutovacuum } from '../plan/blocker.ts'
import type { LockHolder } from '../plan/blocker.ts'
import { lockHolders, readHolder } from './blockers.ts'
import { commentOn } from './comment-on.ts'
import type { DdlContext } from './ddl-context.ts'
import { transaction } from './ddl-context.ts'
import { checkAttached, checkParent, lookAgain, markerIn, readSeen, refuse } from './look-again.ts'
import {
  clientCheck,
  commonLimits,
  patientLimits,
  statementTimeouts,
  transactionSettings,
  turnBackOn,
  turnOff,
  waitPatiently,
  watchClient,
} from './settings.ts'
import { isDetached, onlyIf } from './only-if.ts'
import { takeFirst, takeLocks } from './take-locks.ts'
import { literal, qualified, sql } from './sql.ts'
import type { CommandStep, Guard, Step, TransactionStep } from './statement.ts'
import { execute } from './statement.ts'
import { writeMarker } from './write-marker.ts'

/**
 * Detaching. The marker is committed with the detach (blocking) or before it (concurrent), so that after a crash at
 * any point the table is attached, or marked, or both. What others do to the comment while a concurrent one waits is
 * looked at after it (`markAgainSteps`).
 */
export function detachSteps(operation: DetachOperation, context: DdlContext): readonly Step[] {
  return operation.mode === 'blocking'
    ? blockingSteps(operation, context)
    : concurrentSteps(operation, context)
}

function blockingSteps(operation: DetachOperation, context: DdlContext): readonly Step[] {
  const { parent, partition } = operation
  return [
    transaction(context, `detach ${formatTableName(partition)}`, [
      // DEFAULT is not written to, so the role needs no right to it.
      ...takeLocks(operation.locks, { context, mayLack: ['default'] }),
      attachedGuard(operation),
      writeMarker(operation, context),
      execute(sql`ALTER TABLE ${qualified(parent)} DETACH PARTITION ${qualified(partition)}`),
      onlyIf(isDetached(operation.guard.oid)),
    ]),
  ]
}

function concurrentSteps(operation: DetachOperation, context: DdlContext): readonly Step[] {
  const { parent, partition, guard } = operation
  return [
    transaction(context, `mark ${formatTableName(partition)}`, [
      ...takeFirst(sql`LOCK TABLE ONLY ${qualified(partition)} IN SHARE UPDATE EXCLUSIVE MODE`),
      attachedGuard(operation),
      writeMarker(operation, context),
    ]),
    {
      kind: 'command',
      label: `detach ${formatTableName(partition)}`,
      before: turnOff(statementTimeouts),
      watch: watchClient,
      statement: sql`ALTER TABLE ${qualified(parent)} DETACH PARTITION ${qualified(partition)} CONCURRENTLY`,
      after: turnBackOn([...statementTimeouts, clientCheck]),
      pin: {
        settings: transactionSettings(context.limits, context.deadlockTimeoutMs),
        // ACCESS SHARE lets the first phase through and keeps the name on this table until the detach has it.
        lock: sql`LOCK TABLE ONLY ${qualified(partition)} IN ACCESS SHARE MODE`,
        check: markedGuard(operation, context),
        others: noOldTransaction(operation, context),
        isPending: sql`SELECT i.inhdetachpending::text AS pending FROM pg_inherits i WHERE i.inhrelid = ${literal(guard.oid)}::oid`,
      },
      finish: finalizeStep({ ...operation, kind: 'finalize' }, context),
    },
  ]
}

/**
 * FINALIZE may run in a transaction, so that it is undone with its guard.
 *
 * With its locks taken it waits for every older snapshot of the database, also of transactions that never touched the
 * table, and `lock_timeout` counts for that wait. Nobody queues behind it but who sees the partition still: a reader of
 * it, or a transaction with an older snapshot. So the wait is longer than others, unless foreign keys mean that another
 * table is locked after it, and shorter than the server takes to look for a deadlock with such a transaction.
 */
export function finalizeStep(operation: FinalizeOperation, context: DdlContext): TransactionStep {
  const { parent, partition, locks } = operation
  // A parent that refers to itself is locked with more at the end.
  const hasNeighbours = locks.some(({ role, mode }) =>
    role === 'parent' ? mode !== 'SHARE UPDATE EXCLUSIVE' : role !== 'partition',
  )
  const patience = (hasNeighbours ? commonLimits : patientLimits)(
    context.limits,
    context.shortestDeadlockTimeoutMs,
  )
  const step = transaction(context, `finalize ${formatTableName(partition)}`, [
    ...takeLocks(locks, { context }),
    attachedGuard(operation),
    execute(waitPatiently(patience)),
    execute(sql`ALTER TABLE ${qualified(parent)} DETACH PARTITION ${qualified(partition)} FINALIZE`),
    onlyIf(isDetached(operation.guard.oid)),
  ])
  return { ...step, waitsForSnapshots: patience }
}

/** Takes the marker off a partition that stays attached. */
export function unmarkSteps(operation: UnmarkOperation, context: DdlContext): readonly Step[] {
  const { parent, partition, guard } = operation
  return [
    transaction(context, `unmark ${formatTableName(partition)}`, [
      ...takeFirst(sql`LOCK TABLE ONLY ${qualified(partition)} IN SHARE UPDATE EXCLUSIVE MODE`),
      attachedGuard(operation),
      {
        kind: 'guard',
        ask: lookAgain(parent, partition),
        expect: 'the comment is that of the plan',
        check: (row) =>
          readSeen(row).comment === guard.comment
            ? undefined
            : refuse(
                'stale',
                `the comment of ${formatTableName(partition)} is not the one that was planned with`,
              ),
      },
      ...commentOn(partition, guard.oid, withoutMarker(guard.comment, context.markerPrefix)),
    ]),
  ]
}

/**
 * The detach waits for every transaction that holds a lock on the parent or the partition, prepared ones too. While it
 * waits the rows are out of sight, nothing else can be detached, and no other run can work on the table. So it does not
 * begin behind one that may stay for long, nor where its first phase would wait for the partition with the parent in hand.
 */
function noOldTransaction(
  { parent, partition }: DetachOperation,
  { limits }: DdlContext,
): CommandStep['pin']['others'] {
  const longMs = limits.statementTimeoutMs
  return {
    ask: lockHolders([parent, partition]),
    expect: `no transaction that is ${longMs} ms old holds a lock on either table, no prepared one, and none changes or analyzes the partition`,
    check: (rows) => {
      const seen = rows.flatMap(readHolder)
      const before = seen.find((holder) => keepsFirstPhase(partition, holder))
      if (before) {
        const reason = `it would wait with a lock of ${formatTableName(parent)} in hand, as ${describeHolder(before)}, so it was not begun`
        return { reason, holders: [before] }
      }
      const old = seen.filter(({ prepared, ageMs = 0 }) => prepared !== undefined || ageMs >= longMs)
      // Most hold a lock on both.
      const holders = [...new Map(old.map((holder) => [holder.pid ?? holder.prepared, holder])).values()]
      const [first] = holders
      if (!first) return undefined
      const others = holders.length > 1 ? ` (and ${holders.length - 1} more)` : ''
      const reason = `the rows of ${formatTableName(partition)} would be out of sight for as long as ${describeHolder(first)}${others}, so it was not begun`
      return { reason, holders }
    },
  }
}

/** Whoever waits for nobody, as an autovacuum, is in no deadlock with the wait for it. */
function keepsFirstPhase(partition: TableName, holder: LockHolder): boolean {
  return (
    sameTable(holder.relation, partition) &&
    conflict('SHARE UPDATE EXCLUSIVE', holder.mode) &&
    !isAutovacuum(holder)
  )
}

function attachedGuard(operation: DetachOperation | FinalizeOperation | UnmarkOperation): Guard {
  const { parent, partition, guard, kind } = operation
  return {
    kind: 'guard',
    ask: lookAgain(parent, partition),
    expect: `the same partition is attached to the same parent with the same bounds${kind === 'finalize' ? ', its detach pending' : ''}`,
    check: (row) => {
      const seen = readSeen(row)
      return (
        // A DEFAULT that came or went changes how a partition can be detached; for the others it does not matter.
        checkParent(seen, {
          parent,
          parentOid: guard.parentOid,
          ...(kind === 'detach' && { defaultOid: guard.defaultOid }),
        }) ?? checkAttached(seen, { partition, ...guard, pending: kind === 'finalize' })
      )
    },
  }
}

function markedGuard(operation: DetachOperation, context: DdlContext): Guard {
  const attached = attachedGuard(operation)
  return {
    ...attached,
    expect: `${attached.expect}, and it is marked`,
    check: (row) => {
      const moved = attached.check(row)
      if (moved || markerIn(readSeen(row), context.markerPrefix)?.kind === 'orphan') return moved
      return refuse('stale', `the marker of ${formatTableName(operation.partition)} was removed`)
    },
  }
}
