import { expect, it } from 'vitest'

import { createPartsmith } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { ownPool } from '../support/own-pool.ts'
import { monthly, now } from '../support/events-table.ts'

const config = monthly
const held = '(lockTimeoutMs is 5000, held to 4 ms because deadlock_timeout is 5 ms here)'
const events = `CREATE TABLE events (id int, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
  CREATE TABLE rest PARTITION OF events DEFAULT;
  CREATE INDEX ON events (at);`

/** A server that looks for deadlocks so soon that little is too long for it already. */
const hasty = `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 5', current_database()); END $$`

describeEachServer('a lockTimeoutMs that deadlock_timeout does not allow', (major) => {
  it('is told with what it is held to wherever it decides, with the setting that helps', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${hasty};
      INSERT INTO events SELECT i, '2020-01-01', repeat('x', 100) FROM generate_series(1, 22000) i`)
    const partsmith = createPartsmith({ pool: ownPool(database), lockTimeoutMs: 5000 })
    const [large] = (await partsmith.plan(config, { now })).findings
    expect(large).toMatchObject({ code: 'default-too-large' })
    expect(large?.message).toContain(`longer than the 4 ms that they may wait ${held}.`)
    expect(large?.next).toContain(
      'or raise deadlock_timeout (5 ms here, and lockTimeoutMs stays below it) if readers and writers may wait longer.',
    )

    await database.sql(
      `TRUNCATE events; INSERT INTO events SELECT i, '2026-03-10' FROM generate_series(1, 2000) i`,
    )
    const [slow] = (await partsmith.plan(config, { now })).findings
    expect(slow).toMatchObject({ code: 'rows-in-default' })
    expect(slow?.message).toContain(`longer than the 4 ms that they may wait ${held}, so`)
    expect(slow?.next).toMatch(/^Raise deadlock_timeout \(5 ms here/)
    const few = { ...config, maxRowsFromDefault: 10 }
    const [many] = (await partsmith.plan(few, { now })).findings
    expect(many?.next).toMatch(
      /^Raise maxRowsFromDefault .*; the move takes about \d+ ms, so raise deadlock_timeout/,
    )

    await database.sql('TRUNCATE events; ALTER TABLE events ADD UNIQUE (id, at)')
    await using reader = await holding(database, 'SELECT FROM events LIMIT 1')
    const stopped = createPartsmith({ pool: ownPool(database), lockTimeoutMs: 5000, giveUpAfterMs: 0 })
    const { issues } = await stopped.maintainer.runMaintenanceSafe(config, { now })
    expect(issues[0]?.message).toContain(`a lock was not free within 4 ms ${held}, so it gave way`)
    expect(issues[0]?.message).toContain(`In the way: pid ${reader.pid} (`)
  })

  it('is told of the look for rows that refer to what expired', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE events (id int, at timestamptz NOT NULL, UNIQUE (id, at)) PARTITION BY RANGE (at);
      CREATE TABLE e1 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
      CREATE TABLE e3 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
      CREATE TABLE notes (event int, event_at timestamptz, FOREIGN KEY (event, event_at) REFERENCES events (id, at));
      INSERT INTO events SELECT i, '2026-03-10' FROM generate_series(1, 20000) i;
      INSERT INTO events SELECT i, '2026-01-10' FROM generate_series(1, 20000) i;
      INSERT INTO notes SELECT i % 20000 + 1, '2026-03-10' FROM generate_series(1, 100000) i; ANALYZE notes; ${hasty}`)
    const partsmith = createPartsmith({ pool: ownPool(database), lockTimeoutMs: 5000 })
    const { findings } = await partsmith.plan({ ...config, retentionCount: 1 }, { now })
    expect(findings[0]).toMatchObject({ code: 'reference-check-too-long' })
    expect(findings[0]?.message).toContain(`longer than the 4 ms that they may wait ${held}.`)
    expect(findings[0]?.next).toContain('otherwise raise deadlock_timeout (5 ms here')
  })

  it('is told by inspect as good to know, and by no plan', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${hasty}`)
    const partsmith = createPartsmith({ pool: ownPool(database), lockTimeoutMs: 5000 })
    const { findings } = await partsmith.inspect(config, { now })
    expect(findings).toMatchObject([{ code: 'lock-timeout-held', severity: 'info' }])
    expect(findings[0]?.message).toContain('held to 4 ms because deadlock_timeout is 5 ms here')
    expect((await partsmith.plan(config, { now })).findings).toEqual([])
    const short = createPartsmith({ pool: ownPool(database), lockTimeoutMs: 4 })
    expect((await short.inspect(config, { now })).findings).toEqual([])
  })
})

/** A session in a transaction that has run the statement, until it is disposed of. */
async function holding(
  database: TestDatabase,
  statement: string,
): Promise<{ readonly pid: number; [Symbol.asyncDispose](): Promise<void> }> {
  const client = await database.pool.connect()
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  await client.query(`BEGIN; ${statement}`)
  return {
    pid: rows[0]?.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      await client.query('ROLLBACK')
      client.release()
    },
  }
}
