/** PostgreSQL's table-level lock modes, weakest first, by the names that LOCK TABLE knows. */
export const lockModes = [
  'ACCESS SHARE',
  'ROW SHARE',
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
] as const

export type TableLockMode = (typeof lockModes)[number]

/** Which modes each mode keeps waiting, from PostgreSQL's table of conflicting lock modes. */
const conflicting: Readonly<Record<TableLockMode, readonly TableLockMode[]>> = {
  'ACCESS SHARE': ['ACCESS EXCLUSIVE'],
  'ROW SHARE': ['EXCLUSIVE', 'ACCESS EXCLUSIVE'],
  'ROW EXCLUSIVE': ['SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'],
  'SHARE UPDATE EXCLUSIVE': [
    'SHARE UPDATE EXCLUSIVE',
    'SHARE',
    'SHARE ROW EXCLUSIVE',
    'EXCLUSIVE',
    'ACCESS EXCLUSIVE',
  ],
  SHARE: ['ROW EXCLUSIVE', 'SHARE UPDATE EXCLUSIVE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'],
  'SHARE ROW EXCLUSIVE': [
    'ROW EXCLUSIVE',
    'SHARE UPDATE EXCLUSIVE',
    'SHARE',
    'SHARE ROW EXCLUSIVE',
    'EXCLUSIVE',
    'ACCESS EXCLUSIVE',
  ],
  EXCLUSIVE: [
    'ROW SHARE',
    'ROW EXCLUSIVE',
    'SHARE UPDATE EXCLUSIVE',
    'SHARE',
    'SHARE ROW EXCLUSIVE',
    'EXCLUSIVE',
    'ACCESS EXCLUSIVE',
  ],
  'ACCESS EXCLUSIVE': lockModes,
}

/** Whether two sessions cannot hold these modes on one table at the same time. */
export function conflict(one: TableLockMode, other: TableLockMode): boolean {
  return conflicting[one].includes(other)
}

/** Reads a mode as `pg_locks` spells it: `AccessExclusiveLock`. */
export function lockModeFrom(pgLocksMode: string): TableLockMode | undefined {
  const wanted = pgLocksMode.replace(/Lock$/, '').toUpperCase()
  return lockModes.find((mode) => mode.replaceAll(' ', '') === wanted)
}
