import { expect, it } from 'vitest'

import type { MaintenanceResult, Operation, Partsmith, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith, findMissingGrants, fromPg } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { commentOf, mark } from '../support/marked-tables.ts'
import { observedClient } from '../support/observed-client.ts'
import { ownPool } from '../support/own-pool.ts'
import type { TestRole } from '../support/roles.ts'
import { createRole } from '../support/roles.ts'

const now = '2026-03-15T12:00:00Z'
const config = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 2,
  retentionCount: 2,
  dropAfter: '0 seconds',
} as const satisfies TablePartitionOptions
const columns = '(id int, at timestamptz NOT NULL, note text)'
const bound = (from: string, to: string): string =>
  `FOR VALUES FROM ('${from} 00:00:00+00') TO ('${to} 00:00:00+00')`
const march = bound('2026-03-01', '2026-04-01')
const january = bound('2026-01-01', '2026-02-01')

interface Scene {
  readonly database: TestDatabase
  readonly owner: TestRole
  readonly other: TestRole
  /** As a superuser. */
  readonly partsmith: Partsmith
}

/** `events` belongs to one role, and `lair.trap`, like a partition of it, to another; nothing is marked yet. */
async function sceneOf(major: TestDatabase['major']): Promise<Scene> {
  const database = await createDatabase(major)
  const [owner, other] = [await createRole(database), await createRole(database)]
  await database.sql(`CREATE TABLE events ${columns} PARTITION BY RANGE (at);
    ALTER TABLE events OWNER TO ${owner.name}; GRANT CREATE, USAGE ON SCHEMA public TO ${owner.name};
    CREATE SCHEMA lair AUTHORIZATION ${other.name}; SET ROLE ${other.name};
    CREATE TABLE lair.trap ${columns};
    CREATE FUNCTION lair.ran() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := current_user; RETURN NEW; END $$;
    CREATE TRIGGER ran BEFORE INSERT ON lair.trap FOR EACH ROW EXECUTE FUNCTION lair.ran(); RESET ROLE`)
  return { database, owner, other, partsmith: createPartsmith({ pool: database.pool }) }
}

const asOwner = ({ database, owner }: Scene): Partsmith =>
  createPartsmith({ pool: ownPool(database, { connectionString: owner.url }) })

const trap = { schema: 'lair', name: 'trap' }
const did = ({ operations }: MaintenanceResult): readonly string[] =>
  operations.map(({ id, status }) => `${id}: ${status}`)
const created = ['create public.events__2026_03: done', 'create public.events__2026_04: done']

describeEachServer('a marker on a table whose owner may not act as the owner of the parent', (major) => {
  it.each([
    ['of a wanted period', { bound: march }],
    ['of a period that has expired', { bound: january }],
    ['of a table that was only built', { bound: march, kind: 'building' }],
    ['that cannot be laid on the key', { bound: undefined }],
  ] as const)('%s is not believed: the period is made anew, and the table is left alone', async (_, said) => {
    const scene = await sceneOf(major)
    const { database, owner, other, partsmith } = scene
    await mark(database, { table: 'lair.trap', ...said })
    const comment = await commentOf(database, 'lair.trap')
    const result = await partsmith.maintain(config, { now })
    expect(did(result)).toEqual(created)
    expect(result.findings).toMatchObject([
      {
        code: 'marker-not-trusted',
        relation: trap,
        message: `lair.trap belongs to "${other.name}", who may not act as "${owner.name}", the owner of public.events, so its marker is not believed: the table is neither attached nor dropped.`,
        next: `If it was a partition of public.events, look at its rows and triggers, then run ALTER TABLE "lair"."trap" OWNER TO "${owner.name}"; otherwise clear its comment.`,
      },
    ])
    await database.sql(`INSERT INTO events VALUES (1, '${now}', 'mine')`)
    expect(await database.sql('SELECT note FROM events')).toEqual([{ note: 'mine' }])
    expect(await commentOf(database, 'lair.trap')).toBe(comment)
    expect(did(await asOwner(scene).maintain(config, { now }))).toEqual([])
  })

  it('has nobody advised to become a member of that owner', async () => {
    const scene = await sceneOf(major)
    const { database, owner, other } = scene
    await mark(database, { table: 'lair.trap', bound: march })
    const { findings } = await asOwner(scene).plan(config, { now })
    expect(findings.map(({ code }) => code)).toEqual(['marker-not-trusted'])
    const [missing] = await findMissingGrants(
      database.pool,
      [{ table: { schema: 'public', name: 'events' }, retires: true }],
      { role: owner.name },
    )
    expect(JSON.stringify(missing)).not.toContain(other.name)
  })

  it('is attached and adopted by nobody’s asking, and the refusal says what next', async () => {
    const { database, owner, other, partsmith } = await sceneOf(major)
    await mark(database, { table: 'lair.trap', bound: march })
    const refused = await partsmith.reattachPartition(config, trap, { now })
    expect(refused).toMatchObject({ success: false, operations: [] })
    expect(refused.issues[0]?.message).toContain(`may not act as "${owner.name}"`)
    expect(refused.issues[0]?.message).toContain(`ALTER TABLE "lair"."trap" OWNER TO "${owner.name}"`)
    expect(refused.issues[0]?.message).not.toContain('ATTACH PARTITION')
    for (const comment of [await commentOf(database, 'lair.trap'), 'its own']) {
      await database.sql(`COMMENT ON TABLE lair.trap IS '${comment?.replaceAll("'", "''")}'`)
      await expect(partsmith.adoptPartition(config, trap, { now })).rejects.toThrow(
        `lair.trap belongs to "${other.name}", who may not act as "${owner.name}", the owner of public.events. Nothing was changed. If it was`,
      )
      expect(await commentOf(database, 'lair.trap')).toBe(comment)
    }
  })

  it('counts once the owner of the parent owns the table, or its owner is a member of that', async () => {
    const { database, owner, other, partsmith } = await sceneOf(major)
    await mark(database, { table: 'lair.trap', bound: march })
    const planned = async (): Promise<readonly string[]> =>
      (await partsmith.plan(config, { now })).operations.map(({ id }) => id)
    const attached = ['attach lair.trap', 'create public.events__2026_04']
    expect(await planned()).not.toContain('attach lair.trap')
    await database.sql(`GRANT ${owner.name} TO ${other.name}`)
    expect(await planned()).toEqual(attached)
    await database.sql(
      `REVOKE ${owner.name} FROM ${other.name}; ALTER TABLE lair.trap OWNER TO ${owner.name}`,
    )
    expect(await planned()).toEqual(attached)
    await database.sql(`ALTER TABLE lair.trap OWNER TO ${other.name}; ALTER ROLE ${other.name} SUPERUSER`)
    expect(await planned()).toEqual(attached)
  })

  // Before 16 every member may.
  it.each(
    major >= 16
      ? ([
          ['INHERIT FALSE, SET FALSE', false],
          ['INHERIT FALSE, SET TRUE', true],
          ['INHERIT TRUE, SET FALSE', true],
        ] as const)
      : [],
  )('of a member WITH %s counts: %s', async (how, counts) => {
    const { database, owner, other, partsmith } = await sceneOf(major)
    await mark(database, { table: 'lair.trap', bound: march })
    await database.sql(`GRANT ${owner.name} TO ${other.name} WITH ${how}`)
    const { operations } = await partsmith.plan(config, { now })
    expect(operations.some(({ id }) => id === 'attach lair.trap')).toBe(counts)
  })

  it.each([
    ['attached', march, 'attach lair.trap', 'plan-stale'],
    ['dropped', january, 'drop lair.trap', 'unmanaged-drop'],
  ] as const)(
    'is not %s where the table came to that owner after the plan',
    async (...[, said, id, code]) => {
      const { database, owner, other, partsmith } = await sceneOf(major)
      await mark(database, { table: 'lair.trap', bound: said })
      await database.sql(`ALTER TABLE lair.trap OWNER TO ${owner.name}`)
      const plan = await partsmith.plan(config, { now })
      const operation = plan.operations.find((one) => one.id === id)
      if (!operation) throw new Error(`${id} was not planned.`)
      await database.sql(`ALTER TABLE lair.trap OWNER TO ${other.name}`)
      await expect(carriedOut(partsmith, operation, plan.basis.database)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(`lair.trap belongs to "${other.name}", who may not act as`),
      })
      expect(
        await database.sql(`SELECT relispartition FROM pg_class WHERE oid = 'lair.trap'::regclass`),
      ).toEqual([{ relispartition: false }])
    },
  )

  it('is not gone on with where such a table takes the name right before the partition is built', async () => {
    const { database, other } = await sceneOf(major)
    await database.sql(
      `CREATE TABLE rest PARTITION OF events DEFAULT; GRANT CREATE ON SCHEMA public TO ${other.name}`,
    )
    const name = 'events__2026_03'
    let isThere = false
    const client = observedClient(fromPg(database.pool), {
      beforeSending: async ({ text }) => {
        if (isThere || !text.includes(`CREATE TABLE "public"."${name}"`)) return
        isThere = true
        await database.sql(
          `CREATE TABLE ${name} (LIKE events INCLUDING ALL); ALTER TABLE ${name} OWNER TO ${other.name}`,
        )
        await mark(database, { table: name, bound: march, kind: 'building' })
      },
    })
    const { maintainer } = createPartsmith({ pool: client })
    const result = await maintainer.runMaintenanceSafe(config, { now })
    expect(did(result)[0]).toBe(`create public.${name}: refused`)
    expect(result.issues[0]).toMatchObject({ code: 'partition-already-exists' })
  })
})

describeEachServer('a partition of another owner than its parent', (major) => {
  it('is detached and marked, and then stays, which is said', async () => {
    const { database, other, partsmith } = await sceneOf(major)
    await database.sql(
      `CREATE TABLE old PARTITION OF events ${january}; ALTER TABLE old OWNER TO ${other.name}`,
    )
    const first = await partsmith.maintain(config, { now })
    expect(did(first)).toEqual([...created, 'detach public.old: done'])
    expect(first.findings).toMatchObject([
      { code: 'marker-not-trusted', message: expect.stringContaining('so it is detached and not dropped.') },
    ])
    expect(await commentOf(database, 'old')).toMatch(/^pg-partsmith:orphan-parent=public\.events\n/)
    const second = await partsmith.maintain(config, { now })
    expect([did(second), second.findings.map(({ code }) => code)]).toEqual([[], ['marker-not-trusted']])
  })
})

describeEachServer('a detached table of a period that is to be there now', (major) => {
  it('is not waited for where the role has not the rights of its owner', async () => {
    const scene = await sceneOf(major)
    const { database, owner, other } = scene
    await mark(database, { table: 'lair.trap', bound: march })
    await database.sql(`GRANT ${owner.name} TO ${other.name}`)
    const result = await asOwner(scene).maintain(config, { now })
    expect(did(result)).toEqual(created)
    expect(result.findings).toMatchObject([
      { code: 'orphan-wanted', message: expect.stringContaining(`has not the rights of "${other.name}"`) },
    ])
  })

  it.each([
    ['further ahead than partitions are wanted', '2026-05-01', '2026-06-01', 'orphan-kept'],
    ['for seventy years', '2026-05-01', '2096-05-01', 'orphan-wanted'],
    ['over two periods', '2026-03-01', '2026-05-01', 'orphan-wanted'],
    ['over a part of what has expired', '2026-01-15', '2026-02-15', 'orphan-wanted'],
  ])('does not come back by itself %s', async (...[, from, to, code]) => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE events ${columns} PARTITION BY RANGE (at); CREATE TABLE back ${columns}`)
    await mark(database, { table: 'back', bound: bound(from, to) })
    const partsmith = createPartsmith({ pool: database.pool })
    const result = await partsmith.maintain(config, { now })
    expect(did(result)).toEqual(created)
    expect(result.findings).toMatchObject([{ code, relation: { name: 'back' } }])
    expect(
      (await partsmith.plan({ ...config, createAheadCount: 12 }, { now })).operations.some(
        ({ id }) => id === 'attach public.back',
      ),
    ).toBe(code === 'orphan-kept')
  })

  it('comes back in pieces of a period, as partitions of a finer calendar', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE events ${columns} PARTITION BY RANGE (at); CREATE TABLE back ${columns}`)
    await mark(database, { table: 'back', bound: bound('2026-02-10', '2026-02-11') })
    const result = await createPartsmith({ pool: database.pool }).maintain(config, { now })
    expect(did(result)).toEqual([...created, 'attach public.back: done'])
  })
})

describeEachServer('a temporary table of another session', (major) => {
  it('is no detached table, whatever its comment says', async () => {
    const scene = await sceneOf(major)
    const { database } = scene
    const session = await database.pool.connect()
    await session.query(`CREATE TEMPORARY TABLE trap ${columns}; CREATE TABLE said ${columns}`)
    await mark(database, { table: 'said', bound: march })
    const { rows } = await session.query<{ oid: string; was: string; schema: string }>(
      `SELECT 'trap'::regclass::oid::text AS oid, 'said'::regclass::oid::text AS was, pg_my_temp_schema()::regnamespace::text AS schema`,
    )
    const comment = await commentOf(database, 'said')
    await database.sql('DROP TABLE said')
    const forged = comment?.replaceAll(`"oid":"${rows[0]?.was}"`, `"oid":"${rows[0]?.oid}"`)
    await session.query(`COMMENT ON TABLE trap IS '${forged?.replaceAll("'", "''")}';`)
    // Of the parent's own role, so that nothing but its kind speaks against it.
    await session.query(`ALTER TABLE trap OWNER TO ${scene.owner.name}`)
    const result = await asOwner(scene).maintain(config, { now })
    expect([did(result), result.findings]).toEqual([created, []])
    session.release(true)
  })
})

async function carriedOut(partsmith: Partsmith, operation: Operation, identity: string): Promise<unknown> {
  const run = { server: { database: identity, deadlockTimeoutMs: 1_000, shortestDeadlockTimeoutMs: 1_000 } }
  if (operation.kind === 'attach') return partsmith.repo.attachPartition(operation, run)
  if (operation.kind === 'drop') return partsmith.repo.dropPartition(operation, run)
  throw new Error(`${operation.id} is neither.`)
}
