import { formatTableName, type Operation, type TableName } from '../../index.ts'
import { printable, tableText } from './printable.ts'
import { formatSize } from './quantities.ts'

/** One row for each lock of an operation: relation, mode, what it blocks. */
export function lockRows({ locks }: Operation): readonly (readonly string[])[] {
  return locks.map(({ relation, mode, effect }) => [tableText(relation), mode, printable(effect)])
}

/** One line for each table that is read while others wait. */
export function scanLines({ kind, scans, locks }: Operation): readonly string[] {
  return scans
    .filter(({ bytes }) => bytes > 0)
    .map(({ relation, bytes, estimatedMs }) =>
      kind === 'detach'
        ? `looks through ${tableText(relation)} (${formatSize(bytes)}) for rows that refer to it while it holds these locks: about ${estimatedMs} ms`
        : `reads ${formatSize(bytes)} of ${tableText(relation)} while it holds these locks${isDefault(relation, locks) ? ' (twice its size without an index on the key)' : ''}: about ${estimatedMs} ms`,
    )
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
  const names = locks
    .filter(({ mode }) => mode === 'ACCESS EXCLUSIVE')
    .map(({ relation }) => tableText(relation))
    // One that is made now has no queries.
    .filter((name) => kind !== 'create' || name !== own)
  return names.length === 0
    ? 'on a standby, no query is cancelled'
    : `on a standby, queries of ${[...new Set(names)].join(', ')} that run on are cancelled (max_standby_streaming_delay)`
}
