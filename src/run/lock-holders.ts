import type { TableName } from '../model/table-name.ts'
import type { LockHolder } from '../plan/blocker.ts'
import { lockModeFrom } from '../plan/lock-conflicts.ts'
import { lockHolders } from '../sql/blockers.ts'
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
    holders: rows.flatMap(holder),
    mayHurry: rows.some((row) => row['may_hurry'] === 'true'),
  }
}

function holder(row: Readonly<Record<string, unknown>>): readonly LockHolder[] {
  const text = (column: string): string | undefined => {
    const value = row[column]
    return typeof value === 'string' ? value : undefined
  }
  const number = (column: string): number | undefined => {
    const value = text(column)
    return value === undefined ? undefined : Number(value)
  }
  const mode = lockModeFrom(text('mode') ?? '')
  if (mode === undefined) return []
  return [
    {
      relation: { schema: text('schema') ?? '', name: text('name') ?? '' },
      mode,
      pid: number('pid'),
      prepared: text('prepared'),
      backendType: text('backend_type'),
      application: text('application'),
      state: text('state'),
      ageMs: number('age_ms'),
      query: text('query'),
    },
  ]
}
