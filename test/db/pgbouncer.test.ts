import type { PoolClient } from 'pg'
import postgres from 'postgres'
import { expect, it, onTestFinished } from 'vitest'

import type { DatabaseClient } from '../../src/index.ts'
import {
  createPartsmith,
  fromPg,
  fromPostgresJs,
  LockAcquisitionError,
  PostgresAdvisoryLockManager,
} from '../../src/index.ts'
import { calmPool } from '../support/calm-pool.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase } from '../support/database.ts'
import { latch } from '../support/latch.ts'
import { observedClient } from '../support/observed-client.ts'
import type { TestPooler } from '../support/pgbouncer.ts'
import { describeWithPgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { createRole } from '../support/roles.ts'

const now = '2026-03-15T12:00:00Z'
const monthly = { tableName: 'events', partitionColumn: 'at', granularity: 'month' } as const
const retiring = { ...monthly, createAheadCount: 2, retentionCount: 2, dropAfter: '1 hour' } as const
const events = `
CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events__2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00');
CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
INSERT INTO events SELECT n, '2026-01-10'::timestamptz + n * interval '1 day' FROM generate_series(1, 60) n;`
const withDefault = `${events} CREATE TABLE rest PARTITION OF events DEFAULT;
INSERT INTO events VALUES (100, '2026-04-02'), (101, '2026-04-03'), (102, '2030-01-01');`

/** A role with timeouts of its own is where a session setting would be needed, and would leak. */
const timeouts = { lock_timeout: '3s', statement_timeout: '4s', idle_in_transaction_session_timeout: '5s' }

describeWithPgBouncer('through PgBouncer in transaction mode', (major) => {
  it('a session advisory lock would exclude nobody, and the lock of a run does', async () => {
    await using database = await createDatabase(major)
    const pooler = await startPgBouncer(database)
    const [first, second] = [pooler.pool(), pooler.pool()]
    const session = 'SELECT pg_try_advisory_lock(7) AS locked'
    expect((await first.query(session)).rows).toEqual([{ locked: true }])
    expect((await second.query(session)).rows).toEqual([{ locked: true }])

    const table = { schema: 'public', name: 'events' }
    await using lease = await new PostgresAdvisoryLockManager(first).acquireLock(table)
    const attempts = await Promise.allSettled(
      Array.from({ length: 10 }, () => new PostgresAdvisoryLockManager(second).acquireLock(table)),
    )
    for (const attempt of attempts) {
      expect(attempt).toMatchObject({ status: 'rejected', reason: { constructor: LockAcquisitionError } })
    }
    await lease.assertHeld()
  })

  it.each(['pg', 'postgres.js'] as const)(
    'a table lives its whole life, with %s, and no session keeps anything of it',
    async (driver) => {
      await using database = await createDatabase(major)
      const role = await createRole(database, { settings: timeouts })
      await database.sql(`GRANT CREATE, USAGE ON SCHEMA public TO ${role.name}; ${withDefault}
        DO $$ BEGIN EXECUTE (SELECT string_agg(format('ALTER TABLE %s OWNER TO ${role.name}', oid::regclass), ';')
          FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')); END $$`)
      const pooler = await startPgBouncer(database, { users: [role.name], poolSize: 5 })
      const before = await sessionsOf(pooler, { user: role.name, count: 5 })
      const partsmith = createPartsmith({ pool: clientOf(driver, pooler, role.name) })

      const first = await partsmith.maintain(retiring, { now })
      expect(first.operations.map(({ id, status, rowsMoved }) => [id, status, rowsMoved])).toEqual([
        ['create public.events__2026_04', 'done', 2],
        ['detach public.events__2026_01', 'done', undefined],
      ])
      const second = await partsmith.maintain(retiring, { now: '2026-03-15T14:00:00Z' })
      expect(second.operations.map(({ id, status }) => [id, status])).toEqual([
        ['drop public.events__2026_01', 'done'],
      ])
      await database.sql('DELETE FROM rest; DROP TABLE rest')
      const third = await partsmith.maintain(retiring, { now: '2026-04-15T12:00:00Z' })
      expect(third.operations.map(({ id, status }) => [id, status])).toEqual([
        ['create public.events__2026_05', 'done'],
        ['detach public.events__2026_02', 'done'],
      ])
      expect((await partsmith.plan(retiring, { now: '2026-04-15T12:00:00Z' })).operations).toEqual([])

      const after = await sessionsOf(pooler, { user: role.name, count: 5 })
      expect(after).toEqual(before)
      expect(after.every(({ timeout }) => timeout === '3s')).toBe(true)
    },
  )

  it('timeouts of the role that would cut every statement are raised, and none of that stays in a session', async () => {
    await using database = await createDatabase(major)
    const role = await createRole(database, { settings: { lock_timeout: '1ms', statement_timeout: '200ms' } })
    // The move of one row takes longer than either of them.
    await database.sql(`CREATE FUNCTION slow() RETURNS boolean LANGUAGE sql AS 'SELECT true FROM pg_sleep(0.4)';
      ${events} CREATE TABLE rest PARTITION OF events DEFAULT; INSERT INTO rest VALUES (100, '2026-04-02');
      GRANT CREATE, USAGE ON SCHEMA public TO ${role.name};
      ALTER TABLE events ADD CHECK (slow()) NOT VALID;
      DO $$ BEGIN EXECUTE (SELECT string_agg(format('ALTER TABLE %s OWNER TO ${role.name}', oid::regclass), ';')
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')); END $$`)
    const pooler = await startPgBouncer(database, { users: [role.name], poolSize: 5 })
    const before = await sessionsOf(pooler, { user: role.name, count: 5 })
    const result = await createPartsmith({ pool: clientOf('pg', pooler, role.name) }).maintain(
      { ...monthly, createAheadCount: 2 },
      { now },
    )
    expect(result).toMatchObject({ success: true, createdCount: 1, operations: [{ rowsMoved: 1 }] })
    expect(await sessionsOf(pooler, { user: role.name, count: 5 })).toEqual(before)
  })

  it('two maintainers of one table exclude each other', async () => {
    await using database = await createDatabase(major)
    await database.sql(events)
    const pooler = await startPgBouncer(database)
    const inHook = latch()
    const mayGoOn = latch()
    const first = createPartsmith({
      pool: pooler.pool(),
      hooks: [
        {
          beforeCreate: async () => {
            inHook.open(undefined)
            await mayGoOn.opened
          },
        },
      ],
    })
    const second = createPartsmith({ pool: pooler.pool() })
    const running = first.maintain(retiring, { now })
    await inHook.opened
    for (let attempt = 0; attempt < 5; attempt++) {
      const refused = await second.maintainer.runMaintenanceSafe(retiring, { now })
      expect(refused).toMatchObject({ success: false, errorCode: 'lock-not-acquired', operations: [] })
    }
    mayGoOn.open(undefined)
    expect((await running).operations.map(({ status }) => status)).toEqual(['done', 'done'])
    expect((await second.maintain(retiring, { now })).operations).toEqual([])
  })

  it.each(['pg', 'postgres.js'] as const)(
    'a run with %s that is stopped cancels its own statement and nobody else’s',
    async (driver) => {
      await using database = await createDatabase(major)
      await database.sql(withDefault)
      const pooler = await startPgBouncer(database)
      const reader = await database.pool.connect()
      await reader.query('BEGIN; SELECT FROM events; SELECT pg_advisory_xact_lock(7)')
      // Whenever the run is about to begin a transaction, somebody else takes the session that it had until then.
      const strangers = pooler.pool()
      const outcomes: Promise<unknown>[] = []
      const stepIn = async (): Promise<void> => {
        const stranger = strangers.query('SELECT pg_advisory_xact_lock_shared(7)')
        outcomes.push(stranger.then(() => 'undisturbed', String))
        while ((await waitingStrangers(database)) < outcomes.length);
      }
      const stop = new AbortController()
      const client = observedClient(clientOf(driver, pooler), {
        beforeSending: async ({ text }) => {
          if (text.startsWith('BEGIN') && !text.includes('READ ONLY') && outcomes.length < 3) await stepIn()
        },
        afterSending: ({ text }) => {
          if (text.startsWith('LOCK TABLE') && outcomes.length > 1) stop.abort()
        },
      })
      const { error } = await createPartsmith({ pool: client }).service.run(retiring, {
        now,
        signal: stop.signal,
      })
      expect(error).toMatchObject({ code: 'aborted' })
      await reader.query('ROLLBACK')
      reader.release()
      expect(outcomes.length).toBeGreaterThan(1)
      expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['undisturbed']))
      expect(await locksLeft(database)).toEqual([])
      expect(await createPartsmith({ pool: pooler.pool() }).maintain(retiring, { now })).toMatchObject({
        success: true,
      })
    },
  )

  it('a lock whose server connection is killed is noticed, and nothing more is done', async () => {
    await using database = await createDatabase(major)
    await database.sql(events)
    const pooler = await startPgBouncer(database)
    const { result, error } = await createPartsmith({
      pool: pooler.pool(),
      hooks: [
        {
          beforeDetach: async () => {
            await database.sql(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
          },
        },
      ],
    }).service.run(retiring, { now })
    expect(error).toMatchObject({ code: 'lock-lost' })
    expect(result.operations.map(({ id, status }) => [id, status])).toEqual([
      ['create public.events__2026_04', 'done'],
      ['detach public.events__2026_01', 'failed'],
    ])
    expect(
      await database.sql(`SELECT FROM pg_inherits WHERE inhrelid = 'events__2026_01'::regclass`),
    ).toHaveLength(1)
  })

  it('a concurrent detach is refused with a sentence where it was asked for by name', async () => {
    await using database = await createDatabase(major)
    await database.sql(events)
    const pooler = await startPgBouncer(database)
    const config = { ...retiring, detachMode: 'concurrent' } as const
    const through = createPartsmith({ pool: pooler.pool() })
    const { operations, findings } = await through.plan(config, { now })
    expect(operations.map(({ id }) => id)).toEqual(['create public.events__2026_04'])
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'concurrent-detach-impossible',
        message: expect.stringMatching(/through a pooler/),
        next: expect.stringMatching(/connect to the server itself/),
      }),
    )
    // Made with a direct connection, the plan detaches concurrently; through the pooler that is not what would be done.
    const direct = createPartsmith({ pool: database.pool })
    const plan = await direct.plan(config, { now })
    expect(plan.operations).toContainEqual(expect.objectContaining({ kind: 'detach', mode: 'concurrent' }))
    const result = await through.apply(config, plan, { now })
    expect(result.operations).toMatchObject([{ status: 'done' }, { kind: 'detach', status: 'refused' }])
    const detach = plan.operations.find(({ kind }) => kind === 'detach')
    if (detach?.kind !== 'detach') throw new Error('There is no detach in the plan.')
    const { server } = await direct.metadata.readTree({ schema: 'public', name: 'events' })
    await expect(through.repo.detachPartition(detach, { server })).rejects.toThrow(
      /concurrently through a pooler: .*Connect to the server itself, or set detachMode to 'blocking'\.$/,
    )
    expect(await database.sql(`SELECT FROM pg_inherits WHERE inhdetachpending`)).toEqual([])
  })

  it('a pool with too few server connections ends the run with an error, and leaves nothing behind', async () => {
    await using database = await createDatabase(major)
    await database.sql(events)
    const pooler = await startPgBouncer(database, { poolSize: 1, settings: { query_wait_timeout: 1 } })
    const { result, error } = await createPartsmith({ pool: pooler.pool() }).service.run(retiring, { now })
    expect(error).toMatchObject({ code: 'connection-failed' })
    expect(result.error).toMatch(/query_wait_timeout/)
    expect(await locksLeft(database)).toEqual([])
  })
})

describeWithPgBouncer('through PgBouncer in another mode', (major) => {
  it('statement mode has a run refused with a sentence', async () => {
    await using database = await createDatabase(major)
    await database.sql(events)
    const pooler = await startPgBouncer(database, { poolMode: 'statement' })
    const { result, error } = await createPartsmith({ pool: pooler.pool() }).service.run(retiring, { now })
    expect(error).toBeInstanceOf(Error)
    expect(result.error).toMatch(/statement pooling/)
    expect(result.operations).toEqual([])
  })

  it('session mode does the work, and leaves nothing to the next client', async () => {
    await using database = await createDatabase(major)
    await database.sql(events)
    const pooler = await startPgBouncer(database, { poolMode: 'session', poolSize: 4 })
    const before = await sessionsOf(pooler, { count: 4 })
    const pool = calmPool({ connectionString: pooler.urlFor(), max: 4 })
    const result = await createPartsmith({ pool }).maintain(retiring, { now })
    expect(result.operations.map(({ status }) => status)).toEqual(['done', 'done'])
    expect(await locksLeft(database)).toEqual([])
    await pool.end()
    expect(await sessionsOf(pooler, { count: 4 })).toEqual(before)
  })
})

function clientOf(driver: 'pg' | 'postgres.js', pooler: TestPooler, user?: string): DatabaseClient {
  if (driver === 'pg') return fromPg(pooler.pool(user === undefined ? {} : { user }))
  const sql = postgres(pooler.urlFor(user), { max: 10, prepare: false, onnotice: () => undefined })
  onTestFinished(() => sql.end({ timeout: 5 }))
  return fromPostgresJs(sql)
}

interface PooledSession {
  readonly timeout: string
  readonly settings: string
  readonly left: readonly string[]
}

/**
 * Looks into so many sessions of the pooler at once, so that each is another one: all there can be. A session that has run
 * a DO block knows the settings of plpgsql, at their defaults.
 */
async function sessionsOf(
  pooler: TestPooler,
  { user, count }: { readonly user?: string; readonly count: number },
): Promise<readonly PooledSession[]> {
  const pool = calmPool({ connectionString: pooler.urlFor(user), max: count })
  const clients: PoolClient[] = []
  const pids = new Set<unknown>()
  const sessions: PooledSession[] = []
  for (let index = 0; index < count; index++) {
    const client = await pool.connect()
    clients.push(client)
    await client.query('BEGIN')
    const { rows } = await client.query<PooledSession & { readonly pid: number }>(`
      SELECT pg_backend_pid() AS pid, current_setting('lock_timeout') AS timeout,
             (SELECT string_agg(name || '=' || setting || ' from ' || source, E'\\n' ORDER BY name)
              FROM pg_settings WHERE name <> 'application_name' AND name NOT LIKE 'plpgsql.%') AS settings,
             ARRAY(SELECT 'lock ' || mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
                   UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements
                   UNION ALL SELECT 'setting ' || name FROM unnest(ARRAY['lock', 'statement', 'transaction']) name
                     WHERE current_setting('pg_partsmith.was_' || name || '_timeout', true) IS NOT NULL) AS left`)
    const [{ pid, ...session } = { pid: 0, timeout: '', settings: '', left: [] }] = rows
    pids.add(pid)
    sessions.push(session)
  }
  for (const client of clients) {
    await client.query('ROLLBACK')
    client.release()
  }
  await pool.end()
  expect(pids.size).toBe(count)
  expect(sessions.flatMap(({ left }) => left)).toEqual([])
  return sessions
}

async function waitingStrangers(database: TestDatabase): Promise<number> {
  const rows =
    await database.sql(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
  return rows.length
}

async function locksLeft(database: TestDatabase): Promise<readonly unknown[]> {
  return database.sql(`SELECT locktype FROM pg_locks WHERE locktype = 'advisory'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
}
