import { withMarker, withoutMarker } from '../model/marker.ts'
import { formatTableName } from '../model/table-name.ts'
import type { DetachOperation, FinalizeOperation, UnmarkOperation } from '../plan/operation.ts'
import { describeHolder } from '../plan/blocker.ts'
import { lockHolders, readHolder } from './blockers.ts'
import { lockReferencing } from './lock-referencing.ts'
import type { DdlContext } from './ddl-context.ts'
import { transaction } from './ddl-context.ts'
import { checkAttached, checkParent, lookAgain, markerIn, readSeen, refuse } from './look-again.ts'
import {
  clientCheck,
  patientLimits,
  statementTimeouts,
  transactionSettings,
  turnBackOn,
  turnOff,
  waitPatiently,
  watchClient,
} from './settings.ts'
import { literal, qualified, sql } from './sql.ts'
import type { Action, CommandStep, Guard, Step, TransactionStep } from './statement.ts'
import { execute } from './statement.ts'

/**
 * Detaching. The marker is committed with the detach (blocking) or before it (concurrent), so that after a crash at
 * any point the table is attached, or marked, or both.
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
      ...lockReferencing(operation),
      // The parent before the partition, as every reader takes them; the other way round is a deadlock.
      execute(sql`LOCK TABLE ONLY ${qualified(parent)} IN ACCESS EXCLUSIVE MODE`),
      execute(sql`LOCK TABLE ONLY ${qualified(partition)} IN ACCESS EXCLUSIVE MODE`),
      attachedGuard(operation),
      writeMarker(operation, context),
      execute(sql`ALTER TABLE ${qualified(parent)} DETACH PARTITION ${qualified(partition)}`),
    ]),
  ]
}

function concurrentSteps(operation: DetachOperation, context: DdlContext): readonly Step[] {
  const { parent, partition, guard } = operation
  return [
    transaction(context, `mark ${formatTableName(partition)}`, [
      execute(sql`LOCK TABLE ONLY ${qualified(partition)} IN SHARE UPDATE EXCLUSIVE MODE`),
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
  const patience = hasNeighbours ? undefined : patientLimits(context.limits, context.deadlockTimeoutMs)
  const step = transaction(context, `finalize ${formatTableName(partition)}`, [
    ...lockReferencing(operation),
    execute(sql`LOCK TABLE ONLY ${qualified(parent)} IN SHARE UPDATE EXCLUSIVE MODE`),
    execute(sql`LOCK TABLE ONLY ${qualified(partition)} IN ACCESS EXCLUSIVE MODE`),
    attachedGuard(operation),
    ...(patience ? [execute(waitPatiently(patience))] : []),
    execute(sql`ALTER TABLE ${qualified(parent)} DETACH PARTITION ${qualified(partition)} FINALIZE`),
  ])
  return { ...step, waitsForSnapshots: patience ?? context.limits }
}

/** Takes the marker off a partition that stays attached. */
export function unmarkSteps(operation: UnmarkOperation, context: DdlContext): readonly Step[] {
  const { parent, partition, guard } = operation
  return [
    transaction(context, `unmark ${formatTableName(partition)}`, [
      execute(sql`LOCK TABLE ONLY ${qualified(partition)} IN SHARE UPDATE EXCLUSIVE MODE`),
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
      execute(
        sql`COMMENT ON TABLE ${qualified(partition)} IS ${literal(withoutMarker(guard.comment, context.markerPrefix))}`,
      ),
    ]),
  ]
}

/**
 * The detach waits for every transaction that holds a lock on the parent or the partition, prepared ones too. While it
 * waits the rows are out of sight, nothing else can be detached, and no other run can work on the table. So it does not
 * begin behind one that may stay for long.
 */
function noOldTransaction(
  { parent, partition }: DetachOperation,
  { limits }: DdlContext,
): CommandStep['pin']['others'] {
  const longMs = limits.statementTimeoutMs
  return {
    ask: lockHolders([parent, partition]),
    expect: `no transaction that is ${longMs} ms old holds a lock on either table, and no prepared one`,
    check: (rows) => {
      const old = rows
        .flatMap(readHolder)
        .filter(({ prepared, ageMs = 0 }) => prepared !== undefined || ageMs >= longMs)
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

function writeMarker({ parent, partition, guard }: DetachOperation, context: DdlContext): Action {
  return {
    kind: 'found',
    ask: lookAgain(parent, partition),
    describe: `COMMENT ON TABLE ${formatTableName(partition)} IS '<marker: detached from ${formatTableName(parent)}, at the server's clock>' with its own comment behind it`,
    make: (row) => {
      const seen = readSeen(row)
      const text = withMarker(
        seen.comment,
        {
          kind: 'orphan',
          detachedAt: (context.now ?? seen.now).toString(),
          facts: {
            oid: guard.oid,
            database: context.database,
            parentOid: guard.parentOid,
            parent,
            bound: guard.boundText,
          },
        },
        context.markerPrefix,
      )
      return [execute(sql`COMMENT ON TABLE ${qualified(partition)} IS ${literal(text)}`)]
    },
  }
}
