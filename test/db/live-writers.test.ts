import type { Pool } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { MaintenanceResult, Partsmith, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith, fromPg } from '../../src/index.ts'
import { attachedTo } from '../support/converges.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { startTraffic } from '../support/live-traffic.ts'
import { observedClient } from '../support/observed-client.ts'
import type { StatementObserver } from '../support/observed-client.ts'
import { ownPool } from '../support/own-pool.ts'
import { recordingLogger } from '../support/recording-logger.ts'

const now = '2026-03-15T12:00:00Z'
const april = '2026-04-01 00:00:00+00'
const ahead: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 2,
}
const expiring: TablePartitionOptions = {
  ...ahead,
  createAheadCount: 1,
  retentionCount: 1,
  dropAfter: '1 day',
}

const events = `
CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, n int NOT NULL DEFAULT 0, PRIMARY KEY (id, at))
  PARTITION BY RANGE (at);
CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('${april}');`
const rest = `CREATE TABLE rest PARTITION OF events DEFAULT;`
const january = `
CREATE TABLE events__2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
INSERT INTO events VALUES (5, '2026-01-10 00:00:00+00');`

const isAttached = `SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'events__2026_04' AND relispartition)::text AS is`

describeEachServer('beside live applications', (major) => {
  let database: TestDatabase

  beforeEach(async () => {
    database = await createDatabase(major)
  })
  afterEach(() => database.drop())

  describe('rows are moved out of DEFAULT', () => {
    it('with no failed statement, and none missing, doubled, left behind or unseen', async () => {
      const steadyRows = 500
      await database.sql(`${events}${rest}
        INSERT INTO events SELECT -g, '${april}'::timestamptz + g * interval '1 second', 0 FROM generate_series(1, ${steadyRows}) g`)
      const moved: unknown[] = []
      const logger = recordingLogger()
      const partsmith = partsmithOn(
        {
          beforeSending: async ({ text, ask }) => {
            // In the last moment of the transaction that attaches: what has arrived.
            if (text !== 'COMMIT' || (await ask(isAttached))['is'] !== 'true') return
            moved.push((await ask(`SELECT count(*)::text AS n FROM public.events__2026_04`))['n'])
          },
        },
        { logger },
      )
      const traffic = await startTraffic(database, { from: april, steadyRows })
      await traffic.rounds(20)
      const result = await untilItHasTheLocks(() => partsmith.maintain(ahead, { now }))
      await traffic.rounds(20)
      const left = await traffic.stop()

      expect(result.createdCount).toBe(1)
      const inParent = await database.sql(`SELECT id::int, n FROM events WHERE id > 0 ORDER BY id`)
      expect(inParent).toEqual([...left].sort(([a], [b]) => a - b).map(([id, n]) => ({ id, n })))
      expect(await database.sql(`SELECT count(*)::int AS n FROM events__2026_04`)).toEqual([
        { n: left.size + steadyRows },
      ])
      expect(await database.sql(`SELECT count(*)::int AS n FROM rest`)).toEqual([{ n: 0 }])

      const rowsMoved = Number(moved[0])
      expect(rowsMoved).toBeGreaterThan(steadyRows)
      expect(result.operations).toMatchObject([{ kind: 'create', status: 'done', rowsMoved }])
      expect(logger.lines('info')).toContain(
        `create public.events__2026_04: moved ${rowsMoved} rows out of DEFAULT`,
      )
    })
  })

  describe('a partition is created without a DEFAULT', () => {
    it('and nobody waits, also while readers of the whole table stay in their transactions', async () => {
      await database.sql(events)
      const reader = await database.pool.connect()
      await reader.query(`BEGIN; SELECT count(*) FROM events`)
      const application = await database.pool.connect()
      await application.query(`SET lock_timeout = '20ms'`)
      let looked = 0
      const partsmith = partsmithOn({
        beforeAnswer: async () => {
          looked += 1
          await application.query(`INSERT INTO events VALUES (${looked}, '2026-03-10')`)
          await application.query(`SELECT count(*) FROM events`)
        },
      })
      const result = await partsmith.maintain(ahead, { now })
      expect(result.createdCount).toBe(1)
      expect(looked).toBeGreaterThan(8)
      expect((await reader.query(`SELECT count(*)::int AS n FROM events`)).rows).toEqual([{ n: looked }])
      await reader.query('COMMIT')
      reader.release()
      application.release(true)
    })
  })

  describe('a lock that another session holds', () => {
    it.each([
      { operation: 'create', given: events + rest, config: ahead, holds: 'SELECT * FROM rest' },
      { operation: 'create', given: events + rest, config: ahead, holds: 'SELECT * FROM ONLY events' },
      { operation: 'detach', given: events + rest + january, config: expiring, holds: 'SELECT * FROM rest' },
      {
        operation: 'detach',
        given: events + rest + january,
        config: expiring,
        holds: 'SELECT * FROM events__2026_01',
      },
    ])('is given way to: $operation beside $holds', async ({ operation, given, config, holds }) => {
      await database.sql(`${given} INSERT INTO events VALUES (7, '2026-04-10')`)
      const before = await everything(database)
      const holder = await database.pool.connect()
      await holder.query(`BEGIN; ${holds}`)
      // It writes where the maintainer waits, without a timeout, and must get on although the holder does not end.
      const writer = insistentWriter(database, `UPDATE events SET n = n WHERE id = 7`)
      const partsmith = createPartsmith({ pool: database.pool, giveUpAfterMs: 500 })
      const result = await partsmith.service.run(config, { now })
      await writer.writesAgain(2)
      await writer.stop()

      expect(result.error).toBeUndefined()
      expect(result.result).toMatchObject({
        success: false,
        issues: [{ step: operation, code: 'lock-timeout', severity: 'error' }],
        operations: [{ status: 'failed' }],
      })
      expect(result.result.issues[0]?.message).toMatch(
        /^public\.events: cannot (create|detach) public\.events__2026_0\d: (a lock was not free (within 100 ms|at once, and none is waited for with another in hand)|\d+ sessions? waited behind it, for up to \d+ ms), so it gave way.* In the way: pid .*Nothing was (changed|detached); the next run tries again\.$/,
      )
      expect(await everything(database)).toEqual(before)

      await holder.query('COMMIT')
      holder.release()
      expect((await partsmith.maintain(config, { now })).success).toBe(true)
      expect((await partsmith.plan(config, { now })).operations).toEqual([])
    })

    it('is never waited for until the deadlock detector looks, and the message says how long', async () => {
      await database.sql(`ALTER DATABASE ${database.name} SET deadlock_timeout = '100ms'`)
      await database.sql(events + rest)
      const waits = new Set<unknown>()
      const partsmith = partsmithOn(
        {
          beforeSending: async ({ text, ask }) => {
            if (/^LOCK|^ALTER|FROM "public"."rest"/.test(text))
              waits.add((await ask('SHOW lock_timeout'))['lock_timeout'])
          },
        },
        { pool: ownPool(database), giveUpAfterMs: 0 },
      )
      // The application has what the maintainer wants, and wants what it would lock next.
      const application = await database.pool.connect()
      await application.query(`BEGIN; SELECT * FROM ONLY events`)
      const running = partsmith.service.run(ahead, { now })
      await untilSomebodyWaits(database)
      await application.query(`LOCK TABLE rest IN ACCESS EXCLUSIVE MODE`)
      const { result } = await running
      await application.query('COMMIT')
      application.release()

      expect(result.issues).toMatchObject([{ code: 'lock-timeout' }])
      expect(result.issues[0]?.message).toContain('not free within 80 ms')
      expect([...waits]).toEqual(['80ms'])
    })
  })

  function partsmithOn(
    observer: StatementObserver,
    {
      pool = database.pool,
      ...options
    }: { pool?: Pool; giveUpAfterMs?: number; logger?: ReturnType<typeof recordingLogger> } = {},
  ): Partsmith {
    return createPartsmith({ pool: observedClient(fromPg(pool), observer), ...options })
  }
})

async function untilItHasTheLocks(run: () => Promise<MaintenanceResult>): Promise<MaintenanceResult> {
  for (;;) {
    const result = await run()
    if (result.success) return result
    expect(result.issues.map(({ code }) => code)).toEqual(['lock-timeout'])
  }
}

/** Writes the same again and again, each time as soon as it may. */
function insistentWriter(
  database: TestDatabase,
  text: string,
): { writesAgain(times: number): Promise<void>; stop(): Promise<void> } {
  const stop = new AbortController()
  const written = { times: 0 }
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await database.sql(text)
      written.times += 1
    }
  })()
  return {
    writesAgain: async (times) => {
      const aim = written.times + times
      while (written.times < aim) await new Promise((resolve) => setImmediate(resolve))
    },
    stop: () => {
      stop.abort()
      return loop
    },
  }
}

async function untilSomebodyWaits(database: TestDatabase): Promise<void> {
  const waiting = `SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
  while ((await database.sql(waiting)).length === 0);
}

async function everything(database: TestDatabase): Promise<unknown> {
  return {
    attached: await attachedTo(database, { tableName: 'events' }),
    tables: await database.sql(
      `SELECT oid::text, relname, obj_description(oid, 'pg_class') AS comment FROM pg_class
       WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY relname`,
    ),
    rows: await database.sql(`SELECT tableoid::regclass::text AS lies, id::int FROM events ORDER BY id`),
  }
}
