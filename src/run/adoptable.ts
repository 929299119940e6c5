import { PartitionAttachedError, PartitionError, PartitionNotFoundError } from '../errors.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'

/** The OID of an ordinary table that is attached nowhere; everything else is refused. */
export function adoptable(
  name: TableName,
  found: { readonly oid: string; readonly what: string } | undefined,
): string {
  const table = formatTableName(name)
  if (!found) {
    throw new PartitionNotFoundError(
      `There is no table ${table} to adopt. Check the schema and the spelling.`,
    )
  }
  if (found.what === 'a table that is not attached') return found.oid
  const message = `${table} is ${found.what}; only an ordinary table that is attached nowhere can be adopted. Nothing was changed.`
  throw found.what === 'an attached partition'
    ? new PartitionAttachedError(message)
    : new PartitionError(message)
}
