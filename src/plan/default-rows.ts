import type { ForeignKey } from '../model/partition-tree.ts'
import { defaultPartition, foreignTableIn } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Evidence, EvidenceRequest } from './evidence.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import { listed } from './listed.ts'
import { describeLimit, longestWaitMs, raiseLimit } from './lock-limit.ts'
import type { RangeText } from './operation.ts'
import { priceBesideDefault, priceOfMove } from './scan-price.ts'
import type { PlanInput, Survey } from './survey.ts'

/** So many rows of DEFAULT that are astray are counted; of more it is said that they are more. */
export const mostAstray = 10_000

/** What has to be known about the rows of DEFAULT; a foreign table in it is not asked, it is on another server. */
export function defaultRowsNeeded(
  { config, tree }: PlanInput,
  { current }: Survey,
  ranges: readonly RangeText[],
): Pick<EvidenceRequest, 'defaultRows'> {
  const fallback = defaultPartition(tree)
  if (!fallback || foreignTableIn(fallback)) return {}
  return {
    defaultRows: {
      table: fallback.name,
      key: config.partitionColumn,
      ranges,
      before: current.range.from,
      ahead: current.range.to,
      mostRows: mostAstray,
    },
  }
}

/** Rows of DEFAULT that would have to move and must not, or are too many for one short transaction. */
export function whyRowsCannotMove(
  input: PlanInput,
  about: {
    readonly range: RangeText
    readonly rowsInDefault: number
    /** The table that is attached again; left out, a new one is made. */
    readonly again?: TableName
    readonly evidence: Evidence
  },
): Finding | undefined {
  const { config, tree } = input
  const { range, rowsInDefault, again, evidence } = about
  const fallback = defaultPartition(tree)
  if (!fallback) return undefined
  const name = formatTableName(fallback.name)
  const so = `so ${notDone(again, 'the partition of that period')}`
  const remote = foreignTableIn(fallback)
  if (remote) {
    const what = fallback.kind === 'foreign' ? ' and' : `, and ${formatTableName(remote)} below it is`
    return finding('default-not-movable', {
      relation: fallback.name,
      range,
      message: `${name} is the DEFAULT partition${what} a foreign table: whether it holds rows from ${range.from} to ${range.to} cannot be checked under a lock, ${so}.`,
      next: again ? 'Attach it by hand.' : 'Create that partition by hand.',
    })
  }
  if (rowsInDefault > 0 && tree.parent.publishedBy !== undefined) {
    return finding('rows-in-default-published', {
      relation: fallback.name,
      range,
      message: `${name} holds ${rowsInDefault} rows from ${range.from} to ${range.to}, and the publication ${tree.parent.publishedBy} sends changes of this table: subscribers would delete a moved row, and not get it again or stop at it, ${so}. Its rows go on into DEFAULT.`,
      next: `Move them by hand in one transaction: delete them from ${name} into a temporary table, attach the partition, and insert them through ${formatTableName(tree.parent.name)}. Subscribers of a publication with publish_via_partition_root get both; without it, make the partition on the subscribers first.`,
    })
  }
  // Before the limits: while others refer to the table, no limit lets the rows move.
  if (rowsInDefault > 0 && tree.parent.referencedBy.length > 0) {
    return finding('rows-in-default-referenced', {
      relation: fallback.name,
      range,
      message: `${name} holds ${rowsInDefault} rows from ${range.from} to ${range.to}, and ${whoRefers(tree.parent.referencedBy)}: a moved row would lose its references, ${so}.`,
      next: moveReferredRows(tree.parent.referencedBy),
    })
  }
  const ms = (priceBesideDefault(evidence)?.estimatedMs ?? 0) + priceOfMove(rowsInDefault)
  const isTooLong = rowsInDefault > 0 && ms > longestWaitMs(input)
  if (rowsInDefault > config.maxRowsFromDefault) {
    const besides = isTooLong ? `; the move takes about ${ms} ms, so ${raiseLimit(input, ms)} as well` : ''
    return finding('rows-in-default', {
      relation: fallback.name,
      range,
      message: `${name} holds ${rowsInDefault} rows from ${range.from} to ${range.to}, more than the ${config.maxRowsFromDefault} that one short transaction may move, ${so}.`,
      next: `Raise maxRowsFromDefault of the table if writers may wait longer${besides}. Or move the rows out of DEFAULT by hand.`,
    })
  }
  if (isTooLong) {
    return finding('rows-in-default', {
      relation: fallback.name,
      range,
      message: `${name} holds ${rowsInDefault} rows from ${range.from} to ${range.to}. To move them takes about ${ms} ms under a lock that stops readers and writers, longer than ${describeLimit(input)}, ${so}.`,
      next: `${capital(raiseLimit(input, ms))} if they may wait longer, or move the rows out of DEFAULT by hand.`,
    })
  }
  return undefined
}

/**
 * How rows come out of DEFAULT where others refer to the table. While a key is gone, nothing keeps a run from retiring the
 * partitions that it protected, and rows without a parent can be written: so it is gone in one transaction only.
 */
export function moveReferredRows(referencedBy: readonly ForeignKey[]): string {
  const keys = listed([...new Set(referencedBy.map(({ name }) => name))])
  const isOne = referencedBy.length === 1
  return `Move them by hand in one transaction, so that nobody ever sees the tables without ${keys}: lock them, drop ${isOne ? 'that foreign key' : 'those foreign keys'}, move the rows, attach their partition, add ${isOne ? 'the key' : 'the keys'} again as NOT VALID, and validate ${isOne ? 'it' : 'them'} afterwards. The guide to DEFAULT partitions has the statements. Never drop ${isOne ? 'it' : 'them'} for longer: a scheduled run with --allow-destructive would take partitions that only ${isOne ? 'it protects' : 'they protect'}.`
}

/** `public.notes refers to this table (notes_event_fkey)` */
export function whoRefers(referencedBy: readonly ForeignKey[]): string {
  const tables = [...new Set(referencedBy.map(({ table }) => formatTableName(table)))]
  const keys = [...new Set(referencedBy.map(({ name }) => name))]
  return `${listed(tables)} ${tables.length === 1 ? 'refers' : 'refer'} to this table (${listed(keys)})`
}

/** `the partition of that period is not created`, or which table is not attached again. */
export function notDone(again: TableName | undefined, created: string): string {
  return again ? `${formatTableName(again)} is not attached again` : `${created} is not created`
}

function capital(sentence: string): string {
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}`
}

/** Says that the plan knows nothing of the rows of DEFAULT, where it asked for them in vain. */
export function defaultUnread({ tree }: PlanInput, evidence: Evidence): readonly Finding[] {
  const fallback = defaultPartition(tree)
  if (!fallback || evidence.defaultUnread === undefined) return []
  return [
    finding('default-unread', {
      relation: fallback.name,
      message: `The rows of ${formatTableName(fallback.name)}, the DEFAULT partition, could not be read, so the plan knows neither what is in it nor how long it takes to look beside it: ${evidence.defaultUnread}.`,
      next: 'A run looks again under its lock, and gives way when others wait behind it; plan again to know beforehand.',
    }),
  ]
}
