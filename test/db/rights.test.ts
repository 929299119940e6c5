import { expect, it, onTestFinished } from 'vitest'

import type { GrantWithText, MaintenanceResult, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith, findMissingGrants } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { ownPool } from '../support/own-pool.ts'
import type { TestRole } from '../support/roles.ts'
import { createRole } from '../support/roles.ts'

const table = { schema: 'app', name: 'events' }
const config = {
  schema: 'app',
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 2,
  retentionCount: 2,
  dropAfter: '1 hour',
} as const satisfies TablePartitionOptions
const now = '2026-03-15T12:00:00Z'
const later = '2026-03-15T14:00:00Z'

interface World {
  readonly database: TestDatabase
  readonly owner: TestRole
  readonly maintainer: TestRole
  /** What the maintainer is missing. */
  missing(options?: { readonly retires?: boolean }): Promise<readonly GrantWithText[]>
  /** Maintains as the maintainer, twice: with the grace period over the second time. */
  maintain(): Promise<readonly MaintenanceResult[]>
}

/** Tables that belong to roles of their own; the maintainer has nothing but a login. */
async function worldOf(
  major: TestDatabase['major'],
  given: string,
  { attributes = '' } = {},
): Promise<World> {
  const database = await createDatabase(major)
  const [owner, other, maintainer] = await Promise.all([1, 2, 3].map(() => createRole(database)))
  if (!owner || !other || !maintainer) throw new Error('A role is missing.')
  await database.sql(`${given} ALTER SCHEMA shop OWNER TO ${other.name}`)
  for (const [schema, { name }] of Object.entries({ app: owner, shop: other })) {
    await database.sql(`DO $$ DECLARE r record; BEGIN
      FOR r IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = '${schema}' AND c.relkind IN ('r', 'p') LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO ${name}', r.oid::regclass); END LOOP; END $$`)
  }
  if (attributes !== '') await database.sql(`ALTER ROLE ${maintainer.name} ${attributes}`)
  const partsmith = createPartsmith({ pool: ownPool(database, { connectionString: maintainer.url }) })
  return {
    database,
    owner,
    maintainer,
    missing: async ({ retires = true } = {}) => {
      const pool = ownPool(database)
      const [found] = await findMissingGrants(pool, [{ table, retires }], { role: maintainer.name })
      return found?.grants ?? []
    },
    maintain: async () => [
      (await partsmith.service.run(config, { now })).result,
      (await partsmith.service.run(config, { now: later })).result,
    ],
  }
}

const schemas = 'CREATE SCHEMA app; CREATE SCHEMA shop;'
const january = `
CREATE TABLE app.events__2026_01 PARTITION OF app.events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
CREATE TABLE app.events__2026_03 PARTITION OF app.events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
INSERT INTO app.events VALUES (1, '2026-01-10'), (2, '2026-03-10');`
/** Rows in DEFAULT that have to move, and a foreign key to a table on which nobody here has any right. */
const withDefault = `${schemas}
CREATE TABLE shop.users (id bigint PRIMARY KEY); INSERT INTO shop.users SELECT generate_series(1, 9);
CREATE TABLE app.events (id bigint NOT NULL REFERENCES shop.users, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
${january}
CREATE TABLE app.rest PARTITION OF app.events DEFAULT; INSERT INTO app.events VALUES (3, '2026-04-10');`
const referredTo = `${schemas}
CREATE TABLE app.events (id bigint NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
${january}
CREATE TABLE shop.notes (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES app.events);
INSERT INTO shop.notes VALUES (2, '2026-03-10');`
const worlds = {
  'with rows in DEFAULT and a foreign key': withDefault,
  'that another table refers to': referredTo,
}

describeEachServer('a role that is neither superuser nor owner', (major) => {
  it.each(Object.entries(worlds))('maintains a table %s with what it was missing', async (_, given) => {
    const world = await worldOf(major, given)
    const { database, owner } = world
    const missing = (await world.missing()).filter(({ optional }) => !optional)
    expect(missing.length).toBeGreaterThan(1)
    for (const { sql } of missing) await database.sql(sql)
    expect((await world.missing()).filter(({ optional }) => !optional)).toEqual([])

    const [first, second] = await world.maintain()
    expect(first?.issues).toEqual([])
    expect(first?.operations.map(({ id, status }) => [id, status])).toEqual([
      ['create app.events__2026_04', 'done'],
      ['detach app.events__2026_01', 'done'],
    ])
    expect(second?.issues).toEqual([])
    expect(second?.operations.map(({ id, status }) => [id, status])).toEqual([
      ['drop app.events__2026_01', 'done'],
    ])
    const owners = await database.sql(
      `SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relnamespace = 'app'::regnamespace`,
    )
    expect(owners).toEqual([{ owner: owner.name }])
  })

  it.each(Object.entries(worlds))(
    'fails on a table %s without each single one, with a sentence that says so',
    async (_, given) => {
      const wanted = (await (await worldOf(major, given)).missing()).filter(({ optional }) => !optional)
      for (const [index, withheld] of wanted.entries()) {
        const world = await worldOf(major, given)
        const missing = (await world.missing()).filter(({ optional }) => !optional)
        for (const [position, { sql }] of missing.entries())
          if (position !== index) await world.database.sql(sql)
        const left = (await world.missing()).filter(({ optional }) => !optional)
        expect(left.map(({ kind }) => kind)).toEqual([withheld.kind])
        const [result] = await world.maintain()
        const said = [result?.error, ...(result?.issues.map(({ message }) => message) ?? [])].join('\n')
        expect(result?.success, withheld.sql).toBe(false)
        expect(said, withheld.sql).toMatch(/permission denied|must be owner|must be able to SET ROLE/)
        expect(said, withheld.sql).toMatch(/pg-partsmith grants` prints what is missing/)
        await world.database.drop()
      }
    },
  )

  it('of an owner that must not create tables is told so of the owner, who gets the partitions', async () => {
    const world = await worldOf(major, withDefault)
    const { database, owner, maintainer } = world
    await database.sql(`GRANT ${owner.name} TO ${maintainer.name};
      GRANT USAGE, CREATE ON SCHEMA app TO ${maintainer.name}; GRANT USAGE ON SCHEMA app TO ${owner.name}`)
    expect((await world.missing()).filter(({ optional }) => !optional)).toMatchObject([
      { kind: 'schema', sql: `GRANT CREATE ON SCHEMA "app" TO "${owner.name}";` },
    ])
  })

  it('that is NOINHERIT is told how to use the rights that it has', async () => {
    const world = await worldOf(major, withDefault, { attributes: 'NOINHERIT' })
    const { database, owner, maintainer } = world
    await database.sql(`GRANT ${owner.name} TO ${maintainer.name}; GRANT ALL ON SCHEMA app TO ${owner.name}`)
    const missing = (await world.missing()).filter(({ optional }) => !optional)
    expect(missing.map(({ sql }) => sql)).toEqual([
      major >= 16
        ? `GRANT "${owner.name}" TO "${maintainer.name}" WITH INHERIT TRUE, SET TRUE;`
        : `ALTER ROLE "${maintainer.name}" INHERIT;`,
    ])
    const [before] = await world.maintain()
    expect(before).toMatchObject({ success: false })
    for (const { sql } of missing) await database.sql(sql)
    const [after] = await world.maintain()
    expect(after).toMatchObject({ success: true, issues: [] })
  })

  // Before 16 every member may.
  it.each(major >= 16 ? ['INHERIT TRUE, SET FALSE'] : [])(
    'that is a member WITH %s is told, because it could not give tables to the owner',
    async (how) => {
      const world = await worldOf(major, withDefault)
      const { database, owner, maintainer } = world
      await database.sql(`GRANT ${owner.name} TO ${maintainer.name} WITH ${how};
      GRANT ALL ON SCHEMA app TO ${owner.name}`)
      const missing = (await world.missing()).filter(({ optional }) => !optional)
      expect(missing).toMatchObject([{ kind: 'membership', of: owner.name }])
      const [before] = await world.maintain()
      expect(before?.issues.map(({ message }) => message).join()).toMatch(/must be able to SET ROLE/)
      for (const { sql } of missing) await database.sql(sql)
      expect((await world.maintain())[0]).toMatchObject({ success: true, issues: [] })
    },
  )

  it('is missing less where nothing expires', async () => {
    const world = await worldOf(major, referredTo)
    const kinds = async (retires: boolean): Promise<readonly string[]> =>
      (await world.missing({ retires })).filter(({ optional }) => !optional).map(({ kind }) => kind)
    expect(await kinds(false)).toEqual(['membership', 'schema'])
    expect(await kinds(true)).toEqual(['membership', 'schema', 'schema', 'select'])
  })

  it('is missing what a detached table of another owner needs, if that one may act as the parent’s', async () => {
    const world = await worldOf(major, withDefault)
    const { database, maintainer } = world
    const stranger = await createRole(database)
    await database.sql(`CREATE TABLE app.old (id bigint, at timestamptz); ALTER TABLE app.old OWNER TO ${stranger.name};
      COMMENT ON TABLE app.old IS E'pg-partsmith:orphan-parent=app.events\\npg-partsmith:detached-at=2026-01-01T00:00:00Z'`)
    const asked = async (): Promise<boolean> =>
      (await world.missing()).some(({ sql }) =>
        sql.startsWith(`GRANT "${stranger.name}" TO "${maintainer.name}"`),
      )
    expect(await asked()).toBe(false)
    await database.sql(`GRANT ${world.owner.name} TO ${stranger.name}`)
    expect(await asked()).toBe(true)
  })

  it('is not sent into a superuser’s role', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    const role = await createRole(database)
    const [found] = await findMissingGrants(database.pool, [{ table, retires: false }], { role: role.name })
    expect(found?.grants.filter(({ optional }) => !optional)).toMatchObject([
      { kind: 'ownership', sql: `ALTER TABLE "app"."events" OWNER TO "${role.name}";` },
      { kind: 'ownership', sql: `ALTER TABLE "app"."rest" OWNER TO "${role.name}";` },
    ])
  })

  it('and a superuser is missing nothing, and its partitions belong to the owner all the same', async () => {
    const world = await worldOf(major, withDefault)
    const { database, owner } = world
    const [found] = await findMissingGrants(database.pool, [{ table, retires: true }])
    expect(found).toMatchObject({ table, role: 'postgres', grants: [] })
    await createPartsmith({ pool: database.pool }).maintain(config, { now })
    const [made] = await database.sql(
      `SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE oid = 'app.events__2026_04'::regclass`,
    )
    expect(made).toEqual({ owner: owner.name })
  })

  it('that does not exist is said so, and so is a table', async () => {
    await using database = await createDatabase(major)
    const wanted = [{ table, retires: false }]
    await expect(findMissingGrants(database.pool, wanted, { role: 'nobody' })).rejects.toThrow(
      /^There is no role "nobody" on this server\./,
    )
    expect(await findMissingGrants(database.pool, wanted)).toMatchObject([
      { table, grants: [], error: { code: 'partition-not-found' } },
    ])
  })

  it('may use what is good to have after it was granted', async () => {
    const world = await worldOf(major, withDefault)
    const { database, maintainer } = world
    const optional = (await world.missing()).filter((grant) => grant.optional)
    expect(optional.map(({ sql }) => sql)).toEqual([
      `GRANT SET ON PARAMETER deadlock_timeout TO "${maintainer.name}";`,
      expect.stringMatching(/^GRANT "pg_read_all_stats" TO /),
    ])
    onTestFinished(() =>
      ownPool(database)
        .query(`REVOKE SET ON PARAMETER deadlock_timeout FROM ${maintainer.name}`)
        .then(
          () => undefined,
          () => undefined,
        ),
    )
    for (const { sql } of optional) await database.sql(sql)
    expect((await world.missing()).filter((grant) => grant.optional)).toEqual([])
    await database.sql(`REVOKE SET ON PARAMETER deadlock_timeout FROM ${maintainer.name}`)
  })
})
