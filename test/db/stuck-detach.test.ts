import { expect, it } from 'vitest'

import type { MaintenanceResult, Partsmith } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { leavePending, mark } from '../support/marked-tables.ts'

const now = '2026-03-15T12:00:00Z'
const config = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 1,
  dropAfter: 'never',
} as const
const name = 'public.events__2026_01'

/** A change of the parent, what the finding calls it, and how the finding says that it is taken back. */
const changes = [
  {
    what: 'a column',
    change: 'ADD COLUMN "Note" text',
    says: 'column "Note"',
    back: 'DROP COLUMN "Note";',
  },
  {
    what: 'another type',
    change: 'ALTER COLUMN v TYPE varchar(20)',
    says: 'the type of column "v", which was character varying(10)',
    back: 'ALTER COLUMN "v" TYPE character varying(10);',
  },
  {
    what: 'a CHECK',
    change: 'ADD CONSTRAINT positive CHECK (id > 0)',
    says: 'CHECK "positive"',
    back: 'DROP CONSTRAINT "positive";',
  },
  {
    what: 'NOT NULL',
    change: 'ALTER COLUMN v SET NOT NULL',
    says: 'NOT NULL of column "v"',
    back: 'ALTER COLUMN "v" DROP NOT NULL;',
  },
  {
    what: 'a primary key',
    change: 'ADD PRIMARY KEY (id, at)',
    says: 'NOT NULL of column "id"',
    back: 'DROP CONSTRAINT "events_pkey", ALTER COLUMN "id" DROP NOT NULL;',
  },
  {
    what: 'another name of a column',
    change: 'RENAME COLUMN v TO w',
    says: 'column "w"',
    back: 'ALTER TABLE "public"."events" RENAME COLUMN "w" TO "v";',
  },
  {
    what: 'several of them',
    change:
      'ADD COLUMN a int, ADD COLUMN b int, ALTER COLUMN id TYPE bigint, ADD CONSTRAINT c CHECK (id > 0)',
    says: 'CHECK "c", column "a", column "b" and 1 more',
    back: 'DROP CONSTRAINT "c", DROP COLUMN "a", DROP COLUMN "b", ALTER COLUMN "id" TYPE integer;',
  },
] as const

describeEachServer('a detach that is pending while its parent gets', (major) => {
  it.runIf(major < 18).each(changes)('$what is finished', async ({ change }) => {
    await using database = await pendingDetach(major)
    await database.sql(`ALTER TABLE events ${change}`)
    expect(await run(createPartsmith({ pool: database.pool }))).toMatchObject({
      success: true,
      finalizedCount: 1,
      createdCount: 1,
      detachedCount: 1,
    })
  })

  it.runIf(major >= 18).each(changes)(
    '$what is said to be stuck, with the way out, and creation goes on',
    async ({ change, says, back }) => {
      await using database = await pendingDetach(major)
      await database.sql(`ALTER TABLE events ${change}`)
      const partsmith = createPartsmith({ pool: database.pool })
      const first = await run(partsmith)
      // Nothing is tried that must fail.
      expect(first.operations.map(({ id, status }) => `${id}: ${status}`)).toEqual([
        'create public.events__2026_03: done',
      ])
      const [stuck] = first.findings.filter(({ code }) => code === 'detach-cannot-finish')
      expect(stuck).toMatchObject({ severity: 'error', relation: { name: 'events__2026_01' } })
      expect(stuck?.message).toContain(
        `The detach of ${name} was begun, and PostgreSQL ${major} cannot finish it`,
      )
      expect(stuck?.message).toContain(`: ${says}. Its rows are out of sight`)
      expect(stuck?.next).toContain(back)
      expect(first).toMatchObject({ success: false, issues: [{ step: 'plan' }] })

      const statements = /^Take the change back: (.*;) then run `maintain`/.exec(stuck?.next ?? '')?.[1]
      await database.sql(statements ?? '')
      expect(await run(partsmith)).toMatchObject({ success: true, finalizedCount: 1, detachedCount: 1 })
      expect(await database.sql(`SELECT count(*)::int AS n FROM events__2026_01`)).toEqual([{ n: 5 }])
    },
  )

  it.each([
    ['less than before', 'DROP COLUMN v, DROP CONSTRAINT small, ALTER COLUMN n DROP NOT NULL'],
    ['a default', 'ALTER COLUMN v SET DEFAULT 1'],
    ['an index', 'ADD UNIQUE (id, at)'],
  ])('%s is finished everywhere', async (_, change) => {
    await using database = await pendingDetach(major)
    await database.sql(`ALTER TABLE events ${change}`)
    const result = await run(createPartsmith({ pool: database.pool }))
    expect(result).toMatchObject({ success: true, finalizedCount: 1 })
  })

  it.runIf(major >= 18)('a column to stay is over once the pending table is dropped, as told', async () => {
    await using database = await pendingDetach(major)
    await database.sql('ALTER TABLE events ADD COLUMN note text')
    const partsmith = createPartsmith({ pool: database.pool })
    const { findings } = await partsmith.plan(config, { now })
    const next = findings.find(({ code }) => code === 'detach-cannot-finish')?.next ?? ''
    const drop = /end the detach with (DROP TABLE \S+),/.exec(next)?.[1]
    await database.sql(drop ?? '')
    const result = await run(partsmith)
    expect(result).toMatchObject({ success: true, detachedCount: 1, findings: [] })
  })

  it('nothing that it did not have before is finished', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    await database.sql('ALTER TABLE events ADD COLUMN note text, ADD CONSTRAINT c CHECK (id > 0)')
    await mark(database, { table: 'events__2026_01', bound })
    await leavePending(database, { table: 'events__2026_01' })
    expect(await run(createPartsmith({ pool: database.pool }))).toMatchObject({
      success: true,
      finalizedCount: 1,
    })
  })
})

const bound = `FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00')`
const tables = `
  CREATE TABLE events (id int, at timestamptz NOT NULL, v varchar(10), n int NOT NULL, CONSTRAINT small CHECK (id < 100))
    PARTITION BY RANGE (at);
  CREATE TABLE events__2026_01 PARTITION OF events ${bound};
  CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
  INSERT INTO events SELECT i, '2026-01-05', 'x', 1 FROM generate_series(1, 5) i;`

async function pendingDetach(major: Parameters<typeof createDatabase>[0]): Promise<TestDatabase> {
  const database = await createDatabase(major)
  await database.sql(tables)
  await mark(database, { table: 'events__2026_01', bound })
  await leavePending(database, { table: 'events__2026_01' })
  return database
}

async function run({ maintainer }: Partsmith): Promise<MaintenanceResult> {
  return maintainer.runMaintenanceSafe(config, { now })
}
