import { defaultPartition } from '../model/partition-tree.ts'
import { quoteIdentifier } from '../model/quote.ts'
import { formatTableName } from '../model/table-name.ts'
import type { TableName } from '../model/table-name.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import { listed } from './listed.ts'
import type { Operation } from './operation.ts'
import type { PlanInput, Survey } from './survey.ts'

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
      ...[...tree.partitions, ...tree.detached]
        .filter(isForeign)
        .filter(({ name }) => touched.has(formatTableName(name))),
    ]),
  ]
  const owners = [...new Set(foreign.map(({ owner }) => owner))]
  const fallback = parent.mayEmptyDefault ? undefined : defaultPartition(tree)
  const schema = quoteIdentifier(parent.name.schema)
  const role = quoteIdentifier(server.role)
  // Before, the role says it for all of its memberships.
  const saysInherit = server.versionNum >= 160_000
  const needsInherit =
    owners.length === 0 || saysInherit
      ? ''
      : ` A role that is NOINHERIT does not use what it is a member of: ALTER ROLE ${role} INHERIT;`
  const lacking = [
    ...owners.map((owner) => ({
      is: `it is no member of ${quoteIdentifier(owner)}, which owns ${listed(foreign.filter((one) => one.owner === owner).map(({ name }) => formatTableName(name)))}`,
      grant: `GRANT ${quoteIdentifier(owner)} TO ${role}${saysInherit ? ' WITH INHERIT TRUE, SET TRUE' : ''}`,
    })),
    ...(fallback
      ? [
          {
            is: `it may not SELECT and DELETE in the DEFAULT partition ${formatTableName(fallback.name)}`,
            grant: `GRANT SELECT, DELETE ON ${quoteIdentifier(fallback.name.schema)}.${quoteIdentifier(fallback.name.name)} TO ${role}`,
          },
        ]
      : []),
    ...(parent.mayCreate
      ? []
      : [
          {
            is: `it may not create tables in the schema ${schema}`,
            // The owner of a partition must have it, and whoever is a member of that has it, too.
            grant: parent.owned
              ? `GRANT USAGE, CREATE ON SCHEMA ${schema} TO ${quoteIdentifier(parent.owner)}`
              : undefined,
          },
        ]),
  ]
  if (lacking.length === 0) return []
  return [
    finding('rights-missing', {
      message: `The role ${role} lacks what a run on ${formatTableName(parent.name)} needs: ${lacking.map(({ is }) => is).join('; ')}.`,
      next: `Run as the owner of the table, or let an administrator grant it: ${lacking.flatMap(({ grant }) => (grant === undefined ? [] : [`${grant};`])).join(' ')}${needsInherit} \`pg-partsmith grants\` prints all that is missing.`,
    }),
  ]
}
