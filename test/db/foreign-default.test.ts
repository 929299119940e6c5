import { expect, it } from 'vitest'

import { BasePartitionLifecycleHooks, createPartsmith } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { march, monthly, now, partition } from '../support/events-table.ts'

const config = { ...monthly, createAheadCount: 2 }

const table = `CREATE TABLE events (id int, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
  CREATE TABLE rest PARTITION OF events DEFAULT PARTITION BY LIST (id);
  CREATE TABLE rest_1 PARTITION OF rest FOR VALUES IN (1);
  CREATE TABLE rest_below PARTITION OF rest DEFAULT PARTITION BY LIST (id);
  CREATE TABLE rest_3 PARTITION OF rest_below FOR VALUES IN (3);`

/** Two levels below DEFAULT, with its rows in a table of the same database that is reached as if it were another. */
const remote = `PARTITION OF rest_below FOR VALUES IN (2) SERVER far OPTIONS (table_name 'there')`

async function withFarServer(database: TestDatabase): Promise<void> {
  await database.sql(`CREATE EXTENSION postgres_fdw; CREATE TABLE there (id int, at timestamptz, note text);
    DO $$ BEGIN EXECUTE format('CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
      '127.0.0.1', current_setting('port'), '${database.name}'); END $$;
    CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'postgres', password 'postgres')`)
}

describeEachServer('a DEFAULT with a foreign table below it', (major) => {
  it('stops the creation beside it with a finding, with rows in the foreign table and without', async () => {
    await using database = await createDatabase(major)
    await withFarServer(database)
    await database.sql(`${table} CREATE FOREIGN TABLE rest_2 ${remote};`)
    const partsmith = createPartsmith({ pool: database.pool })
    const message = expect.stringMatching(
      /^public\.rest is the DEFAULT partition, and public\.rest_2 below it is a foreign table: whether it holds rows from/,
    )
    const found = { code: 'default-not-movable', relation: { schema: 'public', name: 'rest' }, message }
    const findings = [found, found]
    expect(await partsmith.plan(config, { now })).toMatchObject({ operations: [], findings })
    const rows = [1, 2, 3].map((id) => ({ id }))
    await database.sql(
      `INSERT INTO there VALUES (2, '2026-03-10'); INSERT INTO events VALUES (1, '2026-03-10'), (3, '2026-03-10')`,
    )
    expect(await partsmith.maintainer.runMaintenanceSafe(config, { now })).toMatchObject({
      operations: [],
      findings,
    })
    expect(await database.sql('SELECT id FROM events ORDER BY id')).toEqual(rows)
    const { defaultRows } = await partsmith.inspect(config, { now })
    expect(defaultRows).toMatchObject({
      counted: 'not',
      why: 'public.rest_2 below it is a foreign table: its rows are on another server.',
    })
  })

  it('that came after the plan has the attach refused under its lock, without a look at the other server', async () => {
    await using database = await createDatabase(major)
    await withFarServer(database)
    await database.sql(table)
    class Attaching extends BasePartitionLifecycleHooks {
      override async beforeCreate(): Promise<void> {
        await database.sql(
          `ALTER SERVER far OPTIONS (SET port '1'); DROP FOREIGN TABLE IF EXISTS rest_2; CREATE FOREIGN TABLE rest_2 ${remote}`,
        )
      }
    }
    const partsmith = createPartsmith({ pool: database.pool, hooks: [new Attaching()] })
    const { operations, issues } = await partsmith.maintainer.runMaintenanceSafe(config, { now })
    expect(operations).toMatchObject([{ status: 'refused' }, { status: 'refused' }])
    expect(issues[0]).toMatchObject({ code: 'rows-in-default' })
    expect(issues[0]?.message).toContain('rest_2, a foreign table, is in public.rest: whether it holds rows')
    expect(await database.sql(`SELECT FROM pg_inherits WHERE inhparent = 'events'::regclass`)).toHaveLength(1)
  })

  it('keeps no partition from being detached', async () => {
    await using database = await createDatabase(major)
    await withFarServer(database)
    await database.sql(
      `${table} CREATE FOREIGN TABLE rest_2 ${remote}; ${march} ${partition('old', '2026-01-01', '2026-02-01')}`,
    )
    const partsmith = createPartsmith({ pool: database.pool })
    const result = await partsmith.maintainer.runMaintenanceSafe(
      { ...config, createAheadCount: 1, retentionCount: 1, dropAfter: '1 day' },
      { now },
    )
    expect(result).toMatchObject({ success: true, operations: [{ kind: 'detach', status: 'done' }] })
  })
})
