import type { TableName } from '../model/table-name.ts'
import type { LockHolder } from '../plan/blocker.ts'
import { lockHolders, readHolder } from '../sql/blockers.ts'
import { pinSettings } from '../sql/catalog.ts'
import { toText } from '../sql/sql.ts'
import type { DatabaseClient } from './client.ts'
import { withConnection } from './session.ts'

export interface HoldersSeen {
  readonly holders: readonly LockHolder[]
  /** Whether the role may set `deadlock_timeout`, which is what moves an autovacuum aside. */
  readonly mayHurry: boolean
}

/** Reads who holds locks on the tables now, other sessions only. */
export async function readLockHolders(
  client: DatabaseClient,
  tables: readonly TableName[],
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<HoldersSeen> {
  if (tables.length === 0) return { holders: [], mayHurry: false }
  const rows = await withConnection(client, { signal }, (session) =>
    session.transaction(
      async () => {
        await session.query(pinSettings)
        return (await session.query(toText(lockHolders(tables)))).rows
      },
      { readOnly: true },
    ),
  )
  return {
    holders: rows.flatMap(readHolder),
    mayHurry: rows.some((row) => row['may_hurry'] === 'true'),
  }
}
