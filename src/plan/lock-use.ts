import type { Hazard } from '../policy/hazard.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import { lockModes } from './lock-conflicts.ts'
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

/** The same for each of the tables below a partitioned one. */
export function lockUsesBelow(
  top: TableName,
  {
    role,
    mode,
    partitions = [],
  }: Pick<LockUse, 'role' | 'mode'> & { partitions?: readonly TableName[] | undefined },
): readonly LockUse[] {
  return partitions.map((relation) => ({ ...lockUse(role, relation, mode), partitionOf: top }))
}

/** Each table once, as what it was named first, with the strongest of its locks. */
export function strongestOfEach(locks: readonly LockUse[]): readonly LockUse[] {
  const each = new Map<string, LockUse>()
  for (const lock of locks) {
    const name = formatTableName(lock.relation)
    const known = each.get(name)
    if (!known) each.set(name, lock)
    else if (lockModes.indexOf(lock.mode) > lockModes.indexOf(known.mode)) {
      each.set(name, { ...known, mode: lock.mode, effect: lock.effect })
    }
  }
  return [...each.values()]
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
  const isHeld = (held: LockMode): boolean =>
    locks.some(({ mode, role }) => mode === held && role !== 'partition')
  return [
    ...(isHeld('ACCESS EXCLUSIVE') ? (['access-exclusive-lock', 'cancels-standby-queries'] as const) : []),
    ...(isHeld('SHARE ROW EXCLUSIVE') ? (['blocks-writes'] as const) : []),
  ]
}
