import type { Evidence, LeavingTable } from '../plan/evidence.ts'
import { pinSettings } from '../sql/catalog.ts'
import { limitTime } from '../sql/count-default.ts'
import { readDependents, readOwnForeignKeys, readSizes } from '../sql/leaving.ts'
import { defaultBudget } from '../sql/lock-budget.ts'
import { readingSettings } from '../sql/settings.ts'
import { toText } from '../sql/sql.ts'
import { foreignKeys } from './catalog-rows.ts'
import type { Session } from './session.ts'
import { hasSqlState, isConnectionFailure, sqlStateOf } from './sql-state.ts'

/** Looks at tables that are to be detached or dropped, with a few questions for all of them. */
export async function readLeaving(
  session: Session,
  tables: readonly LeavingTable[],
): Promise<Pick<Evidence, 'dependents' | 'ownForeignKeys' | 'sizes'>> {
  if (tables.length === 0) return {}
  const oids = tables.map(({ oid }) => oid)
  const found = await session.transaction(
    async () => {
      await session.query(pinSettings)
      const dependents = new Map<string, string[]>(oids.map((oid) => [oid, []]))
      for (const row of (await session.query(readDependents, [oids])).rows) {
        // It is gone by now where it has no description.
        if (typeof row['dependent'] === 'string') dependents.get(String(row['oid']))?.push(row['dependent'])
      }
      const { rows } = await session.query(readOwnForeignKeys, [oids])
      const ownForeignKeys = new Map(
        rows.map((row) => [String(row['oid']), foreignKeys(row['foreign_keys'])] as const),
      )
      return { dependents, ownForeignKeys }
    },
    { readOnly: true },
  )
  return { ...found, sizes: await measure(session, oids) }
}

type Sizes = NonNullable<Evidence['sizes']>

async function measure(session: Session, oids: readonly string[]): Promise<Sizes> {
  try {
    return await session.transaction(
      async () => {
        await session.query(pinSettings)
        await session.query(toText(readingSettings))
        await session.query(toText(limitTime(defaultBudget.statementTimeoutMs)))
        const { rows } = await session.query(readSizes, [oids])
        return new Map(rows.flatMap(sizeIn))
      },
      { readOnly: true },
    )
  } catch (error) {
    // Whoever has come in between has it locked, or took away what was to be measured: then the catalog's figures do.
    const isAnswer = sqlStateOf(error) !== undefined && !isConnectionFailure(error)
    if (!isAnswer || hasSqlState(error, 'queryCanceled')) throw error
    return new Map()
  }
}

function sizeIn(
  row: Readonly<Record<string, unknown>>,
): readonly [string, { bytes: number; rows?: number }][] {
  const { oid, bytes, rows } = row
  // A table that is gone has no size.
  if (typeof oid !== 'string' || typeof bytes !== 'string') return []
  return [[oid, { bytes: Number(bytes), ...(typeof rows === 'string' && { rows: Number(rows) }) }]]
}
