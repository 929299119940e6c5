import type { Hazard } from '../policy/hazard.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { LockMode, LockRole, LockUse } from './operation.ts'

/** What a lock means for those who use the table. */
const meaning: Readonly<Record<LockMode, (table: string) => string>> = {
  'ACCESS SHARE': (table) => `reads and writes of ${table} go on`,
  'SHARE UPDATE EXCLUSIVE': (table) => `reads and writes of ${table} go on; VACUUM and ALTER wait`,
  'SHARE ROW EXCLUSIVE': (table) => `blocks writes of ${table}; reads go on`,
  'ACCESS EXCLUSIVE': (table) => `blocks reads and writes of ${table}`,
}

export function lockUse(role: LockRole, relation: TableName, mode: LockMode): LockUse {
  return { relation, mode, role, effect: meaning[mode](formatTableName(relation)) }
}

/** A table that is made by the operation itself is locked, too, and nobody can notice. */
export function lockOfNew(relation: TableName): LockUse {
  return { relation, mode: 'ACCESS EXCLUSIVE', role: 'partition', effect: 'blocks nobody: it is new' }
}

/**
 * What locks alone make of an operation.
 *
 * ACCESS EXCLUSIVE is the one mode that is replayed on standbys, where queries that run on against it are cancelled
 * after `max_standby_streaming_delay`. The partition itself is not counted: it is new, or nobody is to use it any more.
 */
export function hazardsOfLocks(locks: readonly LockUse[]): readonly Hazard[] {
  const blocks = locks.some(({ mode, role }) => mode === 'ACCESS EXCLUSIVE' && role !== 'partition')
  return blocks ? ['access-exclusive-lock', 'cancels-standby-queries'] : []
}
