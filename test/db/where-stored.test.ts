import { expect, it, onTestFinished } from 'vitest'

import { createPartsmith, findMissingGrants } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer, uniqueName } from '../support/database.ts'
import { month, monthly, now } from '../support/events-table.ts'
import { ownPool } from '../support/own-pool.ts'
import { createRole } from '../support/roles.ts'

const config = { ...monthly, createAheadCount: 2 }

/** Two tablespaces that end with the test, and the database before them. */
async function createTablespaces(database: TestDatabase): Promise<readonly [string, string]> {
  const names = [uniqueName('fast'), uniqueName('other')] as const
  const administrator = ownPool(database, {
    connectionString: database.url.replace(database.name, 'postgres'),
    max: 1,
    firstStatement: 'SET allow_in_place_tablespaces = on',
  })
  onTestFinished(async () => {
    await database.drop()
    for (const name of names) await administrator.query(`DROP TABLESPACE ${name}`)
  })
  for (const name of names) await administrator.query(`CREATE TABLESPACE ${name} LOCATION ''`)
  return names
}

/** With which access method and in which tablespace a table and its indexes are, without their names. */
async function storageOf(database: TestDatabase, table: string): Promise<unknown> {
  return database.sql(
    `SELECT c.relkind, a.amname, t.spcname,
            ARRAY(SELECT pg_get_indexdef(c.oid, n, true) FROM generate_series(1, 3) n) AS columns
     FROM pg_class c JOIN pg_am a ON a.oid = c.relam LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
     WHERE c.oid = $1::regclass OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = $1::regclass)
     ORDER BY 1, 4, 2, 3`,
    [table],
  )
}

const byHand = `CREATE TABLE by_hand PARTITION OF events FOR VALUES FROM ('2030-01-01 00:00+00') TO ('2030-02-01 00:00+00')`

interface Storage {
  readonly fast: string
  readonly other: string
  /** Whether a partitioned table can name an access method. */
  readonly hasMethod: boolean
}

const parents: readonly (readonly [string, (storage: Storage) => string, string])[] = [
  [
    'that the parent and its indexes name',
    ({ fast, other, hasMethod }) => `
      CREATE TABLE events (id int, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at) USING INDEX TABLESPACE ${other})
        PARTITION BY RANGE (at) ${hasMethod ? 'USING heap2' : ''} TABLESPACE ${fast};
      CREATE INDEX ON events (at) TABLESPACE ${fast}; CREATE INDEX ON events (note);`,
    '',
  ],
  [
    'that the parent names, and a DEFAULT is beside it',
    ({ fast, hasMethod }) => `
      CREATE TABLE events (id int, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at)
        ${hasMethod ? 'USING heap2' : ''} TABLESPACE ${fast};
      CREATE INDEX ON events (note); CREATE TABLE rest PARTITION OF events DEFAULT;`,
    '',
  ],
  [
    'that the parent names, whatever the defaults of the session are',
    ({ fast, hasMethod }) => `
      CREATE TABLE events (id int, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at)
        ${hasMethod ? 'USING heap' : ''} TABLESPACE ${fast};
      CREATE INDEX ON events (at) TABLESPACE ${fast}; CREATE INDEX ON events (note);`,
    'other',
  ],
  [
    'of the session, where the parent names none',
    () => `CREATE TABLE events (id int, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
      CREATE INDEX ON events (note);`,
    'other',
  ],
  [
    'that the parent names, and ATTACH makes the indexes',
    ({ fast, hasMethod }) => `
      CREATE TABLE events (id int, at timestamptz NOT NULL, note text
        ${hasMethod ? `, EXCLUDE USING btree (at WITH =, id WITH =) USING INDEX TABLESPACE ${fast}` : ''}) PARTITION BY RANGE (at) TABLESPACE ${fast};
      CREATE INDEX ON events (note); CREATE INDEX ON events (id) TABLESPACE ${fast};`,
    'other',
  ],
]

describeEachServer('a new partition', (major) => {
  it.each(parents)('is stored as one of PARTITION OF: as and where %s', async (_, given, defaults) => {
    const database = await createDatabase(major)
    const [fast, other] = await createTablespaces(database)
    const storage = { fast, other, hasMethod: major >= 17 }
    await database.sql('CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler')
    await database.sql(given(storage))
    const pool = ownPool(database, {
      firstStatement:
        defaults === ''
          ? 'SELECT 1'
          : `SET default_tablespace = ${other}; SET default_table_access_method = heap2`,
    })
    await pool.query(byHand)
    const partsmith = createPartsmith({ pool })
    const result = await partsmith.maintainer.runMaintenanceSafe(config, { now })
    expect(result).toMatchObject({ success: true, findings: [] })
    expect(await storageOf(database, 'events__2026_04')).toEqual(await storageOf(database, 'by_hand'))
  })

  it('names in its statement what its parent names, and nothing else', async () => {
    const database = await createDatabase(major)
    const [fast] = await createTablespaces(database)
    await database.sql(
      `CREATE TABLE events (at timestamptz NOT NULL) PARTITION BY RANGE (at) ${major >= 17 ? 'USING heap' : ''} TABLESPACE ${fast}`,
    )
    const { service } = createPartsmith({ pool: database.pool })
    const text = async (): Promise<string> => service.renderSql(config, await service.plan(config, { now }))
    const using = major >= 17 ? ' USING "heap"' : ''
    expect(await text()).toContain(`EXCLUDING STATISTICS)${using} TABLESPACE "${fast}";`)
    await database.sql(
      'DROP TABLE events; CREATE TABLE events (at timestamptz NOT NULL) PARTITION BY RANGE (at)',
    )
    expect(await text()).toContain('EXCLUDING STATISTICS);')
  })

  it('needs the right to create in the tablespaces, which the plan, the run and the grants say', async () => {
    const database = await createDatabase(major)
    // They are dropped before the roles that have rights to them.
    const [owner, role] = [await createRole(database), await createRole(database)]
    const [fast, other] = await createTablespaces(database)
    await database.sql(`CREATE TABLE events (at timestamptz NOT NULL) PARTITION BY RANGE (at) TABLESPACE ${fast};
      CREATE INDEX ON events (at) TABLESPACE ${other}; ALTER TABLE events OWNER TO ${owner.name};
      GRANT CREATE, USAGE ON SCHEMA public TO ${owner.name}; GRANT ${owner.name} TO ${role.name}`)
    const partsmith = createPartsmith({ pool: ownPool(database, { connectionString: role.url }) })
    const refused = await partsmith.maintainer.runMaintenanceSafe(config, { now })
    expect(refused.findings).toMatchObject([{ code: 'rights-missing' }])
    expect(refused.findings[0]?.message).toContain(
      `it may not create anything in the tablespace "${fast}"; it may not create anything in the tablespace "${other}"`,
    )
    expect(refused.issues[0]).toMatchObject({ code: 'access-denied' })
    expect(refused.issues[0]?.message).toContain(`permission denied for tablespace ${fast}`)
    expect(refused.issues[0]?.message).toContain('`pg-partsmith grants`')
    const wanted = [{ table: { schema: 'public', name: 'events' }, retires: true }]
    const [found] = await findMissingGrants(database.pool, wanted, { role: role.name })
    const needed = found?.grants.filter(({ optional }) => !optional) ?? []
    expect(needed.map(({ sql }) => sql)).toEqual(
      [fast, other].map((name) => `GRANT CREATE ON TABLESPACE "${name}" TO "${owner.name}";`),
    )
    for (const { sql } of needed) await database.sql(sql)
    expect(await partsmith.maintainer.runMaintenanceSafe(config, { now })).toMatchObject({
      success: true,
      createdCount: 2,
      findings: [],
    })
    const [left] = await findMissingGrants(database.pool, wanted, { role: role.name })
    expect(left?.grants.filter(({ optional }) => !optional)).toEqual([])
  })
})

describeEachServer('a table that is attached again', (major) => {
  it('gets the indexes that its parent got meanwhile where the parent has them', async () => {
    const database = await createDatabase(major)
    const [fast, other] = await createTablespaces(database)
    await database.sql(`CREATE TABLE events (id int, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
      ${month('2026-02')} ${month('2026-03')}`)
    const pool = ownPool(database, { firstStatement: `SET default_tablespace = ${other}` })
    const partsmith = createPartsmith({ pool })
    await partsmith.maintain({ ...monthly, retentionCount: 1, dropAfter: 'never' }, { now })
    await pool.query(`CREATE INDEX ON events (note) TABLESPACE ${fast}; CREATE INDEX ON events (id);
      ALTER TABLE events ADD PRIMARY KEY (id, at) USING INDEX TABLESPACE ${fast}; ${byHand}`)
    await pool.query('CREATE INDEX ON events (at, id)')
    const again = await partsmith.reattachPartition(
      { ...monthly, retentionCount: 2, dropAfter: 'never' },
      'events__2026_02',
      { now },
    )
    expect(again).toMatchObject({ success: true, attachedCount: 1 })
    const indexes = async (table: string): Promise<unknown> =>
      await database.sql(
        `SELECT t.spcname, ARRAY(SELECT pg_get_indexdef(c.oid, n, true) FROM generate_series(1, 3) n) AS columns
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
         WHERE i.indrelid = $1::regclass ORDER BY 2`,
        [table],
      )
    expect(await indexes('events__2026_02')).toEqual(await indexes('by_hand'))
  })
})
