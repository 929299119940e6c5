import type { Operation } from '../../index.ts'
import { printable, tableText } from './printable.ts'
import { formatSize } from './quantities.ts'

/** One row for each lock of an operation: relation, mode, what it blocks. */
export function lockRows({ locks }: Operation): readonly (readonly string[])[] {
  return locks.map(({ relation, mode, effect }) => [tableText(relation), mode, printable(effect)])
}

/** One line for each table that is read while others wait. */
export function scanLines({ kind, scans }: Operation): readonly string[] {
  return scans
    .filter(({ bytes }) => bytes > 0)
    .map(({ relation, bytes, estimatedMs }) =>
      kind === 'detach'
        ? `looks through ${tableText(relation)} (${formatSize(bytes)}) for rows that refer to it with them in hand: about ${estimatedMs} ms`
        : `reads ${formatSize(bytes)} of ${tableText(relation)} with them in hand: about ${estimatedMs} ms`,
    )
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
