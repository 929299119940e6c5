import type { TableName } from '../model/table-name.ts'
import type { Holder, LockHolder, Looker } from '../plan/blocker.ts'
import { lockHolders, readHolder, readLooker, readSession, snapshotHolders } from '../sql/blockers.ts'
import { pinSettings } from '../sql/catalog.ts'
import { toText } from '../sql/sql.ts'
import type { DatabaseClient } from './client.ts'
import type { Session } from './session.ts'
import { longestSilenceMs, withConnection } from './session.ts'

export interface HoldersSeen {
  readonly holders: readonly LockHolder[]
  /** Those whose snapshots a statement has waited for. */
  readonly snapshots: readonly Holder[]
  /** Of no meaning where there are no holders. */
  readonly looker: Looker
}

export interface HoldersAsked {
  readonly tables: readonly TableName[]
  /** How long a statement has waited for older snapshots, where it did. */
  readonly waitedForSnapshotsMs?: number | undefined
}

export const nobodySeen: HoldersSeen = { holders: [], snapshots: [], looker: { role: '', mayHurry: false } }

/** Reads who holds locks on the tables, or an old snapshot, now; other sessions only. */
export async function readLockHolders(
  client: DatabaseClient,
  asked: HoldersAsked,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<HoldersSeen> {
  if (asked.tables.length === 0) return nobodySeen
  return withConnection(client, { signal, silenceMs: longestSilenceMs }, (session) =>
    holdersOf(session, asked),
  )
}

/** The same, on a connection that is there. */
export async function holdersOf(
  session: Session,
  { tables, waitedForSnapshotsMs }: HoldersAsked,
): Promise<HoldersSeen> {
  const { rows, snapshots } = await session.transaction(
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
  )
  return {
    holders: rows.flatMap(readHolder),
    snapshots: snapshots.map(readSession),
    looker: readLooker(rows[0]),
  }
}
