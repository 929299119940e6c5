import type { PoolClient } from 'pg'
import { expect, it } from 'vitest'

import { createPartsmith } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'

const now = '2026-03-15T12:00:00Z'
const config = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 1,
  dropAfter: '30 days',
} as const
const tables = `
  CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
  INSERT INTO events SELECT i, '2026-02-10' FROM generate_series(1, 10) i;`

describeEachServer('a concurrent detach that waits for a reader of the partition itself', (major) => {
  it('lets those through who come after the reader, and is finished when the reader is gone', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const reader = await reading(database)
    const running = createPartsmith({ pool: database.pool }).maintainer.runMaintenanceSafe(config, { now })
    await untilItWaits(database)
    // Without a limit it would wait as long as the reader does, and this with it.
    expect(await database.sql('SELECT count(*)::int AS n FROM events__2026_02')).toEqual([{ n: 10 }])
    await reader.query('COMMIT')
    reader.release()
    expect(await running).toMatchObject({ success: true, detachedCount: 1 })
    expect(await database.sql('SELECT FROM pg_inherits WHERE inhdetachpending')).toEqual([])
  })

  it('does not make the reader the victim of a deadlock', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const reader = await reading(database)
    const running = createPartsmith({ pool: database.pool }).maintainer.runMaintenanceSafe(config, { now })
    await untilItWaits(database)
    await reader.query('LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE')
    await reader.query('COMMIT')
    reader.release()
    expect(await running).toMatchObject({ success: true, detachedCount: 1 })
  })
})

async function reading(database: TestDatabase): Promise<PoolClient> {
  const reader = await database.pool.connect()
  await reader.query('BEGIN')
  await reader.query('SELECT FROM events__2026_02')
  return reader
}

async function untilItWaits(database: TestDatabase): Promise<void> {
  const waits = `SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE NOT l.granted AND l.relation = 'events__2026_02'::regclass AND a.query LIKE 'ALTER TABLE%CONCURRENTLY'`
  while ((await database.sql(waits)).length === 0);
}
