import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Looker, LockHolder, WantedLock } from './blocker.ts'
import { adviceAbout, inTheWay } from './blocker.ts'
import type { Operation } from './operation.ts'
import type { MaintenancePlan } from './plan.ts'

/**
 * Who is in the way of the operations of one plan, at the moment of looking.
 *
 * It changes by the second, so it is no part of the plan: a saved plan holds nothing of it.
 */
export interface PlanBlockers {
  readonly table: TableName
  /** One for each operation, in the order of the plan. */
  readonly operations: readonly OperationBlockers[]
  /** What to grant, or to wait for, in sentences. */
  readonly advice: readonly string[]
}

export interface OperationBlockers {
  /** The `id` of the operation. */
  readonly id: string
  /** The oldest transaction first; none where all its locks are free. */
  readonly blockers: readonly LockHolder[]
}

/** Every table that an operation of the plans locks, each once. */
export function lockedTables(plans: readonly MaintenancePlan[]): readonly TableName[] {
  const tables = plans.flatMap(({ operations }) =>
    operations.flatMap(({ locks }) => locks.map(({ relation }) => relation)),
  )
  return [...new Map(tables.map((table) => [formatTableName(table), table])).values()]
}

/** Lays those who hold locks against what the operations of a plan ask for. */
export function blockersOfPlan(
  { table, operations }: MaintenancePlan,
  holders: readonly LockHolder[],
  looker: Looker,
): PlanBlockers {
  const found = operations.map((operation) => ({
    id: operation.id,
    blockers: inTheWay(waitsFor(operation), holders),
  }))
  const all = found.flatMap(({ blockers }) => blockers)
  return { table, operations: found, advice: all.length > 0 ? adviceAbout(all, looker) : [] }
}

/** A concurrent detach lets readers and writers of the parent go on, and ends only when those of its beginning have. */
function waitsFor(operation: Operation): readonly WantedLock[] {
  if (operation.kind !== 'detach' || operation.mode !== 'concurrent') return operation.locks
  return [...operation.locks, { relation: operation.parent, mode: 'ACCESS EXCLUSIVE' }]
}
