import type { TableName } from '../model/table-name.ts'
import type { Holder, LockHolder } from '../plan/blocker.ts'
import { lockHolders, readHolder, readSession, snapshotHolders } from '../sql/blockers.ts'
import { pinSettings } from '../sql/catalog.ts'
import { toText } from '../sql/sql.ts'
import type { DatabaseClient } from './client.ts'
import { withConnection } from './session.ts'

export interface HoldersSeen {
  readonly holders: readonly LockHolder[]
  /** Those whose snapshots a statement has waited for. */
  readonly snapshots: readonly Holder[]
  /** Whether the role may set `deadlock_timeout`, which is what moves an autovacuum aside. */
  readonly mayHurry: boolean
}

export interface HoldersAsked {
  readonly tables: readonly TableName[]
  /** How long a statement has waited for older snapshots, where it did. */
  readonly waitedForSnapshotsMs?: number | undefined
}

/** Reads who holds locks on the tables, or an old snapshot, now; other sessions only. */
export async function readLockHolders(
  client: DatabaseClient,
  { tables, waitedForSnapshotsMs }: HoldersAsked,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<HoldersSeen> {
  if (tables.length === 0) return { holders: [], snapshots: [], mayHurry: false }
  const { rows, snapshots } = await withConnection(client, { signal }, (session) =>
    session.transaction(
      async () => {
        await session.query(pinSettings)
        const locks = await session.query(toText(lockHolders(tables)))
        const older =
          waitedForSnapshotsMs === undefined
            ? undefined
            : await session.query(toText(snapshotHolders(Math.floor(waitedForSnapshotsMs))))
        return { rows: locks.rows, snapshots: older?.rows ?? [] }
      },
      { readOnly: true },
    ),
  )
  return {
    holders: rows.flatMap(readHolder),
    snapshots: snapshots.map(readSession),
    mayHurry: rows.some((row) => row['may_hurry'] === 'true'),
  }
}
