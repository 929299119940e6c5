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
})
