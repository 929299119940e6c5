import type { Partition } from '../model/partition-tree.ts'
import { defaultPartition } from '../model/partition-tree.ts'
import { quoteTable } from '../model/quote.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import { readmitOperation } from './build-operation.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import type { Operation } from './operation.ts'
import type { PlanInput } from './survey.ts'

/** What the CHECK is called that excludes the range of a coming partition from DEFAULT; there is one at a time. */
export const exclusionName = 'pg_partsmith_excluded'

/** The operation that takes the CHECK off. Whoever holds the lock of the table knows that nobody needs it any more. */
export function readmission({ tree }: Pick<PlanInput, 'tree'>): readonly Operation[] {
  const fallback = excluding(tree)
  return fallback ? [readmitOperation({ tree }, fallback)] : []
}

/** Says that inserts are refused; who has no lock sees the CHECK also while a run needs it. */
export function rangeExcluded(
  { tree }: Pick<PlanInput, 'tree'>,
  operations: readonly Operation[],
): readonly Finding[] {
  const fallback = excluding(tree)
  if (!fallback) return []
  const isPlanned = operations.some(({ kind }) => kind === 'readmit')
  const byHand = readmitByHand(fallback.name)
  return [
    finding('range-excluded', {
      relation: fallback.name,
      message: `The DEFAULT partition ${formatTableName(fallback.name)} has the CHECK ${exclusionName}, and inserts of the range that it excludes fail with SQLSTATE 23514. It was put on for a partition that was to be attached, and stays until the next run, unless a run is at work on it now.`,
      next: isPlanned
        ? `Run now: the CHECK is taken off before all else. Or take it off by hand (${byHand}).`
        : `Take it off by hand when no run is at work (${byHand}).`,
    }),
  ]
}

/** The statement that takes the CHECK off, for a person. */
export function readmitByHand(table: TableName): string {
  return `SET lock_timeout = '100ms'; ALTER TABLE ONLY ${quoteTable(table)} DROP CONSTRAINT ${exclusionName}`
}

function excluding(tree: PlanInput['tree']): Partition | undefined {
  return tree.parent.defaultExcludesRange === true ? defaultPartition(tree) : undefined
}
