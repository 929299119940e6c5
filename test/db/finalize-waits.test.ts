import { expect, it } from 'vitest'

import { createPartsmith } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

const config = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 1,
} as const
const now = '2026-03-15T12:00:00Z'

describeEachServer('finishing a detach', (major) => {
  it('waits for an older snapshot longer than for a lock, and stops no reader or writer meanwhile', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE elsewhere (id int);
      CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
      CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00')`)
    await leavePending(database)
    const reader = await database.pool.connect()
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM elsewhere')

    const partsmith = createPartsmith({ pool: database.pool, lockTimeoutMs: 50, statementTimeoutMs: 60_000 })
    const running = partsmith.maintain(config, { now })
    await untilFinalizeWaits(database)
    const started = performance.now()
    await database.sql(`INSERT INTO events VALUES (1, '2026-03-10'); SELECT count(*) FROM events`)
    expect(performance.now() - started).toBeLessThan(10_000)
    await reader.query('COMMIT')
    reader.release()

    const result = await running
    expect(result.operations.map(({ id, status }) => `${id}: ${status}`)).toEqual([
      'finalize public.old: done',
      'drop public.old: done',
    ])
  })

  it('never lets the deadlock detector choose a reader with an older snapshot', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE elsewhere (id int);
      CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
      CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00')`)
    const reader = await database.pool.connect()
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM elsewhere')
    await leavePending(database)
    const { maintainer } = createPartsmith({ pool: database.pool })
    const running = maintainer.runMaintenanceSafe(config, { now })
    await untilFinalizeWaits(database)
    // Its snapshot still sees the partition, so it waits for the lock that waits for its snapshot.
    const { rows } = await reader.query('SELECT count(*)::int AS n FROM events')
    expect(rows).toEqual([{ n: 0 }])
    const result = await running
    expect(result.operations[0]).toMatchObject({ kind: 'finalize', status: 'failed' })
    await reader.query('COMMIT')
    reader.release()
    expect(await maintainer.runMaintenanceSafe(config, { now })).toMatchObject({ finalizedCount: 1 })
  })

  it('says what is to be undone where the parent was changed since it was planned and cannot be finished', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
      CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00')`)
    await leavePending(database)
    const { maintainer, repo, metadata, plan } = createPartsmith({ pool: database.pool })
    const { operations } = await plan(config, { now })
    const [finalize] = operations.flatMap((operation) => (operation.kind === 'finalize' ? [operation] : []))
    const { server } = await metadata.readTree({ schema: 'public', name: 'events' })
    // What was there while it was planned, the plan says itself.
    await database.sql('ALTER TABLE events ADD COLUMN note text')
    const said = await Promise.resolve(finalize && repo.finalizeDetach(finalize, { server })).then(
      (result) => result?.status,
      (error: unknown) => String(error),
    )
    // Up to PostgreSQL 17 it is finished all the same.
    expect(said).toMatch(major < 18 ? /^done$/ : /Undo that change and run again/)
    await database.sql('ALTER TABLE events DROP COLUMN note')
    await maintainer.runMaintenanceSafe(config, { now })
    expect(await database.sql(`SELECT to_regclass('old') AS old`)).toEqual([{ old: null }])
  })
})

type Database = Awaited<ReturnType<typeof createDatabase>>

/** A marked detach that was begun, and cancelled in the middle. */
async function leavePending(database: Database): Promise<void> {
  const partsmith = createPartsmith({ pool: database.pool })
  const holder = await database.pool.connect()
  await holder.query('BEGIN; SELECT count(*) FROM events')
  const stop = new AbortController()
  const running = partsmith.maintainer.runMaintenanceSafe(config, { now, signal: stop.signal })
  for (;;) {
    const [row] = await database.sql(
      'SELECT inhdetachpending AS pending FROM pg_inherits WHERE inhrelid = $1::regclass',
      ['old'],
    )
    if (row?.['pending'] === true) break
  }
  stop.abort()
  await running
  await holder.query('COMMIT')
  holder.release()
}

async function untilFinalizeWaits(database: Database): Promise<void> {
  for (;;) {
    const rows = await database.sql(
      `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%FINALIZE%' AND wait_event_type = 'Lock'
       AND wait_event = 'virtualxid' AND datname = current_database() AND clock_timestamp() - query_start > interval '300 ms'`,
    )
    if (rows.length > 0) return
  }
}
