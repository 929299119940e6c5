import { setTimeout as sleep } from 'node:timers/promises'

import { expect, it, onTestFinished } from 'vitest'

import { createPartsmith, fromPg } from '../../src/index.ts'
import type { MaintenanceResult } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { observedClient } from '../support/observed-client.ts'
import { ownPool } from '../support/own-pool.ts'
import { monthly, now } from '../support/events-table.ts'
import { slowAlter } from '../support/slow-alter.ts'

const config = { ...monthly, createAheadCount: 2 }
const lockTimeoutMs = 100
/** What a busy machine adds to what the server does in time. */
const slack = 400

const withDefault = `CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE rest PARTITION OF events DEFAULT;`

describeEachServer('a run that is in the way of others', (major) => {
  it('tries again while a reader holds its lock, and nobody waits longer than the lock timeout', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    const reader = await holder(database, 'SELECT count(*) FROM events')
    const traffic = insertsInto(database, '2030-01-01')
    const running = run(database, { giveUpAfterMs: 60_000 })
    await traffic.until(60)
    await reader.end()
    const result = await running
    const longestMs = await traffic.stop()
    expect(result.operations).toMatchObject([{ kind: 'create', status: 'done' }])
    expect(longestMs).toBeLessThan(lockTimeoutMs + slack)
  })

  it('gives up in the end, says who was in the way, and has changed nothing', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    const reader = await holder(database, 'SELECT count(*) FROM events')
    const started = performance.now()
    const result = await run(database, { giveUpAfterMs: 600 })
    // Less the last pause, which is counted and not made.
    expect(performance.now() - started).toBeGreaterThan(300)
    const [issue] = result.issues
    expect(issue).toMatchObject({ code: 'lock-timeout' })
    expect(issue?.message).toMatch(/a lock was not free within 100 ms, so it gave way, \d+ times\./)
    expect(issue?.message).toContain(
      `In the way: pid ${reader.pid} (the-reader, idle in transaction, transaction open for `,
    )
    expect(issue?.message).toContain('SELECT count(*) FROM events) holds ACCESS SHARE on public.')
    await reader.end()
    expect(await database.sql(`SELECT relname FROM pg_class WHERE relname LIKE 'events%'`)).toHaveLength(2)
  })

  it('has the time of all its operations together, and does not begin those with the same in their way', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    const reader = await holder(database, 'SELECT count(*) FROM events')
    const result = await run(database, { giveUpAfterMs: 500, createAheadCount: 4 })
    expect(result.operations.map(({ status }) => status)).toEqual(['failed', 'not-run', 'not-run'])
    expect(result.issues.map(({ message }) => message)).toEqual([
      expect.stringMatching(/, \d+ times\. In the way: pid/),
    ])
    for (const { message } of result.operations.slice(1)) {
      expect(message).toContain(
        'it was not tried: the time to try again for locks (giveUpAfterMs) was used up',
      )
      expect(message).toContain(`pid ${reader.pid} (the-reader, idle in transaction`)
    }
    await reader.end()
  })

  it('is cancelled where it works too long with its locks in hand', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    await database.sql(slowAlter(2_000))
    const running = run(database, { giveUpAfterMs: 500 })
    await untilActive(database, 'ALTER TABLE%ATTACH%')
    const started = performance.now()
    await database.sql(`INSERT INTO events VALUES (1, '2030-01-01')`)
    expect(performance.now() - started).toBeLessThan(lockTimeoutMs + slack)
    const stop = insertsInto(database, '2030-01-01')
    const [issue] = (await running).issues
    await stop.stop()
    expect(issue?.message).toMatch(/\d+ sessions? waited behind it, for up to \d+ ms, so it gave way/)
    expect(await database.sql(`SELECT relname FROM pg_class WHERE relname LIKE 'events%'`)).toHaveLength(2)
  })

  it('is cancelled also where those who wait for it hold all other connections of its pool', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    await database.sql(slowAlter(2_000))
    const pool = ownPool(database, { max: 4 })
    const taken: Promise<{ release(): void }>[] = []
    const client = observedClient(fromPg(pool), {
      beforeSending: ({ text }) => {
        if (taken.length === 0 && /^LOCK TABLE .* ACCESS EXCLUSIVE/.test(text))
          taken.push(...[1, 2, 3].map(() => pool.connect()))
      },
    })
    const running = createPartsmith({
      pool: client,
      giveUpAfterMs: 0,
      lockTimeoutMs,
    }).maintainer.runMaintenanceSafe(config, { now })
    await untilActive(database, 'ALTER TABLE%ATTACH%')
    const started = performance.now()
    await database.sql(`INSERT INTO events VALUES (1, '2030-01-01')`)
    expect(performance.now() - started).toBeLessThan(lockTimeoutMs + slack)
    for (const connection of taken) void connection.then((one) => one.release())
    expect(await running).toMatchObject({ success: false, createdCount: 0 })
  })

  it.each([lockTimeoutMs, 5])('works for as long as it takes where nobody waits (%i ms)', async (short) => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    await database.sql(slowAlter(700))
    const { maintainer } = createPartsmith({ pool: database.pool, giveUpAfterMs: 0, lockTimeoutMs: short })
    const result = await maintainer.runMaintenanceSafe({ ...config, createAheadCount: 2 }, { now })
    expect(result.issues).toEqual([])
    expect(result).toMatchObject({ success: true, createdCount: 1 })
  })

  it('does not try again what somebody has cancelled', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    await database.sql(slowAlter(20_000))
    const running = run(database, { giveUpAfterMs: 60_000 })
    const pid = await untilActive(database, 'ALTER TABLE%ATTACH%')
    await database.sql('SELECT pg_cancel_backend($1)', [pid])
    const result = await running
    expect(result.operations).toMatchObject([{ status: 'failed' }])
    expect(result.issues[0]?.message).toContain('or by somebody')
  })

  it('counts the waits for several locks together', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    await database.sql(
      `CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')`,
    )
    // The parent is free, DEFAULT for a while not; with the parent's lock in hand everybody waits.
    const reader = await holder(database, `LOCK TABLE ONLY rest IN ACCESS SHARE MODE`)
    const traffic = insertsInto(database, '2026-03-10')
    const running = run(database, { giveUpAfterMs: 60_000 })
    await traffic.until(40)
    await reader.end()
    await running
    expect(await traffic.stop()).toBeLessThan(lockTimeoutMs + slack)
  })

  it.each(['', 'CREATE TABLE rest PARTITION OF events DEFAULT;'])(
    'meets the writers of a table that refers to it in the order in which they lock (%s)',
    async (rest) => {
      await using database = await createDatabase(major)
      await database.sql(`CREATE TABLE events (id int, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
        CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00'); ${rest}
        INSERT INTO events VALUES (1, '2026-03-10');
        CREATE TABLE note (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES events);`)
      const seen = { over: false, errors: 0 }
      const writers = Array.from({ length: 4 }, async () => {
        while (!seen.over) {
          await database
            .sql(
              `BEGIN; LOCK TABLE note IN ROW EXCLUSIVE MODE; SELECT pg_sleep(0.01); INSERT INTO note VALUES (1, '2026-03-10'); COMMIT`,
            )
            .catch(() => (seen.errors += 1))
        }
      })
      const { maintainer } = createPartsmith({ pool: database.pool, giveUpAfterMs: 20_000, lockTimeoutMs })
      const result = await maintainer.runMaintenanceSafe({ ...config, retentionCount: 1 }, { now })
      seen.over = true
      await Promise.all(writers)
      expect(result.issues).toEqual([])
      expect(result).toMatchObject({ createdCount: 1, detachedCount: 1, droppedCount: 1 })
      expect(seen.errors).toBe(0)
    },
  )
})

async function run(
  database: TestDatabase,
  { giveUpAfterMs, createAheadCount = 2 }: { giveUpAfterMs: number; createAheadCount?: number },
): Promise<MaintenanceResult> {
  const { maintainer } = createPartsmith({ pool: database.pool, giveUpAfterMs, lockTimeoutMs })
  return maintainer.runMaintenanceSafe({ ...config, createAheadCount }, { now, continueOnError: true })
}

async function holder(
  database: TestDatabase,
  text: string,
): Promise<{ readonly pid: number; end(): Promise<void> }> {
  const client = await database.pool.connect()
  await client.query(`BEGIN; SET LOCAL application_name = 'the-reader'`)
  await client.query(text)
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  // Its newest statement is what the message shows.
  await client.query(text)
  return {
    pid: rows[0]?.pid ?? 0,
    end: async () => {
      await client.query('ROLLBACK')
      client.release()
    },
  }
}

/** Inserts one row after the other, and remembers how long the slowest took. */
function insertsInto(
  database: TestDatabase,
  at: string,
): { until(count: number): Promise<void>; stop(): Promise<number> } {
  const seen = { over: false, longestMs: 0, done: 0 }
  const going = (async () => {
    while (!seen.over) {
      const started = performance.now()
      await database.sql(`INSERT INTO events VALUES (1, '${at}')`)
      seen.longestMs = Math.max(seen.longestMs, performance.now() - started)
      seen.done++
    }
  })()
  onTestFinished(() => {
    seen.over = true
  })
  return {
    until: async (count) => {
      while (seen.done < count) await sleep(5)
    },
    stop: async () => {
      seen.over = true
      await going
      return seen.longestMs
    },
  }
}

async function untilActive(database: TestDatabase, like: string): Promise<number> {
  for (;;) {
    const [row] = await database.sql(
      `SELECT pid FROM pg_stat_activity WHERE query LIKE $1 AND state = 'active' AND wait_event = 'PgSleep' AND datname = current_database()`,
      [like],
    )
    if (row) return Number(row['pid'])
  }
}
