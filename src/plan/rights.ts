import { defaultPartition } from '../model/partition-tree.ts'
import { quoteIdentifier } from '../model/quote.ts'
import { formatTableName } from '../model/table-name.ts'
import type { TableName } from '../model/table-name.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import { listed } from './listed.ts'
import type { Operation } from './operation.ts'
import type { PlanInput, Survey } from './survey.ts'

/** What to grant depends on more than a plan knows, such as whether an owner is a superuser. */
export const askForGrants =
  'Run as the owner of the table, or let an administrator do what `pg-partsmith grants` (findMissingGrants) prints: GRANTs, and for tables of a superuser another owner, in comments.'

interface Owned {
  readonly name: TableName
  readonly owner: string
  readonly owned: boolean
}

/**
 * Says which rights the connected role lacks for the runs of this table, those of partitions that expire later
 * included. What is planned stays planned: whoever plans needs no rights, and whoever applies may be another role.
 */
export function missingRights(
  { tree }: PlanInput,
  survey: Survey,
  operations: readonly Operation[],
): readonly Finding[] {
  const { parent, server } = tree
  const touched = new Set(operations.map(({ partition }) => formatTableName(partition)))
  const retired = survey.placed.flatMap(({ partition, placement }) =>
    placement.kind === 'aligned' && survey.retentionHorizon !== undefined ? [partition] : [],
  )
  const isForeign = ({ owned }: Owned): boolean => !owned
  const foreign = [
    ...new Set<Owned>([
      ...[parent].filter(isForeign),
      ...retired.filter(isForeign),
      ...[...tree.partitions, ...tree.detached.filter(({ ownerIsTrusted }) => ownerIsTrusted)]
        .filter(isForeign)
        .filter(({ name }) => touched.has(formatTableName(name))),
    ]),
  ]
  const owners = [...new Set(foreign.map(({ owner }) => owner))]
  const fallback = parent.mayEmptyDefault ? undefined : defaultPartition(tree)
  const role = quoteIdentifier(server.role)
  const forOwner =
    server.role === parent.owner ? '' : ` for ${quoteIdentifier(parent.owner)}, which owns the table`
  const lacking = [
    ...owners.map(
      (owner) =>
        `it is no member of ${quoteIdentifier(owner)}, which owns ${listed(foreign.filter((one) => one.owner === owner).map(({ name }) => formatTableName(name)))}`,
    ),
    ...(fallback
      ? [`it may not SELECT and DELETE in the DEFAULT partition ${formatTableName(fallback.name)}`]
      : []),
    ...(parent.mayCreate
      ? []
      : [`it may not create tables in the schema ${quoteIdentifier(parent.name.schema)}${forOwner}`]),
    ...(parent.deniedTablespaces ?? []).map(
      (name) => `it may not create anything in the tablespace ${quoteIdentifier(name)}`,
    ),
  ]
  if (lacking.length === 0) return []
  return [
    finding('rights-missing', {
      message: `The role ${role} lacks what a run on ${formatTableName(parent.name)} needs: ${lacking.join('; ')}.`,
      next: askForGrants,
    }),
  ]
}
