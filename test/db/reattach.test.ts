import { expect, it } from 'vitest'

import type { MaintenanceResult } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { commentOf, leavePending, mark } from '../support/marked-tables.ts'
import { watchedClient } from '../support/watched-client.ts'
import { monthly, now } from '../support/events-table.ts'

const config = { ...monthly, retentionCount: 1, dropAfter: 'never' } as const
const table = 'events__2026_02'
const bound = `FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`

const tables = (rest = ''): string => `
  CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE ${table} PARTITION OF events ${bound};
  COMMENT ON TABLE ${table} IS 'my own words';
  INSERT INTO events SELECT i, '2026-02-10' FROM generate_series(1, 100) i; ${rest}`

describeEachServer('a detach that is undone', (major) => {
  it.each([
    ['reads nothing where a concurrent detach left its CHECK', 'concurrent', false],
    ['has the range proven before, where a blocking detach left none', 'blocking', true],
  ] as const)('%s', async (_, detachMode, isValidated) => {
    await using database = await detached(major, { detachMode })
    const { sent, notices, client } = await watchedClient(database)
    const partsmith = createPartsmith({ pool: client })
    const result = await partsmith.reattachPartition(config, table, { now })
    expect(result).toMatchObject({
      success: true,
      attachedCount: 1,
      operations: [{ id: `attach public.${table}`, status: 'done' }],
      findings: [{ code: 'reattached-expired', severity: 'warning' }],
    })
    const validated = sent.findIndex((text) => text.includes('VALIDATE CONSTRAINT'))
    const attached = sent.findIndex((text) => text.includes('ATTACH PARTITION'))
    expect(validated >= 0).toBe(isValidated)
    expect(validated).toBeLessThan(attached)
    expect(notices.join('\n')).toContain(
      `partition constraint for table "${table}" is implied by existing constraints`,
    )
    expect(await database.sql('SELECT count(*)::int AS n FROM events')).toEqual([{ n: 100 }])
    expect(await commentOf(database, table)).toBe('my own words')
    expect(await database.sql(`SELECT FROM pg_constraint WHERE conname = 'pg_partsmith_range'`)).toEqual([])
  })

  it('stays undone with the retentionCount that the result names, and does not with less', async () => {
    await using database = await detached(major)
    const partsmith = createPartsmith({ pool: database.pool })
    const { findings } = await partsmith.reattachPartition(config, table, { now })
    const count = Number(/^Raise retentionCount to (\d+) or more/.exec(findings[0]?.next ?? '')?.[1])
    const detachedBy = async (retentionCount: number): Promise<number> =>
      (await partsmith.maintain({ ...config, retentionCount }, { now })).detachedCount
    expect(await detachedBy(count)).toBe(0)
    expect(await detachedBy(count - 1)).toBe(1)
  })

  it('a second time does nothing, and sends no change', async () => {
    await using database = await detached(major)
    const { sent, client } = await watchedClient(database)
    const partsmith = createPartsmith({ pool: client })
    await partsmith.reattachPartition(config, table, { now })
    sent.length = 0
    const again = await partsmith.reattachPartition(config, { schema: 'public', name: table }, { now })
    expect(again).toMatchObject({ success: true, operations: [], issues: [] })
    expect(sent.filter((text) => /^\s*(ALTER|LOCK|COMMENT)/.test(text))).toEqual([])
  })

  it('takes the rows of its range out of DEFAULT with it', async () => {
    await using database = await detached(major, { rest: 'CREATE TABLE rest PARTITION OF events DEFAULT;' })
    await database.sql(`INSERT INTO events SELECT i, '2026-02-20' FROM generate_series(1, 7) i`)
    const result = await createPartsmith({ pool: database.pool }).reattachPartition(config, table, { now })
    expect(result).toMatchObject({ success: true, operations: [{ status: 'done', rowsMoved: 7 }] })
    expect(await database.sql(`SELECT count(*)::int AS n FROM ${table}`)).toEqual([{ n: 107 }])
  })

  it('is not undone beside a pending detach of the same table, and is after that is finished', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables())
    await mark(database, { table, bound })
    await leavePending(database, { table })
    const partsmith = createPartsmith({ pool: database.pool })
    const refused = await partsmith.reattachPartition(config, table, { now })
    expect(refused).toMatchObject({
      success: false,
      operations: [],
      issues: [{ step: 'plan', code: 'partition-detach-in-progress' }],
    })
    // As the message says.
    await partsmith.maintain(config, { now, allowDestructive: false })
    expect(await partsmith.reattachPartition(config, table, { now })).toMatchObject({ attachedCount: 1 })
  })

  it.each([
    ['got a column', 'ALTER TABLE events ADD COLUMN note text', 'note', `ADD COLUMN note text`],
    [
      'got a CHECK',
      'ALTER TABLE events ADD CONSTRAINT c CHECK (id > 0)',
      '"c"',
      'ADD CONSTRAINT c CHECK (id > 0)',
    ],
    ['lost a column', 'ALTER TABLE events DROP COLUMN id', '"id"', 'DROP COLUMN id'],
  ])('says what the table needs where its parent %s meanwhile', async (...[, change, what, repair]) => {
    await using database = await detached(major)
    await database.sql(change)
    const partsmith = createPartsmith({ pool: database.pool })
    const refused = await partsmith.reattachPartition(config, table, { now })
    expect(refused).toMatchObject({ success: false, operations: [{ status: 'failed' }] })
    const [issue] = refused.issues
    expect(issue?.message).toContain(what)
    expect(issue?.message).toContain(`public.${table} is not like public.events any more: `)
    await database.sql(`ALTER TABLE ${table} ${repair}`)
    expect(await partsmith.reattachPartition(config, table, { now })).toMatchObject({ attachedCount: 1 })
  })

  it('is refused where rows of another range came in, and says so', async () => {
    await using database = await detached(major, { detachMode: 'blocking' })
    await database.sql(`INSERT INTO ${table} VALUES (1, '2025-01-01')`)
    const result = await createPartsmith({ pool: database.pool }).reattachPartition(config, table, { now })
    expect(result).toMatchObject({ success: false, operations: [{ status: 'failed' }] })
    expect(result.issues[0]?.message).toMatch(/holds rows outside of its range.*run again\.$/)
  })
})

describeEachServer('a name that cannot be attached again', (major) => {
  it.each([
    [
      'events__2026_2',
      'partition-not-found',
      /^There is no table public\.events__2026_2 to attach again\. Did you mean public\.events__2026_02\? Detached from public\.events: public\.events__2026_02\./,
    ],
    ['nowhere', 'partition-not-found', /^There is no table public\.nowhere to attach again\. Detached from/],
    [
      'plain',
      'partition-error',
      /^public\.plain carries no marker of public\.events.* by hand: SET lock_timeout = '100ms';.* ALTER TABLE "public"\."events" ATTACH PARTITION "public"\."plain"/,
    ],
    [
      'theirs_1',
      'partition-attached',
      /^public\.theirs_1 is a partition of another table than public\.events\./,
    ],
    ['seen', 'partition-error', /^public\.seen is a view, and only a table that was detached/],
  ])('as %s is thrown', async (name, code, message) => {
    await using database = await detached(major, {
      rest: `CREATE TABLE plain (id int, at timestamptz NOT NULL);
        CREATE VIEW seen AS SELECT 1 AS one;
        CREATE TABLE theirs (at timestamptz NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE theirs_1 PARTITION OF theirs DEFAULT;`,
    })
    const asked = createPartsmith({ pool: database.pool }).reattachPartition(config, name, { now })
    await expect(asked).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })
})

/** A database in which the partition of February was detached by the tool. */
async function detached(
  major: Parameters<typeof createDatabase>[0],
  {
    detachMode = 'auto',
    rest,
  }: { readonly detachMode?: 'auto' | 'concurrent' | 'blocking'; readonly rest?: string } = {},
): Promise<TestDatabase> {
  const database = await createDatabase(major)
  await database.sql(tables(rest))
  const result: MaintenanceResult = await createPartsmith({ pool: database.pool }).maintain(
    { ...config, detachMode },
    { now },
  )
  expect(result).toMatchObject({ success: true, detachedCount: 1 })
  return database
}
