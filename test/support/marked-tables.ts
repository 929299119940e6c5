/** Tables in the states in which a run that died, another tool or a restore leaves them. */

import type { MarkerFacts } from '../../src/model/marker-facts.ts'
import { withMarker } from '../../src/model/marker.ts'
import { quoteLiteral } from '../../src/model/quote.ts'
import type { TestDatabase } from './database.ts'

/** `<system identifier>/<database oid>`, as the tool has it in its markers. */
async function identityOf(database: TestDatabase): Promise<string> {
  const [row] = await database.sql(
    `SELECT (SELECT system_identifier::text FROM pg_control_system()) || '/' || oid AS identity
     FROM pg_database WHERE datname = current_database()`,
  )
  return String(row?.['identity'])
}

async function oidOf(database: TestDatabase, table: string): Promise<string> {
  const [row] = await database.sql('SELECT $1::regclass::oid::text AS oid', [table])
  return String(row?.['oid'])
}

export interface Marking {
  readonly table: string
  readonly bound: string | undefined
  readonly parent?: string
  /** @default orphan */
  readonly kind?: 'orphan' | 'building'
  readonly detachedAt?: string
  /** What the marker says besides the truth, as after a restore. */
  readonly but?: Partial<MarkerFacts>
}

/** Writes the tool's own marker on a table, attached or not. */
export async function mark(database: TestDatabase, marking: Marking): Promise<void> {
  const {
    table,
    bound,
    parent = 'events',
    kind = 'orphan',
    detachedAt = '2026-03-01T00:00:00Z',
    but,
  } = marking
  const facts: MarkerFacts = {
    oid: await oidOf(database, table),
    database: await identityOf(database),
    parentOid: await oidOf(database, parent),
    parent: { schema: 'public', name: parent },
    bound,
    ...but,
  }
  const [row] = await database.sql(`SELECT obj_description($1::regclass, 'pg_class') AS comment`, [table])
  const comment = typeof row?.['comment'] === 'string' ? row['comment'] : null
  const text = withMarker(
    comment,
    kind === 'orphan' ? { kind, detachedAt, facts } : { kind, facts },
    'pg-partsmith',
  )
  await database.sql(`COMMENT ON TABLE ${table} IS ${quoteLiteral(text)}`)
}

/** Marks a table as pg-partsmith for Python does: one or two lines, and no more. */
export async function markAsPython(
  database: TestDatabase,
  about: {
    readonly table: string
    readonly detachedAt?: string
    readonly comment?: string
    readonly parent?: string
  },
): Promise<void> {
  const lines = [
    `pg-partsmith:orphan-parent=${about.parent ?? 'public.events'}`,
    ...(about.detachedAt === undefined ? [] : [`pg-partsmith:detached-at=${about.detachedAt}`]),
    ...(about.comment === undefined ? [] : [about.comment]),
  ]
  await database.sql(`COMMENT ON TABLE ${about.table} IS ${quoteLiteral(lines.join('\n'))}`)
}

/**
 * Leaves a concurrent detach pending, as a cancelled one does: a reader of the parent keeps it from being finished,
 * and it is cancelled as soon as the catalog shows that it has begun.
 */
export async function leavePending(
  database: TestDatabase,
  { parent = 'events', table }: { readonly parent?: string; readonly table: string },
): Promise<void> {
  const reader = await database.pool.connect()
  const detacher = await database.pool.connect()
  try {
    await reader.query(`BEGIN; LOCK TABLE ${parent} IN ACCESS SHARE MODE`)
    const { rows } = await detacher.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    const detached = detacher.query(`ALTER TABLE ${parent} DETACH PARTITION ${table} CONCURRENTLY`).then(
      () => 'detached',
      () => 'cancelled',
    )
    for (;;) {
      const [row] = await database.sql(
        'SELECT inhdetachpending AS pending FROM pg_inherits WHERE inhrelid = $1::regclass',
        [table],
      )
      if (row?.['pending'] === true) break
    }
    await database.sql('SELECT pg_cancel_backend($1)', [rows[0]?.pid])
    if ((await detached) !== 'cancelled') throw new Error(`The detach of ${table} was not left pending.`)
  } finally {
    await reader.query('ROLLBACK')
    reader.release()
    detacher.release()
  }
}

/** The whole comment of a table. */
export async function commentOf(database: TestDatabase, table: string): Promise<string | null> {
  const [row] = await database.sql(`SELECT obj_description($1::regclass, 'pg_class') AS comment`, [table])
  return typeof row?.['comment'] === 'string' ? row['comment'] : null
}
