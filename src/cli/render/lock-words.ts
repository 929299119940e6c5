import {
  formatTableName,
  type LockBudget,
  type LockUse,
  type Operation,
  type TableName,
  worstCase,
} from '../../index.ts'
import { printable, tableText } from './printable.ts'
import { counted, formatSize, formatTook } from './quantities.ts'

/** One row for each lock of an operation: relation, mode, what it blocks; of many partitions of one table the first. */
export function lockRows({ locks }: Operation): readonly (readonly string[])[] {
  const rows: (readonly string[])[] = []
  let left: readonly LockUse[] = locks
  for (let [first] = left; first; [first] = left) {
    const lock = first
    const alike = left.filter((other) => other === lock || isAlike(lock, other))
    const shown = alike.length > mostAlike ? alike.slice(0, mostAlike - 2) : alike
    rows.push(...shown.map(({ relation, mode, effect }) => [tableText(relation), mode, printable(effect)]))
    const more = alike.length - shown.length
    if (lock.partitionOf && more > 0) {
      rows.push([`and ${more} more partitions of ${tableText(lock.partitionOf)}`, lock.mode, 'likewise'])
    }
    left = left.filter((other) => !alike.includes(other))
  }
  return rows
}

const mostAlike = 5

function isAlike(one: LockUse, other: LockUse): boolean {
  if (!one.partitionOf || !other.partitionOf) return false
  return sameTable(one.partitionOf, other.partitionOf) && one.mode === other.mode && one.role === other.role
}

/** One line for each table that is read while others wait. */
export function scanLines(operation: Operation): readonly string[] {
  const { kind, scans, locks } = operation
  const rows = 'rowsInDefault' in operation ? operation.rowsInDefault : 0
  const moves = rows > 0 ? ` and moves ${counted(rows, 'row')} out of it` : ''
  return scans
    .filter(({ bytes }) => bytes > 0)
    .map(({ relation, bytes, estimatedMs }) =>
      kind === 'detach'
        ? `looks through ${tableText(relation)} (${formatSize(bytes)}) for rows that refer to it while it holds these locks: about ${estimatedMs} ms`
        : `reads ${formatSize(bytes)} of ${tableText(relation)}${isDefault(relation, locks) ? ` (twice its size without an index on the key)${moves}` : ''} while it holds these locks: about ${estimatedMs} ms`,
    )
}

/** How long the locks are held where that is not the time to read a table; nothing where it is not known. */
export function momentLine(operation: Operation): readonly string[] {
  const { kind, scans } = operation
  if (scans.some(({ bytes }) => bytes > 0)) return []
  switch (kind) {
    case 'create':
      if (operation.rowsInDefault > 0) return []
      return [
        operation.excludesFromDefault
          ? 'holds these locks for a moment; DEFAULT is read before, while readers and writers go on'
          : forAMoment,
      ]
    case 'detach':
    case 'drop':
    case 'unmark':
    case 'readmit':
      return [forAMoment]
    // What they read or wait for is not known beforehand.
    case 'attach':
    case 'finalize':
      return []
  }
}

const forAMoment = 'holds these locks for a moment: no rows are read, only the catalog is changed'

/** What a run may cost others at most, in the numbers of this configuration and server. */
export function budgetLine({ budget, deadlockTimeoutMs }: RunBudget): string {
  const { attempts, longestWaitMs } = worstCase(budget, deadlockTimeoutMs)
  const tries =
    attempts === 1
      ? 'What finds a lock taken is not tried again in this run'
      : `What finds a lock taken is tried up to ${attempts} times, for ${formatTook(budget.giveUpAfterMs)} in all (giveUpAfterMs)`
  return `Others wait at most ${formatTook(longestWaitMs)} at a time (lockTimeoutMs): then it gives way. ${tries}; the next run goes on.`
}

export interface RunBudget {
  readonly budget: LockBudget
  readonly deadlockTimeoutMs: number
}

function isDefault(relation: TableName, locks: Operation['locks']): boolean {
  const name = formatTableName(relation)
  return locks.some((lock) => lock.role === 'default' && formatTableName(lock.relation) === name)
}

/** What a concurrent detach waits for, which no limit ends, and what that costs. */
export function waitLine(operation: Operation): string | undefined {
  if (operation.kind !== 'detach' || operation.mode !== 'concurrent') return undefined
  return `once begun, waits without a limit for open transactions that use ${tableText(operation.parent)}; meanwhile its rows are out of reach and its range takes no new ones`
}

/** What becomes of queries on standbys, where no other lock than ACCESS EXCLUSIVE is replayed. */
export function standbyLine({ kind, partition, locks }: Operation): string {
  const own = tableText(partition)
  // One that is made now has no queries.
  const names = exclusivelyLocked(
    locks.filter(({ relation }) => kind !== 'create' || tableText(relation) !== own),
  )
  return names.length === 0
    ? 'on a standby, no query is cancelled'
    : `on a standby, queries of ${names.join(', ')} that run on are cancelled (max_standby_streaming_delay)`
}

/** The tables that nobody can read meanwhile. */
export function exclusivelyLocked(locks: readonly LockUse[]): readonly string[] {
  return lockedWith('ACCESS EXCLUSIVE', locks)
}

/** The tables locked in a mode; partitions that are locked with what they are below are not told one by one. */
export function lockedWith(wanted: LockUse['mode'], locks: readonly LockUse[]): readonly string[] {
  const locked = locks.filter(({ mode }) => mode === wanted)
  return locked.flatMap(({ relation, partitionOf }) => {
    if (partitionOf && locked.some((other) => sameTable(other.relation, partitionOf))) return []
    const hasMore = locked.some((other) => other.partitionOf && sameTable(other.partitionOf, relation))
    return [`${tableText(relation)}${hasMore ? ' with its partitions' : ''}`]
  })
}

function sameTable(one: TableName, other: TableName): boolean {
  return formatTableName(one) === formatTableName(other)
}
