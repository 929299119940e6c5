import { defaultPartition } from '../model/partition-tree.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Evidence, EvidenceRequest } from './evidence.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import type { AttachDecision } from './orphans.ts'
import type { RangeText } from './operation.ts'
import { priceBesideDefault, priceOfMove } from './scan-price.ts'
import type { PlanInput, Survey } from './survey.ts'

const astraySample = 10_000

/** What has to be known about the rows of DEFAULT; a foreign one is not asked, it is on another server. */
export function defaultRowsNeeded(
  { config, tree }: PlanInput,
  { current }: Survey,
  ranges: readonly RangeText[],
): Pick<EvidenceRequest, 'defaultRows'> {
  const fallback = defaultPartition(tree)
  if (!fallback || fallback.kind === 'foreign') return {}
  return {
    defaultRows: {
      table: fallback.name,
      key: config.partitionColumn,
      ranges,
      before: current.range.from,
      ahead: current.range.to,
      sample: astraySample,
    },
  }
}

/** Rows of DEFAULT that would have to move and must not, or are too many for one short transaction. */
export function whyRowsCannotMove(
  { config, tree, lockTimeoutMs = Infinity }: PlanInput,
  about: { readonly range: RangeText; readonly rowsInDefault: number; readonly evidence: Evidence },
): Finding | undefined {
  const { range, rowsInDefault, evidence } = about
  const fallback = defaultPartition(tree)
  if (!fallback) return undefined
  const name = formatTableName(fallback.name)
  if (fallback.kind === 'foreign') {
    return finding('default-not-movable', {
      relation: fallback.name,
      range,
      message: `${name} is the DEFAULT partition and a foreign table: whether it holds rows from ${range.from} to ${range.to} cannot be checked under a lock, so the partition of that period is not created.`,
      next: 'Create that partition by hand.',
    })
  }
  if (rowsInDefault > 0 && tree.parent.publishedBy !== undefined) {
    return finding('rows-in-default-published', {
      relation: fallback.name,
      range,
      message: `${name} holds ${rowsInDefault} rows from ${range.from} to ${range.to}, and the publication ${tree.parent.publishedBy} sends changes of this table: subscribers would delete a moved row, and not get it again or stop at it. So the partition of that period is not created, and its rows go on into DEFAULT.`,
      next: `Move them by hand in one transaction: delete them from ${name} into a temporary table, attach the partition, and insert them through ${formatTableName(tree.parent.name)}. Subscribers of a publication with publish_via_partition_root get both; without it, make the partition on the subscribers first.`,
    })
  }
  if (rowsInDefault > config.maxRowsFromDefault) {
    return finding('rows-in-default', {
      relation: fallback.name,
      range,
      message: `${name} holds ${rowsInDefault} rows from ${range.from} to ${range.to}, more than the ${config.maxRowsFromDefault} that one short transaction may move, so the partition of that period is not created.`,
      next: 'Raise maxRowsFromDefault if writers may wait longer, and lockTimeoutMs where the move takes longer than that, or move the rows out of DEFAULT by hand.',
    })
  }
  const ms = (priceBesideDefault(evidence)?.estimatedMs ?? 0) + priceOfMove(rowsInDefault)
  if (rowsInDefault > 0 && ms > lockTimeoutMs) {
    return finding('rows-in-default', {
      relation: fallback.name,
      range,
      message: `${name} holds ${rowsInDefault} rows from ${range.from} to ${range.to}. To move them takes about ${ms} ms under a lock that stops readers and writers, longer than the ${lockTimeoutMs} ms that they may wait (lockTimeoutMs), so the partition of that period is not created.`,
      next: 'Raise lockTimeoutMs if they may wait longer (it stays below the deadlock_timeout of the server), or move the rows out of DEFAULT by hand.',
    })
  }
  const [referring] = tree.parent.referencedBy
  if (rowsInDefault > 0 && referring) {
    return finding('rows-in-default-referenced', {
      relation: fallback.name,
      range,
      message: `${name} holds ${rowsInDefault} rows from ${range.from} to ${range.to}, and ${formatTableName(referring.table)} refers to this table (${referring.name}): a moved row would lose its references, so the partition of that period is not created.`,
      next: `Drop ${referring.name}, let the next run move the rows, then add it again as NOT VALID and validate it.`,
    })
  }
  return undefined
}

/** Says that the plan knows nothing of the rows of DEFAULT, where it asked for them in vain. */
export function defaultUnread({ tree }: PlanInput, evidence: Evidence): readonly Finding[] {
  const fallback = defaultPartition(tree)
  if (!fallback || evidence.defaultUnread === undefined) return []
  return [
    finding('default-unread', {
      relation: fallback.name,
      message: `The rows of ${formatTableName(fallback.name)}, the DEFAULT partition, could not be read (${evidence.defaultUnread}), so the plan knows neither what is in it nor how long it takes to look beside it.`,
      next: 'A run looks again under its lock, and gives way when others wait behind it; plan again to know beforehand.',
    }),
  ]
}

/** Rows of DEFAULT that lie in no period that any run will create: they are neither moved nor ever expire. */
export function rowsAstray(
  { config, tree }: PlanInput,
  { current }: Survey,
  { evidence, attached }: { readonly evidence: Evidence; readonly attached: readonly AttachDecision[] },
): readonly Finding[] {
  const fallback = defaultPartition(tree)
  // What goes into a table of the past that is attached again in this very plan is not astray.
  const leaving = attached
    .filter(({ span }) => span.to <= current.from)
    .reduce((sum, { span }) => sum + (evidence.rowsInDefault.get(span.range.from) ?? 0), 0)
  const rows = (evidence.rowsAstray ?? 0) - leaving
  if (!fallback || rows <= 0) return []
  const many = (evidence.rowsAstray ?? 0) >= astraySample
  const { retention } = config.lifecycle
  return [
    finding('rows-astray-in-default', {
      relation: fallback.name,
      message: `${formatTableName(fallback.name)} holds ${many ? 'at least ' : ''}${rows} ${rows === 1 ? 'row' : 'rows'} from before ${current.range.from} or without a key; no run moves them into a partition, and they never expire.`,
      next:
        retention.kind === 'everything'
          ? 'Make the partitions of their periods with ensurePartition, which moves them, or delete them.'
          : 'Delete them, or keep them: with a retentionCount that reaches back to them, ensurePartition makes their partitions and moves them; with a smaller one those partitions expire at once.',
    }),
  ]
}
