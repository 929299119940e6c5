import { expect, it } from 'vitest'

import { createPartsmith, PostgresMetadataProvider } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { ownPool } from '../support/own-pool.ts'
import { until } from '../support/cli.ts'

const config = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'day',
  createAheadCount: 90,
} as const
const now = '2026-03-15T12:00:00Z'

/** A DEFAULT without an index, whose rows are all ahead of now: to count them for 90 days takes a second and more. */
async function withSlowDefault(database: TestDatabase): Promise<void> {
  await database.sql(`CREATE TABLE events (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
    CREATE TABLE rest PARTITION OF events DEFAULT;
    INSERT INTO rest SELECT g, '2026-03-15'::timestamptz + (g % 80) * interval '1 day' FROM generate_series(1, 400000) g;
    ANALYZE rest`)
}

async function isCounting(database: TestDatabase): Promise<boolean> {
  const rows = await database.sql(
    `SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%key_index AS MATERIALIZED%' AND pid <> pg_backend_pid()`,
  )
  return rows.length > 0
}

describeEachServer('a plan that reads a large DEFAULT', (major) => {
  it('lets through who comes to change the table, and says that it knows nothing of its rows', async () => {
    await using database = await createDatabase(major)
    await withSlowDefault(database)
    const { plan } = createPartsmith({ pool: ownPool(database), lockTimeoutMs: 50 })
    const planning = plan(config, { now })
    await until(() => isCounting(database), 'the plan reads DEFAULT')
    const migration = await database.pool.connect()
    const started = performance.now()
    await migration.query('BEGIN; LOCK TABLE rest IN ACCESS EXCLUSIVE MODE')
    const waitedMs = performance.now() - started
    await migration.query('COMMIT')
    migration.release()
    const { operations, findings } = await planning
    expect(waitedMs).toBeLessThan(500)
    expect(findings.find(({ code }) => code === 'default-unread')?.message).toMatch(
      /could not be read, .*: 1 session waited behind it, for up to \d+ ms, so it gave way\./,
    )
    // By the size that ANALYZE has found, to read it takes longer than others may wait.
    expect(operations).toEqual([])
    expect(findings.filter(({ code }) => code === 'default-too-large')).not.toEqual([])
  })

  it('reads all of it where nobody waits', async () => {
    await using database = await createDatabase(major)
    await withSlowDefault(database)
    const { plan } = createPartsmith({ pool: ownPool(database) })
    const { operations, findings } = await plan(config, { now })
    expect(findings.filter(({ code }) => code === 'default-unread')).toEqual([])
    expect(operations[0]).toMatchObject({ rowsInDefault: 5_000 })
  })

  it('reads for no longer than others may wait where there is no connection to watch from', async () => {
    await using database = await createDatabase(major)
    await withSlowDefault(database)
    const metadata = new PostgresMetadataProvider(ownPool(database, { max: 1 }))
    const { defaultUnread } = await metadata.collectEvidence({
      limits: { othersWaitMs: 20, withinMs: 10_000 },
      names: [],
      maybeEmpty: [],
      defaultRows: {
        table: { schema: 'public', name: 'rest' },
        key: 'at',
        ranges: Array.from({ length: 80 }, () => ({ from: '2026-03-15', to: '2026-03-16' })),
        before: '2026-01-01',
        ahead: '2026-04-01',
        mostRows: 10,
      },
    })
    expect(defaultUnread).toMatch(/^it takes longer than \d+ ms$/)
  })
})
