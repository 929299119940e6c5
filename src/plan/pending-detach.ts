import { Instant } from '../model/instant.ts'
import type { ParentChange } from '../model/parent-change.ts'
import { firstThatMatches } from '../model/parent-change.ts'
import type { Partition, PartitionTree } from '../model/partition-tree.ts'
import { quoteIdentifier, quoteTable } from '../model/quote.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import { finalizeOperation } from './build-operation.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import { listed } from './listed.ts'
import type { Operation } from './operation.ts'
import type { PlanInput } from './survey.ts'

export interface PendingDecision {
  /** Whether a detach is pending, also one that cannot be finished. */
  readonly isAny: boolean
  readonly operations: readonly Operation[]
  readonly findings: readonly Finding[]
}

/**
 * While a detach is pending PostgreSQL allows no other, so it is finished before all else and what is to be retired
 * is planned after it. Creating goes on: finishing can wait for hours behind an old transaction, rows cannot.
 */
export function finishPending(input: PlanInput): PendingDecision {
  const pending = input.tree.partitions.filter(({ detachPending }) => detachPending)
  const stuck = new Map(pending.map((partition) => [partition, cannotFinish(input.tree, partition)]))
  return {
    isAny: pending.length > 0,
    operations: pending
      .filter((partition) => stuck.get(partition) === undefined)
      .map((partition) => finalizeOperation(input, partition)),
    findings: pending.map((partition) => stuck.get(partition) ?? isFinished(input.tree, partition)),
  }
}

/** What a pending detach means for the application, which notices nothing else of it. */
function until({ parent }: PartitionTree): string {
  return `its rows are not found through ${formatTableName(parent.name)}, and inserts for its range fail ("no partition of relation found for row")`
}

/** A detach that waits for this long is stuck or was left; what a session runs is not for every role to see. */
const longMicros = 600_000_000n

/**
 * The same findings for whoever only looks, with a warning for a detach that nobody has finished for long. A run finishes it,
 * and needs nobody for that.
 */
export function leftPending({ tree, now }: PlanInput, findings: readonly Finding[]): readonly Finding[] {
  const at = now ?? tree.server.now
  return findings.map((one) => {
    if (one.code !== 'detach-pending') return one
    const partition = tree.partitions.find(({ name }) => one.relation && sameTable(name, one.relation))
    const text = partition?.marker?.kind === 'orphan' ? partition.marker.detachedAt : undefined
    if (!partition || text === undefined) return one
    const begun = Instant.from(text)
    if (at.epochMicroseconds - begun.epochMicroseconds < longMicros) return one
    return finding('detach-left-pending', {
      relation: partition.name,
      message: `The detach of ${formatTableName(partition.name)} was begun at ${begun.toString()} and is still not finished; ${until(tree)}.`,
      next: 'Run `maintain`, which finishes it before all else and says what is in the way. To have the rows back, attach it again after that (`reattach`).',
    })
  })
}

function isFinished(tree: PartitionTree, partition: Partition): Finding {
  const name = formatTableName(partition.name)
  return partition.marker
    ? finding('detach-pending', {
        relation: partition.name,
        message: `The detach of ${name} was begun and not finished; ${until(tree)}.`,
        next: 'Run `maintain`, unless a run is at work on it: it is finished first, and the rest is planned after it.',
      })
    : finding('detach-pending-unmarked', {
        relation: partition.name,
        message: `A detach of ${name} is pending that this tool did not begin; ${until(tree)}.`,
        next: `It is finished, and ${name} is then an ordinary table. To have it managed, mark it with \`pg-partsmith adopt\` (adoptPartition).`,
      })
}

/** From version 18 on the server fails in the middle of FINALIZE where the parent has what the partition has not. */
function cannotFinish({ server, parent }: PartitionTree, partition: Partition): Finding | undefined {
  const { parentChanges = [], name } = partition
  if (server.versionNum < firstThatMatches || parentChanges.length === 0) return undefined
  const [whole, part] = [formatTableName(parent.name), formatTableName(name)]
  const losesRows = parentChanges.some(({ kind }) => kind === 'column')
    ? ' What was written into a dropped column meanwhile is lost.'
    : ''
  return finding('detach-cannot-finish', {
    relation: name,
    message: `The detach of ${part} was begun, and PostgreSQL ${Math.floor(server.versionNum / 10_000)} cannot finish it, because ${whole} was changed meanwhile and ${part} was not: ${listed(parentChanges.map(describe))}. Its rows are out of sight, inserts for its range fail, and nothing else is detached or dropped until that is over.`,
    next: `Take the change back: ${undo(parent.name, parentChanges)} then run \`maintain\`, which finishes the detach, and make the change again.${losesRows} Or end the detach with DROP TABLE ${quoteTable(name)}, and its rows are gone; CREATE TABLE .. AS TABLE ${quoteTable(name)} keeps a copy.`,
  })
}

function describe(change: ParentChange): string {
  switch (change.kind) {
    case 'column':
      return `column ${quoteIdentifier(change.column)}`
    case 'type':
      return `the type of column ${quoteIdentifier(change.column)}, which was ${change.was}`
    case 'check':
      return `CHECK ${quoteIdentifier(change.constraint)}`
    case 'not-null':
      return `NOT NULL of column ${quoteIdentifier(change.column)}`
  }
}

/** The statements that make the parent fit again, as SQL. */
function undo(parent: TableName, changes: readonly ParentChange[]): string {
  const alter = `ALTER TABLE ${quoteTable(parent)}`
  const primaryKeys = changes.flatMap((change) =>
    change.kind === 'not-null' && change.primaryKey !== undefined ? [change.primaryKey] : [],
  )
  const renames = changes.flatMap((change) => renameBack(change))
  // A key goes before the NOT NULLs of its columns.
  const actions = [
    ...[...new Set(primaryKeys)].map((name) => `DROP CONSTRAINT ${quoteIdentifier(name)}`),
    ...changes.flatMap((change) => (renameBack(change).length > 0 ? [] : [takeBack(change)])),
  ]
  return [...renames, ...(actions.length > 0 ? [actions.join(', ')] : [])]
    .map((action) => `${alter} ${action};`)
    .join(' ')
}

/** A column that was renamed must not be dropped. Where it is not clear which one it was, a person chooses. */
function renameBack(change: ParentChange): readonly string[] {
  if (change.kind !== 'column' || change.surplus.length === 0) return []
  const old = change.surplus.map((name) => quoteIdentifier(name)).join(' or ')
  return [`RENAME COLUMN ${quoteIdentifier(change.column)} TO ${old}`]
}

function takeBack(change: ParentChange): string {
  switch (change.kind) {
    case 'column':
      return `DROP COLUMN ${quoteIdentifier(change.column)}`
    case 'type':
      return `ALTER COLUMN ${quoteIdentifier(change.column)} TYPE ${change.was}`
    case 'check':
      return `DROP CONSTRAINT ${quoteIdentifier(change.constraint)}`
    case 'not-null':
      return `ALTER COLUMN ${quoteIdentifier(change.column)} DROP NOT NULL`
  }
}
