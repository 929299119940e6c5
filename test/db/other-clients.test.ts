import { PGlite } from '@electric-sql/pglite'
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'

import type { DatabaseClient, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith, fromPglite, fromPostgresJs } from '../../src/index.ts'
import { createDatabase, majors } from '../support/database.ts'

const now = '2026-03-15T12:00:00Z'
const config: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 2,
  retentionCount: 1,
}
const given = `
CREATE TABLE events (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');`
const rest = `
CREATE TABLE rest PARTITION OF events DEFAULT;
INSERT INTO events SELECT g, '2026-04-10' FROM generate_series(1, 5) g;`

/** With a DEFAULT it is detached by the blocking form, and otherwise concurrently. */
const tables = [
  { has: 'no DEFAULT', script: given },
  { has: 'a DEFAULT with rows to move', script: given + rest },
]

describe.each(tables)('a table with $has', ({ script }) => {
  it('lives its whole life on postgres.js', async () => {
    const major = majors.at(-1)
    if (major === undefined) throw new Error('There is no server.')
    await using database = await createDatabase(major)
    await database.sql(script)
    const sql = postgres(database.url, { max: 3, onnotice: () => undefined })
    await expectWholeLife(fromPostgresJs(sql))
    await sql.end()
  })

  it('lives its whole life on PGlite, which has one session', async () => {
    const db = await PGlite.create()
    await db.exec(script)
    await expectWholeLife(fromPglite(db))
    await db.close()
  })
})

async function expectWholeLife(client: DatabaseClient): Promise<void> {
  const read: unknown[] = []
  const partsmith = createPartsmith({
    pool: client,
    hooks: [
      {
        beforeDrop: async ({ query }) => {
          read.push(...(await query('SELECT count(*) AS n FROM public.old')).rows)
        },
      },
    ],
  })
  const result = await partsmith.maintain(config, { now })
  expect(result.operations.map(({ id, status }) => `${id}: ${status}`)).toEqual([
    'create public.events__2026_03: done',
    'create public.events__2026_04: done',
    'detach public.old: done',
    'drop public.old: done',
  ])
  expect(read).toEqual([{ n: '0' }])
  expect((await partsmith.plan(config, { now })).operations).toEqual([])
}
