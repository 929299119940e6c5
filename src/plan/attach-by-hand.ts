import { parseBound } from '../model/bound-text.ts'
import type { PartitionTree } from '../model/partition-tree.ts'
import { defaultPartition } from '../model/partition-tree.ts'
import { quoteIdentifier, quoteLiteral, quoteTable } from '../model/quote.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'

/**
 * How a person attaches a table; without a bound its range is to be filled in.
 *
 * The CHECK spares ATTACH the look through the table, which it would do with DEFAULT locked. Nobody waits while the CHECK
 * is made, because the table is attached nowhere.
 */
export function attachByHand(
  tree: PartitionTree,
  table: TableName,
  bound = "FOR VALUES FROM ('..') TO ('..')",
): string {
  const alter = `ALTER TABLE ${quoteTable(table)}`
  const inRange = rangeCheck(tree, bound)
  const fallback = defaultPartition(tree)
  return [
    "SET lock_timeout = '100ms';",
    ...(inRange === undefined ? [] : [`${alter} ADD CONSTRAINT ${checkName} CHECK (${inRange});`]),
    `ALTER TABLE ${quoteTable(tree.parent.name)} ATTACH PARTITION ${quoteTable(table)} ${bound};`,
    ...(inRange === undefined ? [] : [`${alter} DROP CONSTRAINT ${checkName};`]),
    'What ends with a lock timeout has changed nothing: send it again.',
    ...(fallback
      ? [
          `The ATTACH reads all of ${formatTableName(fallback.name)} under a lock; where that is large, the guide to DEFAULT partitions says how to spare it.`,
        ]
      : []),
    'Where the range has expired, raise retentionCount before, or the next run that may detaches it again.',
  ].join(' ')
}

const checkName = 'attached_by_hand'

/** As PostgreSQL itself says it: with less it would not take the CHECK as proof. */
function rangeCheck({ parent }: PartitionTree, boundText: string): string | undefined {
  const bound = parseBound(boundText)
  const [key] = parent.key
  if (key?.name === undefined || bound?.kind !== 'range') return undefined
  const [[from, ...furtherFrom], [to]] = [bound.from, bound.to]
  if (from?.kind !== 'value' || to?.kind !== 'value' || furtherFrom.length > 0) return undefined
  const column = quoteIdentifier(key.name)
  return `${column} IS NOT NULL AND ${column} >= ${quoteLiteral(from.text)} AND ${column} < ${quoteLiteral(to.text)}`
}
