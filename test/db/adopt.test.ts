import { expect, it } from 'vitest'

import type { TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith, fromPg } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { observedClient } from '../support/observed-client.ts'

const config: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 1,
  dropAfter: '7 days',
}
const atOnce: TablePartitionOptions = { ...config, dropAfter: '0 seconds' }
const given = `
CREATE TABLE events (id bigint, at timestamptz NOT NULL, added_later text) PARTITION BY RANGE (at);
CREATE TABLE legacy (id bigint, at timestamptz NOT NULL);`
/** Tables that were never a partition of `events`, and what shows it. */
const strangers = [
  {
    what: 'has other columns, beside the key',
    table: 'CREATE TABLE customers (id int PRIMARY KEY, name text, at timestamptz NOT NULL)',
    name: 'customers',
    why: 'its column "id" is of type integer and not bigint; it has a column "name" of type text that public.events does not have',
  },
  {
    what: 'has nothing but the key',
    table: 'CREATE TABLE bare (at timestamptz NOT NULL)',
    name: 'bare',
    why: 'it has no column "id" of type bigint',
  },
  {
    what: 'has no key',
    table: 'CREATE TABLE users (id bigint)',
    name: 'users',
    why: 'it has no column "at" of type timestamp with time zone',
  },
  {
    what: 'has a key of another type',
    table: 'CREATE TABLE days (id bigint, at date)',
    name: 'days',
    why: 'its column "at" is of type date and not timestamp with time zone',
  },
] as const

describeEachServer('adopting', (major) => {
  it('takes a table that lacks what was added to the parent since it was detached', async () => {
    await using database = await createDatabase(major)
    await database.sql(given)
    await createPartsmith({ pool: database.pool }).adoptPartition(config, 'legacy')
    expect(
      await database.sql(`SELECT obj_description('legacy'::regclass, 'pg_class') AS comment`),
    ).toMatchObject([{ comment: expect.stringMatching(/^pg-partsmith:orphan-parent=public\.events\n/) }])
  })

  it.each(strangers)(
    'refuses a table that $what, and the next run leaves it',
    async ({ table, name, why }) => {
      await using database = await createDatabase(major)
      await database.sql(`${given} ${table}`)
      const partsmith = createPartsmith({ pool: database.pool })
      const adopting = partsmith.adoptPartition(atOnce, name)
      await expect(adopting).rejects.toMatchObject({ code: 'partition-error' })
      await expect(adopting).rejects.toThrow(
        `public.events: cannot adopt public.${name}: public.${name} is not like a partition of public.events: ${why}. Nothing was changed; check the name. Where it was a partition before its parent was changed so, look at it and drop it by hand.`,
      )
      await partsmith.maintain(atOnce)
      expect(await database.sql(`SELECT to_regclass('${name}')::text AS name`)).toEqual([{ name }])
    },
  )

  it('refuses a table that lacks what every partition has, wherever it stands', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${given}
      ALTER TABLE events ADD COLUMN tenant int NOT NULL, ADD COLUMN kind int NOT NULL DEFAULT 0,
        ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;`)
    await expect(createPartsmith({ pool: database.pool }).adoptPartition(config, 'legacy')).rejects.toThrow(
      'public.legacy is not like a partition of public.events: it has no column "tenant" of type integer. Nothing',
    )
  })

  it('takes a table whose columns were dropped and whose lengths were changed', async () => {
    await using database = await createDatabase(major)
    await database.sql(`
      CREATE TABLE events (gone int, id bigint, at timestamptz NOT NULL, name varchar(50)) PARTITION BY RANGE (at);
      CREATE TABLE legacy (name varchar(20), at timestamptz NOT NULL, extra text, id bigint);
      ALTER TABLE events DROP COLUMN gone; ALTER TABLE legacy DROP COLUMN extra;`)
    const adopted = await createPartsmith({ pool: database.pool }).adoptPartition(config, 'legacy')
    expect(adopted.rows).toEqual({ number: 0, is: 'exactly' })
  })

  it('looks at the columns again under the lock with which it marks the table', async () => {
    await using database = await createDatabase(major)
    await database.sql(given)
    const client = observedClient(fromPg(database.pool), {
      beforeSending: async ({ text }) => {
        if (text.includes('LOCK TABLE ONLY')) await database.sql('ALTER TABLE legacy ADD COLUMN more int')
      },
    })
    await expect(createPartsmith({ pool: client }).adoptPartition(config, 'legacy')).rejects.toThrow(
      'it has a column "more" of type integer that public.events does not have',
    )
    expect(await database.sql(`SELECT obj_description('legacy'::regclass, 'pg_class') AS comment`)).toEqual([
      { comment: null },
    ])
  })

  it('refuses without a dropAfter, because the next run would drop the table at once', async () => {
    await using database = await createDatabase(major)
    await database.sql(given)
    const partsmith = createPartsmith({ pool: database.pool })
    const { dropAfter: _, ...without } = config
    await expect(partsmith.adoptPartition(without, 'legacy')).rejects.toMatchObject({
      code: 'invalid-config',
      message:
        'public.legacy is not adopted: no dropAfter is set for public.events, so the next run that may drop would drop it at once. Set one, such as `dropAfter: 7 days`, or drop the table by hand. Nothing was changed.',
    })
    const { operations } = await partsmith.plan(without)
    expect(operations.filter(({ kind }) => kind === 'drop')).toEqual([])
  })

  it('takes a dropAfter of 0 seconds at its word', async () => {
    await using database = await createDatabase(major)
    await database.sql(given)
    const partsmith = createPartsmith({ pool: database.pool })
    await partsmith.adoptPartition(atOnce, 'legacy')
    const { operations } = await partsmith.maintain(atOnce)
    expect(operations.map(({ id }) => id)).toContain('drop public.legacy')
  })

  it('says how large the table is, and how many rows it has as far as that is cheap', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${given} INSERT INTO legacy SELECT n, now() FROM generate_series(1, 5000) n;
      ALTER TABLE legacy SET (autovacuum_enabled = off)`)
    const partsmith = createPartsmith({ pool: database.pool })
    const table = { schema: 'public', name: 'legacy' }
    const adopt = async (): Promise<unknown> => partsmith.adoptPartition(config, 'legacy')
    expect(await adopt()).toMatchObject({ table, rows: { number: 5000, is: 'exactly' } })
    await database.sql(`INSERT INTO legacy SELECT n, now() FROM generate_series(1, 96000) n`)
    expect(await adopt()).toMatchObject({ rows: { number: 100_000, is: 'more than' } })
    await database.sql('ANALYZE legacy')
    expect(await adopt()).toMatchObject({ rows: { number: 101_000, is: 'about' } })
    await database.sql('TRUNCATE legacy')
    await database.sql('ALTER TABLE legacy ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY')
    const [sizes] = await database.sql(`SELECT pg_total_relation_size('legacy')::int AS bytes`)
    expect(await adopt()).toMatchObject({ sizeBytes: sizes?.['bytes'] })
  })

  it('leaves a table alone that was detached here, because a new marker would not know its range', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${given}
      CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');`)
    const partsmith = createPartsmith({ pool: database.pool })
    const now = '2026-03-15T12:00:00Z'
    await partsmith.maintain(config, { now })
    await expect(partsmith.adoptPartition(config, 'events__2026_02')).rejects.toThrow(
      'public.events__2026_02 was detached here and is managed already; adopting it would forget which rows it holds. Nothing was changed.',
    )
    const again = await partsmith.maintain({ ...config, retentionCount: 2 }, { now })
    expect(again.operations).toMatchObject([{ id: 'attach public.events__2026_02', status: 'done' }])
  })
})
