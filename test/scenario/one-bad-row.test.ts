import { expect, it } from 'vitest'

import { createPartsmith } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

const now = '2026-03-15T12:00:00Z'
const config = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 3,
} as const

const table = `CREATE TABLE customers (id int PRIMARY KEY);
  CREATE TABLE events (id int, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
  CREATE TABLE rest PARTITION OF events DEFAULT;
  INSERT INTO events VALUES (1, '2026-03-10');`

describeEachServer('one row of DEFAULT that cannot be moved', (major) => {
  it.each([
    ['a CHECK that is not valid', 'ALTER TABLE events ADD CHECK (id > 5) NOT VALID', /violates check/],
    ...(major >= 18
      ? ([
          [
            'a NOT NULL that is not valid',
            'ALTER TABLE events ADD CONSTRAINT noted NOT NULL note NOT VALID',
            /violates not-null/,
          ],
        ] as const)
      : []),
    ['a rule', 'CREATE RULE kept AS ON DELETE TO rest DO INSTEAD NOTHING', /cannot perform DELETE RETURNING/],
  ] as const)('keeps its own period alone from getting a partition: %s', async (_, ddl, why) => {
    await using database = await createDatabase(major)
    await database.sql(table + ddl)
    const { maintainer } = createPartsmith({ pool: database.pool })
    const result = await maintainer.runMaintenanceSafe(config, { now })
    expect(result.operations).toMatchObject([
      { partition: { name: 'events__2026_03' }, status: 'failed' },
      { partition: { name: 'events__2026_04' }, status: 'done' },
      { partition: { name: 'events__2026_05' }, status: 'done' },
    ])
    expect(result).toMatchObject({ success: false, createdCount: 2 })
    expect(result.error).toBeUndefined()
    expect(result.issues).toHaveLength(1)
    expect(result.issues[0]?.message).toMatch(why)
    expect(await database.sql('SELECT id FROM rest')).toEqual([{ id: 1 }])
  })

  it('refers to nothing, and that is said', async () => {
    await using database = await createDatabase(major)
    // On version 15 to 17 a key that is not valid can only be inherited by the partitions that are there.
    await database.sql(
      `${table} ALTER TABLE rest ADD CONSTRAINT known FOREIGN KEY (id) REFERENCES customers NOT VALID;`,
    )
    if (major >= 18) {
      await database.sql(
        'ALTER TABLE events ADD CONSTRAINT known_all FOREIGN KEY (id) REFERENCES customers NOT VALID',
      )
    } else {
      await database.sql(`SET session_replication_role = replica;
        ALTER TABLE rest DROP CONSTRAINT known; INSERT INTO customers VALUES (1);
        ALTER TABLE events ADD CONSTRAINT known_all FOREIGN KEY (id) REFERENCES customers; DELETE FROM customers;
        RESET session_replication_role`)
    }
    const { maintainer } = createPartsmith({ pool: database.pool })
    const result = await maintainer.runMaintenanceSafe(config, { now })
    expect(result.operations.map(({ status }) => status)).toEqual(['failed', 'done', 'done'])
    expect(result.issues[0]?.message).toMatch(
      /A row that belongs into it refers to one that does not exist\. Nothing was changed; add that one or delete this, then run again\.$/,
    )
  })

  it('does not keep the run going where the connection is lost', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${table}
      CREATE FUNCTION cut() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_query() LIKE '%ATTACH%' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; END $$;
      CREATE EVENT TRIGGER broken ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION cut();`)
    const { maintainer } = createPartsmith({ pool: database.pool })
    const result = await maintainer.runMaintenanceSafe(config, { now })
    expect(result.operations.map(({ status }) => status)).toEqual(['failed', 'not-run', 'not-run'])
    expect(result.errorCode).toBe('connection-failed')
  })
})
