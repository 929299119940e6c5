import { expect, it } from 'vitest'

import type { TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

const config: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 1,
}
const given = `
CREATE TABLE events (id bigint, at timestamptz NOT NULL, added_later text) PARTITION BY RANGE (at);
CREATE TABLE legacy (id bigint, at timestamptz NOT NULL);
CREATE TABLE users (id bigint, name text); INSERT INTO users VALUES (1, 'Ada');
CREATE TABLE days (at date);`

describeEachServer('adopting', (major) => {
  it('takes a table that lacks what was added to the parent since it was detached', async () => {
    await using database = await createDatabase(major)
    await database.sql(given)
    await createPartsmith({ pool: database.pool }).adoptPartition(config, 'legacy')
    expect(
      await database.sql(`SELECT obj_description('legacy'::regclass, 'pg_class') AS comment`),
    ).toMatchObject([{ comment: expect.stringMatching(/^pg-partsmith:orphan-parent=public\.events\n/) }])
  })

  it.each(['users', 'days'])('refuses %s, which has no such key and was never a partition', async (table) => {
    await using database = await createDatabase(major)
    await database.sql(given)
    const partsmith = createPartsmith({ pool: database.pool })
    const adopting = partsmith.adoptPartition(config, table)
    await expect(adopting).rejects.toMatchObject({ code: 'partition-error' })
    await expect(adopting).rejects.toThrow(
      `public.events: cannot adopt public.${table}: public.${table} has no column "at" of type timestamp with time zone, so it was never a partition of public.events. Nothing was changed`,
    )
    await partsmith.maintain(config)
    expect(await database.sql(`SELECT to_regclass('${table}')::text AS name`)).toEqual([{ name: table }])
  })

  it('leaves a table alone that was detached here, because a new marker would not know its range', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${given}
      CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');`)
    const partsmith = createPartsmith({ pool: database.pool })
    const now = '2026-03-15T12:00:00Z'
    await partsmith.maintain({ ...config, dropAfter: '7 days' }, { now })
    await expect(partsmith.adoptPartition(config, 'events__2026_02')).rejects.toThrow(
      'public.events__2026_02 was detached here and is managed already; adopting it would forget which rows it holds. Nothing was changed.',
    )
    const again = await partsmith.maintain({ ...config, retentionCount: 2 }, { now })
    expect(again.operations).toMatchObject([{ id: 'attach public.events__2026_02', status: 'done' }])
  })
})
