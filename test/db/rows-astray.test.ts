import { expect, it } from 'vitest'

import type { Finding, MaintenancePlan, Partsmith } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { monthly, now } from '../support/events-table.ts'

const config = monthly

const events = `CREATE TABLE events (id int, at timestamptz, note text) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE rest PARTITION OF events DEFAULT;`

/** Of a later period, so large that every scan begins where the last one stopped, and old ones at the end. */
const large = `ALTER TABLE rest ALTER note SET STORAGE PLAIN;
  INSERT INTO events SELECT g, '2027-01-01', repeat('x', 3500) FROM generate_series(1, 10500) g;
  INSERT INTO events SELECT g, '2020-01-01', 'old' FROM generate_series(1, 300) g;
  INSERT INTO events SELECT g, NULL, 'none' FROM generate_series(1, 7) g;`

describeEachServer('rows of DEFAULT that are astray', (major) => {
  it('are as many in every plan of the same rows, however large DEFAULT is, with an index and without', async () => {
    await using database = await createDatabase(major)
    await database.sql(events + large)
    const [sizes] = await database.sql(
      `SELECT pg_relation_size('rest') > pg_size_bytes(current_setting('shared_buffers')) / 4 AS large`,
    )
    expect(sizes).toEqual({ large: true })
    for (const index of ['SELECT 1', 'CREATE INDEX ON rest (at)']) {
      await database.sql(index)
      for (let times = 0; times < 4; times++) {
        // Another session's scan that stops somewhere in the middle.
        await database.sql(`SELECT count(*) FROM (SELECT FROM rest LIMIT ${2000 + times * 1500}) AS few`)
        expect(astray(await plan(database))?.message).toContain('rest holds 307 rows from before 2026-03-01')
      }
    }
  })

  it('are no exact number where counting them has stopped', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} INSERT INTO events SELECT g, '2020-01-01' FROM generate_series(1, 10000) g`)
    const exact = await plan(database)
    expect(astray(exact)?.message).toContain('holds 10000 rows from before')
    await database.sql(`INSERT INTO events VALUES (0, '2020-01-01'), (0, NULL)`)
    for (const index of ['SELECT 1', 'CREATE INDEX ON rest (at)']) {
      await database.sql(index)
      expect(astray(await plan(database))?.message).toContain('holds more than 10000 rows from before')
    }
  })

  it('are still more than were counted when rows go into a partition of the past', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} INSERT INTO events SELECT g, '2020-01-02' FROM generate_series(1, 9999) g;
      INSERT INTO events SELECT g, '2020-02-02' FROM generate_series(1, 12000) g;`)
    const { ensurePartition } = createPartsmith({ pool: database.pool })
    for (const index of ['SELECT 1', 'CREATE INDEX ON rest (at)']) {
      await database.sql(index)
      const { findings } = await ensurePartition(
        { ...config, maxRowsFromDefault: 9000 },
        '2020-01-10T00:00:00Z',
        { now },
      )
      const said = findings.filter(({ code }) => code === 'rows-astray-in-default')
      // Those that were not moved are known in full, of the others it is known that they are more.
      expect(said[0]?.message).toContain('rest holds more than 19999 rows from before 2026-03-01')
    }
    const { findings } = await ensurePartition(config, '2020-01-10T00:00:00Z', { now })
    const said = findings.filter(({ code }) => code === 'rows-astray-in-default')
    expect(said[0]?.message).toContain('rest holds more than 10000 rows from before 2026-03-01')
    const last = await ensurePartition({ ...config, maxRowsFromDefault: 20_000 }, '2020-02-10T00:00:00Z', {
      now,
    })
    expect(last.findings.map(({ code }) => code)).toEqual([])
  })

  it('are to be moved by `ensure` where it does that, and by hand where it refuses', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} INSERT INTO events SELECT g, '2020-01-01' FROM generate_series(1, 3000) g`)
    const few = astray(await plan(database))?.next
    expect(few).toBe(
      'Make the partitions of their periods with `pg-partsmith ensure` (ensurePartition), which moves those that have a key, or delete them.',
    )
    const limited = astray(await plan(database, {}, { ...config, maxRowsFromDefault: 1000 }))?.next
    expect(limited).toMatch(
      /^Delete them in small steps, or .* at most 1000 \(maxRowsFromDefault\), for no longer than the 100 ms .* by hand, in small steps\.$/,
    )
    const slow = astray(await plan(database, { lockTimeoutMs: 5 }))?.next
    expect(slow).toContain('for no longer than the 5 ms that they may wait (lockTimeoutMs)')
    const kept = astray(await plan(database, {}, { ...config, retentionCount: 2 }))?.next
    expect(kept).toMatch(/^Delete them, or keep them: with a retentionCount that reaches back to them/)

    await database.sql(
      `INSERT INTO events SELECT g, '2020-01-01', repeat('x', 200) FROM generate_series(1, 6000) g`,
    )
    const tight = createPartsmith({ pool: database.pool, lockTimeoutMs: 1 })
    const refused = astray(await tight.plan(config, { now }))?.next
    expect(refused).toMatch(
      /^Delete them, or move them by hand, in small steps; `pg-partsmith ensure` \(ensurePartition\) refuses to, because to read all of DEFAULT takes about \d+ ms under a lock .* longer than the 1 ms /,
    )
    expect(await ensured(tight, '2018-01-01T00:00:00Z')).toContain('PostgreSQL reads all of it under a lock')

    await database.sql(`TRUNCATE events; ALTER TABLE events ADD UNIQUE (id, at);
      INSERT INTO events VALUES (1, '2020-01-01');
      CREATE TABLE notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES events (id, at))`)
    expect(astray(await plan(database))?.next).toMatch(
      /moves none of them, because public\.notes refers to this table \(notes_id_at_fkey\), and a moved row would lose its references\. Move them by hand in one transaction, .* Or delete them, with what refers to them\.$/,
    )
    expect(await ensured(createPartsmith({ pool: database.pool }))).toContain('would lose its references')
  })

  it('keep a table of theirs from being attached again, and the finding says that it is not attached', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events}
      CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');`)
    const loose = createPartsmith({ pool: database.pool })
    await loose.maintain({ ...config, retentionCount: 1, dropAfter: '30 days' }, { now })
    const wanted = { ...config, retentionCount: 2, dropAfter: '30 days' }
    await database.sql(
      `INSERT INTO events SELECT g, '2026-02-02', repeat('x', 100) FROM generate_series(1, 12000) g`,
    )
    const saidBy = async (partsmith: Partsmith): Promise<string> => {
      const { findings } = await partsmith.plan(wanted, { now })
      return findings.find(({ code }) => /rows-in-default|default-too-large/.test(code))?.message ?? ''
    }
    const again = 'so public.events__2026_02 is not attached again'
    expect(await saidBy(loose)).toContain(
      `more than the 10000 that one short transaction may move, ${again}.`,
    )
    await database.sql(`DELETE FROM events WHERE id > 5000`)
    expect(await saidBy(createPartsmith({ pool: database.pool, lockTimeoutMs: 15 }))).toContain(again)
    await database.sql(`DELETE FROM events`)
    expect(await saidBy(createPartsmith({ pool: database.pool, lockTimeoutMs: 1 }))).toContain(
      `${again}, and they go on into DEFAULT`,
    )
  })
})

async function plan(
  database: TestDatabase,
  options: { readonly lockTimeoutMs?: number } = {},
  wanted: Parameters<Partsmith['plan']>[0] = config,
): Promise<MaintenancePlan> {
  return createPartsmith({ pool: database.pool, ...options }).plan(wanted, { now })
}

async function ensured({ service }: Partsmith, at = '2020-01-01T00:00:00Z'): Promise<string> {
  const { issues } = await service.ensurePartition(config, at, { now })
  return issues.map(({ message }) => message).join()
}

function astray({ findings }: MaintenancePlan): Finding | undefined {
  return findings.find(({ code }) => code === 'rows-astray-in-default')
}
