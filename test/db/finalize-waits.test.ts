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

  it('is tried again where it has waited for one older snapshot after the other', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    await leavePending(database)
    const readers = [await reading(database), await reading(database)]
    const { service } = createPartsmith({ pool: database.pool, giveUpAfterMs: 60_000 })
    const state = { over: false }
    const running = service.run(config, { now }).finally(() => {
      state.over = true
    })
    // Each wait is short enough for lock_timeout, and both together are too long for one statement.
    const first = await untilFinalizeWaits(database)
    await readers.find(({ pid }) => pid === first.behind)?.end()
    await untilFinalizeWaits(database, { before: first, state })
    for (const reader of readers) await reader.end()
    const { result } = await running
    expect(result.issues).toEqual([])
    expect(result).toMatchObject({ finalizedCount: 1, droppedCount: 1 })
  })

  it('gives up in the end, and names those whose snapshots are older', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    await leavePending(database)
    const readers = [await reading(database), await reading(database)]
    const { maintainer } = createPartsmith({ pool: database.pool, giveUpAfterMs: 1_000 })
    const result = await maintainer.runMaintenanceSafe(config, { now })
    expect(result.operations[0]).toMatchObject({ kind: 'finalize', status: 'failed' })
    expect(result.issues).toMatchObject([{ code: 'lock-timeout' }])
    expect(result.issues[0]?.message).toMatch(
      /: a lock was not free within 720 ms, so it gave way, \d times\. In the way: /,
    )
    for (const reader of readers) {
      expect(result.issues[0]?.message).toMatch(
        new RegExp(
          `pid ${reader.pid} \\(the-reader, idle in transaction, transaction open for [\\d.]+ s, last statement: SELECT count\\(\\*\\) FROM elsewhere\\) has an older snapshot`,
        ),
      )
      await reader.end()
    }
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

const tables = `CREATE TABLE elsewhere (id int);
  CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00')`

/** Somebody who has a snapshot and nothing of the table. */
async function reading(database: Database): Promise<{ readonly pid: number; end(): Promise<void> }> {
  const client = await database.pool.connect()
  await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL application_name = 'the-reader'`)
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  await client.query('SELECT count(*) FROM elsewhere')
  const state = { over: false }
  return {
    pid: rows[0]?.pid ?? 0,
    end: async () => {
      if (state.over) return
      state.over = true
      await client.query('COMMIT')
      client.release()
    },
  }
}

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

interface Waiting {
  readonly pid: number
  readonly since: string
  readonly behind: number
}

/** With `before`, until another attempt does, or the run is over. */
async function untilFinalizeWaits(
  database: Database,
  { before, state }: { readonly before?: Waiting; readonly state?: { readonly over: boolean } } = {},
): Promise<Waiting> {
  for (;;) {
    if (before && state?.over === true) return before
    const rows = await database.sql(
      `SELECT pid, query_start::text AS since, (pg_blocking_pids(pid))[1] AS behind FROM pg_stat_activity
       WHERE query LIKE '%FINALIZE%' AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
       AND wait_event = 'virtualxid' AND datname = current_database() AND clock_timestamp() - query_start > interval '300 ms'`,
    )
    const found = rows.find(({ pid, since }) => pid !== before?.pid || since !== before?.since)
    if (found) {
      return { pid: Number(found['pid']), since: String(found['since']), behind: Number(found['behind']) }
    }
  }
}
