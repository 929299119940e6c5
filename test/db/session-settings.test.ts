import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import type { DatabaseClient, DatabaseConnection, PartitionLifecycleHooks } from '../../src/index.ts'
import { createPartsmith, fromPg } from '../../src/index.ts'
import { hasSqlState } from '../../src/run/sql-state.ts'
import { CrashSite } from '../support/crash-world.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { interruptibleRun, serviceOn } from '../support/interruptible-run.ts'
import { observedClient } from '../support/observed-client.ts'
import { ownPool } from '../support/own-pool.ts'
import { createRole } from '../support/roles.ts'
import { sweepFor } from '../support/sweep.ts'

const now = '2026-03-15T12:00:00Z'
const monthly = { tableName: 'events', partitionColumn: 'at', granularity: 'month' } as const
const events = `
CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
CREATE TABLE events__2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');`
const expiring = { ...monthly, createAheadCount: 1, retentionCount: 1, dropAfter: '1 day' } as const

/** As an application may set up each of its sessions. */
const applicationSettings = `
SET lock_timeout = '7s'; SET statement_timeout = '8s'; SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'German';
SET search_path = public; SET row_security = on; SET standard_conforming_strings = on; SET client_min_messages = error;
SET synchronous_commit = on; SET idle_session_timeout = '1h'; SET client_connection_check_interval = '50s'; SET idle_in_transaction_session_timeout = '2h'`
const settingsNow = `
SELECT string_agg(name || '=' || setting, ', ' ORDER BY name) AS all FROM pg_settings
WHERE name IN ('lock_timeout', 'statement_timeout', 'transaction_timeout', 'TimeZone', 'DateStyle', 'search_path',
  'row_security', 'standard_conforming_strings', 'client_min_messages', 'idle_session_timeout', 'synchronous_commit',
  'client_connection_check_interval', 'idle_in_transaction_session_timeout',
  'transaction_isolation', 'transaction_read_only', 'default_transaction_read_only')`

describeEachServer('the settings of a session', (major) => {
  describe('that the application set are as before when the pool gets its connection back', () => {
    it.each(sweepFor(major).scenarios)('after $name', async (scenario) => {
      await using database = await createDatabase(major)
      await new CrashSite(database).visit(scenario, async ({ schema }) => {
        const seen = await settingsAtRelease(database, (client) =>
          interruptibleRun(scenario, { schema, client, interrupted: client }),
        )
        expect(seen.returned.length).toBeGreaterThan(2)
        expect(new Set(seen.returned)).toEqual(new Set([seen.application]))
      })
    })

    it.each([
      ['on', 'local'],
      ['off', 'off'],
    ])('and a change that is committed does not wait for a standby (%s)', async (role, own) => {
      await using database = await createDatabase(major)
      await database.sql(`${events} ALTER DATABASE ${database.name} SET synchronous_commit = ${role}`)
      const seen = new Set<unknown>()
      const client = observedClient(fromPg(ownPool(database)), {
        beforeAnswer: async ({ text, ask }) => {
          if (/^(ALTER|CREATE|DROP|COMMENT)/.test(text) && !text.endsWith('CONCURRENTLY'))
            seen.add((await ask('SHOW synchronous_commit'))['synchronous_commit'])
        },
      })
      const wanted = { ...expiring, createAheadCount: 2, dropAfter: '0 seconds' } as const
      const result = await createPartsmith({ pool: client }).maintain(wanted, { now })
      expect(result).toMatchObject({ createdCount: 1, detachedCount: 1, droppedCount: 1 })
      expect([...seen]).toEqual([own])
    })

    it('after a blocked change', async () => {
      await using database = await createDatabase(major)
      await database.sql(`${events} CREATE TABLE rest PARTITION OF events DEFAULT`)
      const holder = await database.pool.connect()
      await holder.query('BEGIN; SELECT * FROM rest')
      const seen = await settingsAtRelease(database, async (client) => {
        const { result } = await createPartsmith({ pool: client }).service.run(expiring, { now })
        expect(result.issues).toMatchObject([{ code: 'lock-timeout' }])
      })
      expect(new Set(seen.returned)).toEqual(new Set([seen.application]))
      holder.release(true)
    })

    it('after a concurrent detach that the server refused', async () => {
      await using database = await createDatabase(major)
      await database.sql(`${events} CREATE TABLE note (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES events);
        INSERT INTO events VALUES (5, '2026-01-10')`)
      const referring: PartitionLifecycleHooks = {
        beforeDetach: async () => void (await database.sql(`INSERT INTO note VALUES (5, '2026-01-10')`)),
      }
      const seen = await settingsAtRelease(database, async (client) => {
        const partsmith = createPartsmith({ pool: client, hooks: [referring] })
        const { result } = await partsmith.service.run(expiring, { now })
        expect(result.issues).toMatchObject([{ step: 'detach', code: 'partition-referenced' }])
      })
      expect(new Set(seen.returned)).toEqual(new Set([seen.application]))
    })

    it('after a concurrent detach on a platform that cannot tell whether a client is still there', async () => {
      await using database = await createDatabase(major)
      await database.sql(events)
      let refused = 0
      const seen = await settingsAtRelease(database, async (client) => {
        const watched = observedClient(client, {
          beforeSending: async ({ text, ask }) => {
            if (!text.includes(`set_config('client_connection_check_interval'`)) return
            refused += 1
            // The answer of such a platform, too, is 22023.
            await ask(`SELECT set_config('client_connection_check_interval', '-1', false)`)
          },
        })
        const { result } = await createPartsmith({ pool: watched }).service.run(expiring, { now })
        expect(result).toMatchObject({ success: true, detachedCount: 1, issues: [] })
      })
      expect(refused).toBe(1)
      expect(new Set(seen.returned)).toEqual(new Set([seen.application]))
    })

    it('after a concurrent detach whose second connection was lost', async () => {
      await using database = await createDatabase(major)
      await database.sql(events)
      const reader = await database.pool.connect()
      await reader.query('BEGIN; SELECT * FROM events')
      const note = await database.pool.connect()
      // The first phase waits for this one, so the second connection goes on holding the name.
      await note.query('BEGIN; LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE')
      let cut = false
      const seen = await settingsAtRelease(database, async (client) => {
        const watched = observedClient(client, {
          beforeAnswer: async ({ text, pid }) => {
            if (cut || !text.includes('inhdetachpending::text AS pending FROM')) return
            cut = true
            await database.sql('SELECT pg_terminate_backend($1)', [pid])
          },
        })
        const { result, error } = await createPartsmith({ pool: watched }).service.run(expiring, { now })
        expect(error).toMatchObject({ code: 'connection-failed' })
        expect(result.success).toBe(false)
      })
      expect(cut).toBe(true)
      expect(new Set(seen.returned)).toEqual(new Set([seen.application]))
      note.release(true)
      reader.release(true)
      const next = await createPartsmith({ pool: database.pool }).maintain(expiring, { now })
      expect(next).toMatchObject({ success: true, issues: [] })
    })
  })

  it('of the role cannot cut a concurrent detach in half', async () => {
    await using database = await createDatabase(major)
    const role = await createRole(database, {
      settings: {
        statement_timeout: '300ms',
        lock_timeout: '100ms',
        ...(major >= 17 && { transaction_timeout: '400ms' }),
      },
    })
    await database.sql(`${events} ALTER TABLE events OWNER TO ${role.name};
      ALTER TABLE events__2026_01 OWNER TO ${role.name}; GRANT ALL ON SCHEMA public TO ${role.name}`)
    const reader = await database.pool.connect()
    await reader.query('BEGIN; SELECT * FROM events')
    const pool = ownPool(database, { connectionString: role.url })
    const running = createPartsmith({ pool }).service.run(expiring, { now })
    const pending = `SELECT FROM pg_inherits WHERE inhdetachpending`
    while ((await database.sql(pending)).length === 0);
    // Longer than any of the role's timeouts.
    await sleep(700)
    await reader.query('COMMIT')
    reader.release()
    const { result, error } = await running
    expect(error).toBeUndefined()
    expect(result).toMatchObject({ success: true, detachedCount: 1, issues: [] })
    expect(await database.sql(pending)).toEqual([])
  })

  describe('of the role that would cut every statement are raised for the run and are as before after it', () => {
    const short = [
      { statement_timeout: '5ms' },
      { lock_timeout: '1ms' },
      { idle_in_transaction_session_timeout: '1ms' },
      { statement_timeout: '5ms', lock_timeout: '1ms', idle_in_transaction_session_timeout: '1ms' },
      ...(major >= 17 ? [{ transaction_timeout: '300ms' }] : []),
    ]
    it.each(short)('%j', async (settings) => {
      await using database = await createDatabase(major)
      const role = await createRole(database, { settings })
      // The move of one row takes longer than any of the timeouts.
      await database.sql(`CREATE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.4); RETURN true; END';
        ${events} CREATE TABLE rest PARTITION OF events DEFAULT;
        INSERT INTO events VALUES (1, '2026-04-10 00:00+00'); ALTER TABLE events ADD CHECK (slow());
        ALTER TABLE events OWNER TO ${role.name}; ALTER TABLE rest OWNER TO ${role.name};
        ALTER TABLE events__2026_01 OWNER TO ${role.name}; GRANT ALL ON SCHEMA public TO ${role.name}`)
      const returned = new Set<string>()
      const client = fromPg(ownPool(database, { connectionString: role.url, max: 4 }))
      const watched: DatabaseClient = {
        ...client,
        connect: async () => {
          const connection = await client.connect()
          const release = async (discard?: boolean): Promise<void> => {
            for (const name of discard === true ? [] : Object.keys(settings)) {
              returned.add(`${name} ${await shown(connection, name)}`)
            }
            await connection.release(discard)
          }
          return { ...connection, release }
        },
      }
      const config = { ...expiring, createAheadCount: 2 }
      const { result, error } = await createPartsmith({ pool: watched }).service.run(config, { now })
      expect(error).toBeUndefined()
      expect(result).toMatchObject({ success: true, createdCount: 1, detachedCount: 1, issues: [] })
      expect(returned).toEqual(new Set(Object.entries(settings).map((pair) => pair.join(' '))))
    })
  })

  it('of the role that end a session before anything can be set are told in a sentence', async () => {
    await using database = await createDatabase(major)
    const role = await createRole(database, { settings: { idle_session_timeout: '200ms' } })
    await database.sql(`${events} ALTER TABLE events OWNER TO ${role.name}`)
    const pool = ownPool(database, { connectionString: role.url })
    const patient: DatabaseClient = {
      ...fromPg(pool),
      connect: async () => {
        const connection = await fromPg(pool).connect()
        // The first statement comes when the server has ended the session.
        await new Promise((resolve) => connection.onLost(resolve))
        return connection
      },
    }
    const { result, error } = await createPartsmith({ pool: patient }).service.run(monthly, { now })
    expect(error).toMatchObject({ code: 'connection-failed' })
    expect(result.error).toMatch(/Raise idle_session_timeout for the role .* and run again\.$/)
  })

  it.each([
    { default_transaction_isolation: 'serializable', default_transaction_deferrable: 'on' },
    { default_transaction_isolation: 'repeatable read' },
    { standard_conforming_strings: 'off', search_path: 'pg_temp', TimeZone: 'Pacific/Apia' },
  ])('of the role do not change what is done: %j', async (settings) => {
    await using database = await createDatabase(major)
    const role = await createRole(database, { settings, superuser: true })
    for (const scenario of sweepFor(major).scenarios) {
      await new CrashSite(database).visit(scenario, async ({ schema }) => {
        const client = fromPg(ownPool(database, { connectionString: role.url, max: 3 }))
        const result = await interruptibleRun(scenario, { schema, client, interrupted: client })
        expect(result?.issues ?? [], scenario.name).toEqual([])
        const { operations } = await serviceOn({ client, interrupted: client }).plan(
          { ...scenario.config, schema },
          { now },
        )
        expect(operations, scenario.name).toEqual([])
      })
    }
  })

  it('of the role cannot end a run that waits longer than any of them in its hooks', async () => {
    await using database = await createDatabase(major)
    const role = await createRole(database, {
      settings: {
        lock_timeout: '50ms',
        statement_timeout: '1s',
        idle_in_transaction_session_timeout: '150ms',
        idle_session_timeout: '150ms',
        ...(major >= 17 && { transaction_timeout: '300ms' }),
      },
    })
    await database.sql(`${events} ALTER TABLE events OWNER TO ${role.name};
      ALTER TABLE events__2026_01 OWNER TO ${role.name}; ALTER TABLE events__2026_03 OWNER TO ${role.name};
      GRANT ALL ON SCHEMA public TO ${role.name}; CREATE TABLE rest PARTITION OF events DEFAULT;
      ALTER TABLE rest OWNER TO ${role.name}; INSERT INTO events VALUES (1, '2026-04-10')`)
    const pool = ownPool(database, { connectionString: role.url })
    // A session like the lock's, but without its protection, ends; the hook waits for that.
    const unprotectedEnds = async (): Promise<void> => {
      const victim = await pool.connect()
      const ended = new Promise((resolve) => victim.once('error', resolve))
      await victim.query('BEGIN')
      await ended
      victim.release(true)
    }
    const { result, error } = await createPartsmith({
      pool,
      hooks: [{ beforeCreate: unprotectedEnds, beforeDetach: unprotectedEnds }],
    }).service.run({ ...expiring, createAheadCount: 2 }, { now })
    expect(error).toBeUndefined()
    expect(result.operations.map(({ id, status }) => [id, status])).toEqual([
      ['create public.events__2026_04', 'done'],
      ['detach public.events__2026_01', 'done'],
    ])
  })

  it('of a role that only reads have it refused, with nothing changed', async () => {
    await using database = await createDatabase(major)
    const role = await createRole(database, { settings: { default_transaction_read_only: 'on' } })
    await database.sql(
      `${events} ALTER TABLE events OWNER TO ${role.name}; GRANT ALL ON SCHEMA public TO ${role.name}`,
    )
    const partsmith = createPartsmith({ pool: ownPool(database, { connectionString: role.url }) })
    const { result, error } = await partsmith.service.run(monthly, { now })
    expect(error).toMatchObject({ code: 'server-unsupported' })
    expect(result.error).toMatch(/only reads.*default_transaction_read_only.*Nothing was changed\.$/)
    expect((await partsmith.inspect(monthly, { now })).partitions.length).toBeGreaterThan(0)
  })
})

/** Asks until it is answered: under a timeout of some milliseconds, the question itself may be cut. */
async function shown(connection: DatabaseConnection, name: string): Promise<string> {
  for (;;) {
    try {
      return String((await connection.query(`SHOW ${name}`)).rows[0]?.[name])
    } catch (error) {
      if (!hasSqlState(error, 'queryCanceled')) throw error
    }
  }
}

interface SeenSettings {
  readonly application: string
  /** At every connection that was given back to be used again. */
  readonly returned: readonly string[]
}

async function settingsAtRelease(
  database: TestDatabase,
  work: (client: ReturnType<typeof observedClient>) => Promise<unknown>,
): Promise<SeenSettings> {
  const pool = ownPool(database, { max: 4, firstStatement: applicationSettings })
  const application = String((await pool.query<{ all: string }>(settingsNow)).rows[0]?.all)
  const returned: string[] = []
  const client = observedClient(fromPg(pool), {
    beforeRelease: async ({ ask, closed }) => {
      if (!closed) returned.push(String((await ask(settingsNow))['all']))
    },
  })
  await work(client)
  return { application, returned }
}
