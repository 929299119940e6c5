import type { TableName } from '../model/table-name.ts'
import type { LockHolder, Looker } from '../plan/blocker.ts'
import { lockHolders, readHolder, readLooker } from '../sql/blockers.ts'
import { pinSettings } from '../sql/catalog.ts'
import { toText } from '../sql/sql.ts'
import type { DatabaseClient } from './client.ts'
import type { Session } from './session.ts'
import { withConnection } from './session.ts'

export interface HoldersSeen {
  readonly holders: readonly LockHolder[]
  /** Of no meaning where there are no holders. */
  readonly looker: Looker
}

export const nobodySeen: HoldersSeen = { holders: [], looker: { role: '', mayHurry: false } }

/** Reads who holds locks on the tables now, other sessions only. */
export async function readLockHolders(
  client: DatabaseClient,
  tables: readonly TableName[],
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<HoldersSeen> {
  if (tables.length === 0) return nobodySeen
  return withConnection(client, { signal }, (session) => holdersOf(session, tables))
}

/** The same, on a connection that is there. */
export async function holdersOf(session: Session, tables: readonly TableName[]): Promise<HoldersSeen> {
  const rows = await session.transaction(
    async () => {
      await session.query(pinSettings)
      return (await session.query(toText(lockHolders(tables)))).rows
    },
    { readOnly: true },
  )
  return {
    holders: rows.flatMap(readHolder),
    looker: readLooker(rows[0]),
  }
}
