import { expect, it } from 'vitest'

import type { DatabaseClient, MaintenanceResult } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { watchedClient } from '../support/watched-client.ts'

const now = '2026-03-15T12:00:00Z'
const config = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 1,
  dropAfter: '30 days',
} as const

const tables = (rest = ''): string => `
  CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
  INSERT INTO events SELECT i, '2026-02-10' FROM generate_series(1, 100) i; ${rest}`

describeEachServer('a detached table that is attached again', (major) => {
  it.each([
    ['has a proof added after a blocking detach, so that nothing is read under lock', 'blocking', true],
    ['is proven by what a concurrent detach has left', 'concurrent', false],
  ] as const)('%s', async (_, detachMode, isValidated) => {
    await using database = await createDatabase(major)
    await database.sql(tables())
    const first = createPartsmith({ pool: database.pool })
    expect(await first.maintain({ ...config, detachMode }, { now })).toMatchObject({ detachedCount: 1 })

    const { client, sent, notices } = await watchedClient(database)
    const result = await attach(client)
    expect(result).toMatchObject({ success: true, attachedCount: 1 })
    expect(sent.some((text) => text.includes('VALIDATE CONSTRAINT'))).toBe(isValidated)
    expect(notices.join('\n')).toContain(
      'partition constraint for table "events__2026_02" is implied by existing constraints',
    )
    expect(await proofs(database)).toBe(0)
    expect(await database.sql('SELECT count(*)::int AS n FROM events')).toEqual([{ n: 100 }])
  })

  it('is not attached where it holds a row of another period, and keeps no proof', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables())
    await createPartsmith({ pool: database.pool }).maintain({ ...config, detachMode: 'blocking' }, { now })
    await database.sql(`INSERT INTO events__2026_02 VALUES (1, '2025-01-01')`)
    const { client } = await watchedClient(database)
    const result = await attach(client)
    expect(result.success).toBe(false)
    expect(result.issues[0]?.message).toContain('pg_partsmith_range')
    expect(result.operations).toMatchObject([{ kind: 'attach', status: 'failed' }])
    expect(await proofs(database)).toBe(0)
  })
})

/** Attaches again what was detached. */
async function attach(client: DatabaseClient): Promise<MaintenanceResult> {
  return createPartsmith({ pool: client }).maintainer.runMaintenanceSafe(
    { ...config, retentionCount: 2 },
    { now },
  )
}

async function proofs(database: TestDatabase): Promise<number> {
  return (await database.sql(`SELECT FROM pg_constraint WHERE conname = 'pg_partsmith_range'`)).length
}
