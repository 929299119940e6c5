import { quoteIdentifier, quoteTable } from './quote.ts'
import type { TableName } from './table-name.ts'
import { formatTableName } from './table-name.ts'

/** A table with a marker, or about to get one, and the parent that the marker names. */
export interface MarkedFor {
  readonly table: TableName
  readonly owner: string
  readonly parent: TableName
  readonly parentOwner: string
}

/**
 * Why the marker of a table does not count whose owner may not act as the owner of the parent: everybody can write one
 * on a table of their own, and what is attached brings its triggers with it.
 */
export function whyOwnerNotTrusted({ table, owner, parent, parentOwner }: MarkedFor): string {
  return `${formatTableName(table)} belongs to ${quoteIdentifier(owner)}, who may not act as ${quoteIdentifier(parentOwner)}, the owner of ${formatTableName(parent)}`
}

/** What a person can do about it. */
export function nextForOwner({ table, parent, parentOwner }: MarkedFor): string {
  const whole = formatTableName(parent)
  return `If it was a partition of ${whole}, look at its rows and triggers, then run ALTER TABLE ${quoteTable(table)} OWNER TO ${quoteIdentifier(parentOwner)}; otherwise clear its comment`
}
