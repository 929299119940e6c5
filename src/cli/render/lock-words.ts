import { formatTableName, type LockMode, type LockUse, type Operation } from '../../index.ts'
import { tableText } from './printable.ts'

/** What a lock means for those who use the table. */
const meaning: Readonly<Record<LockMode, (table: string) => string>> = {
  'ACCESS SHARE': (table) => `reads and writes of ${table} go on`,
  'SHARE UPDATE EXCLUSIVE': (table) => `reads and writes of ${table} go on; VACUUM and ALTER wait`,
  'SHARE ROW EXCLUSIVE': (table) => `blocks writes of ${table}; reads go on`,
  'ACCESS EXCLUSIVE': (table) => `blocks reads and writes of ${table}`,
}

/** One row for each lock of an operation: relation, mode, what it blocks. */
export function lockRows(operation: Operation): readonly (readonly string[])[] {
  return operation.locks.map((lock) => [tableText(lock.relation), lock.mode, effectOf(lock, operation)])
}

function effectOf({ relation, mode }: LockUse, { kind, partition }: Operation): string {
  const itself = formatTableName(relation) === formatTableName(partition)
  if (itself && kind === 'create') return 'blocks nobody: it is new'
  return meaning[mode](tableText(relation))
}
