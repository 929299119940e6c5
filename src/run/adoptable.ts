import {
  InvalidPartitionConfigError,
  PartitionAttachedError,
  PartitionError,
  PartitionNotFoundError,
} from '../errors.ts'
import { whyNotTrusted } from '../model/marker.ts'
import type { PartitionTree } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import type { Evidence } from '../plan/evidence.ts'
import type { MaintenancePlan } from '../plan/plan.ts'
import type { TablePartitionConfig } from '../policy/config.ts'
import type { TableMeasure } from '../sql/statement.ts'

/** What is known about the table's parent, and about the name. */
export interface AdoptionScene {
  readonly tree: PartitionTree
  readonly plan: MaintenancePlan
  readonly evidence: Pick<Evidence, 'takenNames'>
}

/** What was marked, and how large it is. */
export interface AdoptedTable extends TableMeasure {
  readonly table: TableName
}

/** To adopt a table is to give it a grace period. `dropAfter: 0 seconds`, written down, says that none is wanted. */
export function refuseWithoutGrace(name: TableName, { table, dropAfter }: TablePartitionConfig): void {
  if (dropAfter !== undefined) return
  throw new InvalidPartitionConfigError(
    `${formatTableName(name)} is not adopted: no dropAfter is set for ${formatTableName(table)}, so the next run that may drop would drop it at once. Set one, such as \`dropAfter: 7 days\`, or drop the table by hand. Nothing was changed.`,
  )
}

/** The OID of an ordinary table that is attached nowhere; everything else is refused. */
export function adoptable(name: TableName, { tree, plan, evidence }: AdoptionScene): string {
  const table = formatTableName(name)
  const found = evidence.takenNames.get(table)
  if (!found) {
    throw new PartitionNotFoundError(
      `There is no table ${table} to adopt. Check the schema and the spelling.`,
    )
  }
  if (found.what !== 'a table that is not attached') {
    const message = `${table} is ${found.what}; only an ordinary table that is attached nowhere can be adopted. Nothing was changed.`
    throw found.what === 'an attached partition'
      ? new PartitionAttachedError(message)
      : new PartitionError(message)
  }
  refuseManaged(found.oid, tree, plan)
  return found.oid
}

/** A marker of our own knows the table's range, which a new one would not: without it the table never comes back. */
function refuseManaged(
  oid: string,
  { server, parent, detached }: PartitionTree,
  { findings }: MaintenancePlan,
): void {
  const table = detached.find((one) => one.oid === oid)
  // What is said of it under the lock is the reason then.
  if (table?.ownerIsTrusted === false) return
  if (table?.marker.kind !== 'orphan' || table.marker.facts?.bound === undefined) return
  const identity = { oid, database: server.database, parentOid: parent.oid }
  if (whyNotTrusted(table.marker, identity) !== undefined) return
  const isOfNoUse = findings.some(
    ({ code, relation }) =>
      code === 'orphan-range-unknown' && relation !== undefined && sameTable(relation, table.name),
  )
  if (isOfNoUse) return
  throw new PartitionError(
    `${formatTableName(table.name)} was detached here and is managed already; adopting it would forget which rows it holds. Nothing was changed.`,
  )
}
