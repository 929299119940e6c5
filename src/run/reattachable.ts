import {
  PartitionAttachedError,
  PartitionDetachInProgressError,
  PartitionError,
  PartitionNotFoundError,
} from '../errors.ts'
import { decodeMarker } from '../model/marker.ts'
import type { PartitionTree } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import type { Evidence } from '../plan/evidence.ts'
import { attachByHand } from '../plan/attach-by-hand.ts'
import { listed } from '../plan/listed.ts'
import type { Hindrance } from '../plan/reattached.ts'
import { didYouMean } from './meant-table.ts'

/** Whether the table is a partition of this parent, or marked as one that was. */
export function isKnown(name: TableName, { partitions, detached }: PartitionTree): boolean {
  return [...partitions, ...detached].some((one) => sameTable(one.name, name))
}

/** Why a table that is not known cannot be attached again. */
export function whyUnknown(
  name: TableName,
  tree: PartitionTree,
  { takenNames, markerPrefix }: Pick<Evidence, 'takenNames'> & { readonly markerPrefix: string },
): PartitionError {
  const { parent, detached } = tree
  const [table, whole] = [formatTableName(name), formatTableName(parent.name)]
  const found = takenNames.get(table)
  const what = found?.what
  switch (what) {
    case undefined: {
      const orphans = detached.filter(({ marker }) => marker.kind === 'orphan').map((one) => one.name)
      const which =
        orphans.length === 0
          ? `No detached table is marked for ${whole}.`
          : `Detached from ${whole}: ${listed(orphans.map(formatTableName))}.`
      const near = didYouMean(name, orphans)
      return new PartitionNotFoundError(
        `There is no table ${table} to attach again. ${near}${which} Nothing was changed.`,
      )
    }
    case 'a table that is not attached': {
      const { marker } = decodeMarker(found?.comment, markerPrefix)
      if (marker) {
        return new PartitionError(
          `The marker of ${table} is of ${marker.parentText} and not of ${whole}. Nothing was changed; where that is right, attach it again there (\`pg-partsmith reattach --table ${marker.parentText}\`).`,
        )
      }
      return new PartitionError(
        `${table} carries no marker of ${whole}, so it is not known which rows it held. Nothing was changed. If it was a partition of it, attach it by hand: ${attachByHand(tree, name)}`,
      )
    }
    case 'an attached partition':
      return new PartitionAttachedError(
        `${table} is a partition of another table than ${whole}. Nothing was changed; check the name.`,
      )
    default:
      return new PartitionError(
        `${table} is ${what}, and only a table that was detached can be attached again. Nothing was changed; check the name.`,
      )
  }
}

export function hindranceError({ isPending, message }: Hindrance): PartitionError {
  return isPending ? new PartitionDetachInProgressError(message) : new PartitionError(message)
}
