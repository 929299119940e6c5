import type { RelationFacts } from '../model/partition-tree.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Evidence } from './evidence.ts'
import type { Finding } from './finding.ts'
import { listed } from './listed.ts'

/** The table with its size as measured, and so many rows as that makes; as the catalog says where it was not measured. */
export function asMeasured<T extends Pick<RelationFacts, 'oid' | 'sizeBytes' | 'rowEstimate'>>(
  table: T,
  { sizes }: Evidence,
): T {
  const size = sizes?.get(table.oid)
  return size ? { ...table, sizeBytes: size.bytes, rowEstimate: size.rows } : table
}

/** Why a table cannot be dropped, and what to do; nothing where nothing is known to depend on it. */
export function keptByDependents(
  { oid, name }: Pick<RelationFacts, 'oid' | 'name'>,
  { dependents }: Evidence,
  isDetached: string,
): Pick<Finding, 'message' | 'next'> | undefined {
  const found = dependents?.get(oid) ?? []
  if (found.length === 0) return undefined
  const isOne = found.length === 1
  const table = formatTableName(name)
  return {
    message: `${table} ${isDetached}, and ${listed(found)} ${isOne ? 'depends' : 'depend'} on it, so it cannot be dropped.`,
    next: `Drop ${isOne ? 'that' : 'those'}, or have ${isOne ? 'it' : 'them'} do without ${table}; the next run drops it then.`,
  }
}
