import { setTimeout as sleep } from 'node:timers/promises'

import type { PoolClient } from 'pg'
import { expect, it, onTestFinished } from 'vitest'

import type { DatabaseClient, MaintenanceResult } from '../../src/index.ts'
import { createPartsmith, fromPg } from '../../src/index.ts'
import { watchMark } from '../../src/run/lock-watch.ts'
import { sqlStateOf } from '../../src/run/sql-state.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { observedClient } from '../support/observed-client.ts'
import { ownPool } from '../support/own-pool.ts'
import { createRole } from '../support/roles.ts'
import { monthly, now } from '../support/events-table.ts'
import { slowAlter } from '../support/slow-alter.ts'

const config = { ...monthly, createAheadCount: 2 }
const expiring = { ...config, createAheadCount: 1, retentionCount: 1 } as const
const lockTimeoutMs = 100
/** What a busy machine adds to what the server does in time. */
const slack = 800

const march = `
  CREATE TABLE events (id int, at timestamptz NOT NULL, body text) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');`
const withDefault = `${march} CREATE TABLE rest PARTITION OF events DEFAULT;`
const february = `${march}
  CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');`

describeEachServer('a concurrent detach that cannot begin yet', (major) => {
  it('lets those through who come to wait for the partition, and begins when the parent is free', async () => {
    await using database = await createDatabase(major)
    await database.sql(february)
    const validating = await holder(database, `COMMENT ON TABLE events IS 'x'`)
    const running = run(database.pool, expiring)
    await untilItWaits(database)
    const started = performance.now()
    await database.sql('TRUNCATE events__2026_02')
    expect(performance.now() - started).toBeLessThan(lockTimeoutMs + slack)
    await end(validating)
    expect(await running).toMatchObject({ success: true, detachedCount: 1 })
    expect(await database.sql('SELECT FROM pg_inherits WHERE inhdetachpending')).toEqual([])
  })

  it('meets a migration that locks all partitions, and neither waits for ever', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE events (id int, at timestamptz NOT NULL, body text) PARTITION BY RANGE (at);
      SET timezone = 'UTC'; DO $$ BEGIN FOR i IN 0..39 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
          to_char(date '2026-02-05' + i, '"events__"YYYY_MM_DD'), date '2026-02-05' + i, date '2026-02-05' + i + 1);
      END LOOP; END $$`)
    const storages = ['MAIN', 'EXTENDED']
    const migration = again(
      database,
      (turn) => `ALTER TABLE events ALTER body SET STORAGE ${storages[turn % 2]}`,
      // PostgreSQL refuses it while a detach is pending, as the guide says; it is tried again.
      { refused: '55000' },
    )
    const reader = again(database, () => 'SELECT count(*) FROM events WHERE id = 3')
    const days = { ...expiring, granularity: 'day' } as const
    const first = await run(database.pool, days, { giveUpAfterMs: 3_000 })
    await migration()
    // A reader waits for the migration, too.
    expect(await reader()).toBeLessThan(2 * lockTimeoutMs + slack)
    const second = await run(database.pool, days)
    expect(second).toMatchObject({ success: true })
    expect(first.detachedCount + second.detachedCount).toBe(38)
  })

  it('gives up in the end, says who was in the way, and leaves nothing half-done', async () => {
    await using database = await createDatabase(major)
    await database.sql(february)
    const validating = await holder(database, `COMMENT ON TABLE events IS 'x'`)
    const result = await run(database.pool, expiring, { giveUpAfterMs: 600 })
    expect(result.issues[0]?.message).toMatch(
      /a lock was not free within 100 ms, so it gave way, \d times\. In the way: pid \d+ .* holds SHARE UPDATE EXCLUSIVE on public\.events\. Nothing was detached/,
    )
    expect(result.issues[0]?.message).not.toContain('quiet hour')
    await end(validating)
    expect(await run(database.pool, expiring)).toMatchObject({ success: true, detachedCount: 1 })
  })

  it('is finished where it had become pending in the moment in which it was ended', async () => {
    await using database = await createDatabase(major)
    await database.sql(february)
    const reader = await holder(database, 'SELECT FROM events__2026_03')
    const pending = `SELECT FROM pg_inherits WHERE inhdetachpending`
    let times = 0
    const client = observedClient(fromPg(database.pool), {
      beforeSending: async ({ text }) => {
        if (!text.includes('AS pending, w.waiting')) return
        while ((await database.sql(pending)).length === 0);
        await end(reader)
        times += 1
        throw Object.assign(new Error('terminating connection'), { code: '25P03' })
      },
    })
    expect(await run(client, expiring)).toMatchObject({ success: true, detachedCount: 1 })
    expect(times).toBe(1)
    expect(await database.sql(pending)).toEqual([])
  })
})

describeEachServer('a process that is held up while it has locks in hand', (major) => {
  it.each([
    {
      lock: 'the lock of a change',
      when: 'LOCK TABLE ONLY "public"."events" IN ACCESS EXCLUSIVE',
      table: 'events',
    },
    { lock: 'the pin of a detach', when: 'IN ACCESS SHARE MODE', table: 'events__2026_02' },
  ])('loses $lock before others have waited for long, and tries again', async ({ when, table }) => {
    await using database = await createDatabase(major)
    await database.sql(`${table === 'events' ? withDefault : february} ${locking}`)
    const other = await database.pool.connect()
    const held: { ms?: Promise<{ readonly rows: readonly { readonly ms: number }[] }> } = {}
    const pausing = afterEach(fromPg(ownPool(database)), (text) => {
      if (held.ms !== undefined || !text.includes(when)) return
      held.ms = other.query<{ ms: number }>(`SELECT locks('${table}') AS ms`)
      // Nothing else happens in this process meanwhile; the other's question is on its way.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500)
    })
    const result = await run(pausing, table === 'events' ? config : expiring)
    expect((await held.ms)?.rows[0]?.ms).toBeLessThan(2 * lockTimeoutMs + slack)
    expect(result).toMatchObject({ success: true, issues: [] })
    expect(result.operations[0]).toMatchObject({ status: 'done' })
    other.release()
  })

  it('is told so where it happens again and again', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    const busy = afterEach(fromPg(ownPool(database)), (text) => {
      if (text.includes('LOCK TABLE ONLY')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
    })
    const result = await run(busy, config)
    expect(result.operations).toMatchObject([{ status: 'failed' }])
    expect(result.issues[0]?.message).toMatch(
      /this process was held up while it had locks in hand, so the server took them back, 4 times\. Nothing was changed; the next run tries again\. Run maintenance in a process that is not busy/,
    )
  })
})

describeEachServer('a run that nobody watches', (major) => {
  it('does nothing where there is no connection to watch from, and says so', async () => {
    await using database = await createDatabase(major)
    const role = await createRole(database)
    await database.sql(`${withDefault} ALTER TABLE events OWNER TO ${role.name}; ALTER TABLE rest OWNER TO ${role.name};
      ALTER TABLE events__2026_03 OWNER TO ${role.name}; GRANT ALL ON SCHEMA public TO ${role.name};
      ALTER ROLE ${role.name} CONNECTION LIMIT 2`)
    const pool = ownPool(database, { connectionString: role.url })
    const result = await run(pool, config, { giveUpAfterMs: 300 })
    expect(result.operations).toMatchObject([{ status: 'failed' }])
    expect(result.issues[0]?.message).toContain(
      'it needs a connection beside it to watch who waits behind it, and there was none',
    )
    expect(await database.sql(`SELECT relname FROM pg_class WHERE relname LIKE 'events%'`)).toHaveLength(2)
    await database.sql(`ALTER ROLE ${role.name} CONNECTION LIMIT 3`)
    expect(await run(pool, config)).toMatchObject({ success: true, createdCount: 1 })
  })

  it('gives way where the connection that watches is lost', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${withDefault} ${slowAlter(2_000)}`)
    const writer = again(database, () => `INSERT INTO events VALUES (1, '2030-01-01')`)
    const reaper = again(
      database,
      () =>
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(query, '${watchMark}') AND datname = current_database() AND pid <> pg_backend_pid()`,
    )
    const result = await run(ownPool(database), config)
    await reaper()
    expect(await writer()).toBeLessThan(lockTimeoutMs + slack)
    expect(result.issues[0]?.message).toMatch(
      /the connection that watches who waits behind it was lost \(.*\), so it gave way, \d+ times\. Nothing/,
    )
  })

  it('blames nobody for having waited behind it, and is cancelled without a new connection', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${withDefault} ${slowAlter(2_000)}`)
    let cancels = 0
    const own = fromPg(ownPool(database))
    const client: DatabaseClient = {
      ...own,
      cancel: async (pid) => {
        cancels += 1
        await own.cancel(pid)
      },
    }
    const writers = [1, 2, 3].map(() => again(database, () => `INSERT INTO events VALUES (1, '2030-01-01')`))
    const result = await run(client, config)
    for (const stop of writers) expect(await stop()).toBeLessThan(lockTimeoutMs + slack)
    // What was ended four times is not tried again; an attempt that did not get its locks is no such time.
    const { times } = /gave way, (?<times>\d+) times/.exec(result.issues[0]?.message ?? '')?.groups ?? {}
    expect(Number(times)).toBeGreaterThanOrEqual(4)
    expect(result.issues[0]?.message).toMatch(
      /\d sessions? waited behind it, for up to \d+ ms, so it gave way, \d+ times\. Nothing was changed; the next run tries again\. It waited for nobody then: it had been at work for \d+ ms and was not done, and others may wait 100 ms \(lockTimeoutMs\)\. More tries \(giveUpAfterMs\) would not help: raise lockTimeoutMs \(under runtime in a configuration file\), and deadlock_timeout, below which it stays, if others may wait longer, or do this one by hand in a quiet hour\.$/,
    )
    expect(cancels).toBe(0)
  })
})

describeEachServer('a run whose time for locks is used up', (major) => {
  it('tries what others are not in the way of, after a pause', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    await database.sql(`CREATE TABLE events__2026_01 (LIKE events)`)
    const retiring = { ...config, createAheadCount: 4, retentionCount: 1, dropAfter: '1 day' } as const
    const { adoptPartition } = createPartsmith({ pool: database.pool })
    await adoptPartition(retiring, 'events__2026_01', { now: '2026-03-10T12:00:00Z' })
    const reader = await holder(database, 'SELECT FROM rest')
    const started = performance.now()
    const result = await run(database.pool, retiring, { giveUpAfterMs: 0 })
    expect(performance.now() - started).toBeGreaterThan(1_000)
    expect(result.operations.map(({ kind, status }) => `${kind} ${status}`)).toEqual([
      'create failed',
      'create not-run',
      'create not-run',
      'drop done',
    ])
    await end(reader)
  })
})

async function run(
  pool: Parameters<typeof createPartsmith>[0]['pool'],
  options: Parameters<ReturnType<typeof createPartsmith>['maintain']>[0],
  { giveUpAfterMs = 20_000 }: { readonly giveUpAfterMs?: number } = {},
): Promise<MaintenanceResult> {
  const { maintainer } = createPartsmith({ pool, giveUpAfterMs, lockTimeoutMs })
  return maintainer.runMaintenanceSafe(options, { now })
}

async function holder(database: TestDatabase, text: string): Promise<PoolClient> {
  const client = await database.pool.connect()
  await client.query(`BEGIN; ${text}`)
  return client
}

async function end(client: PoolClient): Promise<void> {
  await client.query('COMMIT')
  client.release()
}

/** Sends one statement after the other on a connection of its own; ending it gives what the slowest took. */
function again(
  database: TestDatabase,
  text: (turn: number) => string,
  { refused }: { readonly refused?: string } = {},
): () => Promise<number> {
  const seen = { over: false, longestMs: 0 }
  const pool = ownPool(database, { max: 1 })
  const going = (async () => {
    for (let turn = 0; !seen.over; turn += 1) {
      const started = performance.now()
      await pool.query(text(turn)).catch((error: unknown) => {
        if (refused === undefined || sqlStateOf(error) !== refused) throw error
      })
      seen.longestMs = Math.max(seen.longestMs, performance.now() - started)
      await sleep(3)
    }
  })()
  onTestFinished(() => {
    seen.over = true
  })
  return async () => {
    seen.over = true
    await going
    return seen.longestMs
  }
}

/** One statement locks a table against everybody and tells how long that took: nothing comes from this process meanwhile. */
const locking = `
  CREATE FUNCTION locks(name text) RETURNS float LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE format('LOCK TABLE %I', name);
    RETURN extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000;
  END $$;`

function afterEach(client: DatabaseClient, look: (text: string) => void): DatabaseClient {
  return {
    ...client,
    connect: async () => {
      const connection = await client.connect()
      return {
        ...connection,
        query: async (text, values) => {
          const result = await connection.query(text, values)
          look(text)
          return result
        },
      }
    },
  }
}

async function untilItWaits(database: TestDatabase): Promise<void> {
  const waits = `SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE NOT l.granted AND l.relation = 'events'::regclass AND a.query LIKE 'ALTER TABLE%CONCURRENTLY'`
  while ((await database.sql(waits)).length === 0);
}
