import { expect, it } from 'vitest'

import type { Partsmith, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith, findMissingGrants } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { ownPool } from '../support/own-pool.ts'
import type { TestRole } from '../support/roles.ts'
import { createRole } from '../support/roles.ts'

const now = '2026-03-15T12:00:00Z'
const config: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 2,
  retentionCount: 2,
  dropAfter: '0 days',
}
const tables = `CREATE TABLE events (id bigint, at timestamptz) PARTITION BY RANGE (at);
  CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
  CREATE TABLE rest PARTITION OF events DEFAULT;
  INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00');
  REVOKE CREATE ON SCHEMA public FROM PUBLIC;`

const as = (database: TestDatabase, role: TestRole): Partsmith =>
  createPartsmith({ pool: ownPool(database, { connectionString: role.url }) })

const lacking = async (partsmith: Partsmith): Promise<readonly string[]> =>
  (await partsmith.plan(config, { now })).findings.flatMap(({ code, message }) =>
    code === 'rights-missing' ? [message.replace(/^.* needs: /, '')] : [],
  )

/** Makes the role the owner of the tables named. */
const give = (role: TestRole, ...names: readonly string[]): string =>
  names.map((name) => `ALTER TABLE ${name} OWNER TO ${role.name};`).join('')

describeEachServer('the rights of the connected role', (major) => {
  it('are enough where the plan finds none missing, for an owner and for a member of the owner', async () => {
    const database = await createDatabase(major)
    const owner = await createRole(database)
    const member = await createRole(database)
    await database.sql(`${tables} ${give(owner, 'events', 'old')} GRANT ${owner.name} TO ${member.name};
      GRANT CREATE ON SCHEMA public TO ${owner.name}; GRANT SELECT, DELETE ON rest TO ${owner.name};`)
    expect(await lacking(as(database, owner))).toEqual([])
    expect(await lacking(as(database, member))).toEqual([])
    const result = await as(database, member).maintain(config, { now })
    expect(result).toMatchObject({ success: true, createdCount: 2, detachedCount: 1, droppedCount: 1 })
  })

  it('are missing where the membership is not inherited, and the run fails as was said', async () => {
    const database = await createDatabase(major)
    const owner = await createRole(database)
    const member = await createRole(database)
    await database.sql(`${tables} ${give(owner, 'events', 'old', 'rest')} ALTER ROLE ${member.name} NOINHERIT;
      GRANT ${owner.name} TO ${member.name}; GRANT CREATE ON SCHEMA public TO ${member.name};`)
    expect(await lacking(as(database, member))).toEqual([
      `it is no member of "${owner.name}", which owns public.events and public.old; it may not SELECT and DELETE in the DEFAULT partition public.rest; it may not create tables in the schema "public" for "${owner.name}", which owns the table.`,
    ])
    await expect(as(database, member).maintain(config, { now })).rejects.toMatchObject({
      code: 'access-denied',
    })
  })

  it('are missing one by one, and each run fails without the one', async () => {
    const database = await createDatabase(major)
    const role = await createRole(database)
    await database.sql(`${tables} ${give(role, 'events', 'old')}`)
    const partsmith = as(database, role)
    const schema = 'it may not create tables in the schema "public"'
    const rest = 'it may not SELECT and DELETE in the DEFAULT partition public.rest'
    const steps: readonly (readonly [string, readonly string[]])[] = [
      ['SELECT 1', [`${rest}; ${schema}.`]],
      [`GRANT CREATE ON SCHEMA public TO ${role.name}`, [`${rest}.`]],
      [`GRANT SELECT ON rest TO ${role.name}`, [`${rest}.`]],
    ]
    for (const [change, missing] of steps) {
      await database.sql(change)
      expect(await lacking(partsmith)).toEqual(missing)
      const { error } = await partsmith.service.run(config, { now })
      expect(error).toMatchObject({ code: 'access-denied' })
    }
    await database.sql(`GRANT DELETE ON rest TO ${role.name}; ALTER TABLE old OWNER TO postgres`)
    expect(await lacking(partsmith)).toEqual(['it is no member of "postgres", which owns public.old.'])
    const { result, error } = await partsmith.service.run(config, { now })
    expect(result).toMatchObject({ createdCount: 2, detachedCount: 0 })
    expect(error).toMatchObject({ code: 'access-denied' })
    await database.sql(give(role, 'old'))
    expect(await lacking(partsmith)).toEqual([])
    expect(await partsmith.maintain(config, { now })).toMatchObject({ success: true, detachedCount: 1 })
  })
  it('are missing in a plan where `grants` prints what is missing, and after that in neither', async () => {
    const broken: readonly ((owner: TestRole, keeper: TestRole) => string)[] = [
      () => 'SELECT 1',
      (owner, keeper) => `REVOKE ${owner.name} FROM ${keeper.name}`,
      (owner, keeper) =>
        `REVOKE ${owner.name} FROM ${keeper.name}; GRANT SELECT, DELETE ON rest TO ${keeper.name}`,
      (owner) => `REVOKE SELECT, DELETE ON rest FROM ${owner.name}`,
      (owner) => `REVOKE CREATE ON SCHEMA app FROM ${owner.name}`,
      (owner, keeper) =>
        `REVOKE CREATE ON SCHEMA app FROM ${owner.name}; GRANT CREATE ON SCHEMA app TO ${keeper.name}`,
      (owner) => `REVOKE USAGE ON SCHEMA app FROM ${owner.name}`,
      (owner, keeper) =>
        `REVOKE USAGE ON SCHEMA app FROM ${owner.name}; GRANT USAGE ON SCHEMA app TO ${keeper.name}`,
      (_, keeper) => `ALTER TABLE rest OWNER TO postgres; GRANT SELECT, DELETE ON rest TO ${keeper.name}`,
    ]
    const seen: boolean[] = []
    for (const change of broken) {
      const database = await createDatabase(major)
      const [owner, keeper] = [await createRole(database), await createRole(database)]
      await database.sql(`CREATE SCHEMA app AUTHORIZATION ${owner.name}; SET search_path = app; ${tables}
        ${give(owner, 'events', 'old', 'rest')} GRANT ${owner.name} TO ${keeper.name}; ${change(owner, keeper)}`)
      const partsmith = as(database, keeper)
      const ours = { ...config, schema: 'app' }
      const isFound = async (): Promise<boolean> =>
        (await partsmith.plan(ours, { now })).findings.some(({ code }) => code === 'rights-missing')
      const needed = async (): Promise<readonly string[]> =>
        (
          await findMissingGrants(
            database.pool,
            [{ table: { schema: 'app', name: 'events' }, retires: true }],
            {
              role: keeper.name,
            },
          )
        ).flatMap(({ grants }) => grants.flatMap(({ optional, sql }) => (optional ? [] : [sql])))
      const before = await needed()
      expect([before.length > 0, before]).toEqual([await isFound(), before])
      seen.push(before.length > 0)
      await database.sql(before.join(' '))
      expect([await needed(), await isFound()]).toEqual([[], false])
      expect(await partsmith.maintain(ours, { now })).toMatchObject({ success: true, createdCount: 2 })
    }
    expect(seen).toEqual([false, true, true, true, true, true, true, false, false])
  })
})
