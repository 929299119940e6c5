import { expect, it } from 'vitest'

import type { DatabaseClient, MaintenanceResult } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { watchedClient } from '../support/watched-client.ts'
import { monthly, now } from '../support/events-table.ts'

const config = { ...monthly, retentionCount: 1, dropAfter: '30 days' } as const

const tables = (rest = ''): string => `
  CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
  INSERT INTO events SELECT i, '2026-02-10' FROM generate_series(1, 100) i; ${rest}`

describeEachServer('a detached table that is attached again', (major) => {
  it.each([
    ['has a proof added after a blocking detach, so that nothing is read under lock', 'blocking', true],
    ['is proven by what a concurrent detach has left', 'concurrent', false],
  ] as const)('%s', async (_, detachMode, isValidated) => {
    await using database = await createDatabase(major)
    await database.sql(tables())
    const first = createPartsmith({ pool: database.pool })
    expect(await first.maintain({ ...config, detachMode }, { now })).toMatchObject({ detachedCount: 1 })

    const { client, sent, notices } = await watchedClient(database)
    const result = await attach(client)
    expect(result).toMatchObject({ success: true, attachedCount: 1 })
    expect(sent.some((text) => text.includes('VALIDATE CONSTRAINT'))).toBe(isValidated)
    expect(notices.join('\n')).toContain(
      'partition constraint for table "events__2026_02" is implied by existing constraints',
    )
    expect(await proofs(database)).toBe(0)
    expect(await database.sql('SELECT count(*)::int AS n FROM events')).toEqual([{ n: 100 }])
  })

  it('gets what its parent was given while it was away, before it is attached', async () => {
    await using database = await createDatabase(major)
    await database.sql(`
      CREATE TABLE "tén ant" (id int PRIMARY KEY); INSERT INTO "tén ant" VALUES (1);
      CREATE FUNCTION "odd one"(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 % 10';
      ${tables('ALTER TABLE events ADD tenant int DEFAULT 1; CREATE INDEX "on, USING id" ON events (id);')}`)
    await createPartsmith({ pool: database.pool }).maintain({ ...config, detachMode: 'blocking' }, { now })
    await database.sql(`
      ALTER TABLE events ADD CONSTRAINT "the key" PRIMARY KEY (id, at);
      CREATE INDEX "late USING x" ON events USING btree (tenant DESC, "odd one"(id)) WHERE id > 5;
      CREATE UNIQUE INDEX ON events (at, id) INCLUDE (tenant);`)

    const { client, notices } = await watchedClient(database)
    const result = await attach(client)

    expect(result).toMatchObject({ success: true, attachedCount: 1 })
    const attached = notices.findLastIndex((text) => text.includes('is implied by existing constraints'))
    // Nothing is built or read once ATTACH has begun.
    expect(
      notices.slice(attached).filter((text) => /building index|validating foreign key/.test(text)),
    ).toEqual([])
    expect(notices.slice(0, attached).filter((text) => text.startsWith('building index'))).toHaveLength(3)
    expect(await indexesOf(database, 'events__2026_02')).toEqual([{ mine: 4, attached: 4 }])
  })

  it.each([
    [
      'ADD extra int',
      /has no column "extra" \(ALTER TABLE "public"."events__2026_02" ADD COLUMN "extra" integer\)/,
    ],
    ['ALTER id TYPE bigint', /its column "id" has another type/],
    ['ALTER id SET NOT NULL', /its column "id" takes NULL/],
    ['DROP note', /has a column "note" that the parent does not have/],
    ['ADD CONSTRAINT "a check" CHECK (id > 0)', /has no CHECK like "a check" with that name/],
    [
      'ADD CONSTRAINT "of tenant" FOREIGN KEY (tenant) REFERENCES tenant ON DELETE CASCADE',
      /has no foreign key like "of tenant" \(.*REFERENCES public.tenant\(id\) ON DELETE CASCADE NOT VALID, then VALIDATE it\)/,
    ],
  ])(
    'is left as it is after %s of its parent, and the sentence says what to do',
    async (change, sentence) => {
      await using database = await createDatabase(major)
      await database.sql(`CREATE TABLE tenant (id int PRIMARY KEY); INSERT INTO tenant VALUES (1);
      ${tables('ALTER TABLE events ADD tenant int DEFAULT 1, ADD note text;')}`)
      await createPartsmith({ pool: database.pool }).maintain({ ...config, detachMode: 'blocking' }, { now })
      await database.sql(`ALTER TABLE events ${change}; CREATE INDEX ON events (at)`)
      const before = await relatedTo(database)
      const { client } = await watchedClient(database)
      const result = await attach(client)
      expect(result.operations).toMatchObject([{ kind: 'attach', status: 'failed' }])
      expect(result.issues[0]?.message).toMatch(sentence)
      expect(await relatedTo(database)).toEqual(before)
    },
  )

  it('is not attached where it holds a row of another period, and keeps no proof', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables())
    await createPartsmith({ pool: database.pool }).maintain({ ...config, detachMode: 'blocking' }, { now })
    await database.sql(`INSERT INTO events__2026_02 VALUES (1, '2025-01-01')`)
    const { client } = await watchedClient(database)
    const result = await attach(client)
    expect(result.success).toBe(false)
    expect(result.issues[0]?.message).toContain('pg_partsmith_range')
    expect(result.operations).toMatchObject([{ kind: 'attach', status: 'failed' }])
    expect(await proofs(database)).toBe(0)
  })
})

describeEachServer('a new partition', (major) => {
  it.each(['', 'CREATE TABLE rest PARTITION OF events DEFAULT;'])(
    'has its indexes and keys before it is attached %s',
    async (rest) => {
      await using database = await createDatabase(major)
      await database.sql(`
        CREATE TABLE events (id int, at timestamptz NOT NULL, kind text, UNIQUE NULLS NOT DISTINCT (id, at),
                             PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
        CREATE INDEX ON events USING brin (at);
        CREATE INDEX ON events (lower(kind) COLLATE "C" text_pattern_ops DESC) INCLUDE (id) WHERE id > 3;
        COMMENT ON INDEX events_pkey IS 'mine'; ${rest}`)
      const { client, notices } = await watchedClient(database)

      expect(await attach(client)).toMatchObject({ success: true, createdCount: 1 })

      const verified = notices.findIndex((text) => text.startsWith('verifying table "events__2026_03"'))
      expect(verified).toBeGreaterThan(0)
      const built = notices.flatMap((text, index) => (text.startsWith('building index') ? [index] : []))
      expect(built.filter((index) => index < verified).length).toBeGreaterThanOrEqual(4)
      expect(built.filter((index) => index > verified)).toEqual([])
      expect(await indexesOf(database, 'events__2026_03')).toEqual([{ mine: 4, attached: 4 }])
    },
  )

  // Not possible on a partitioned table before.
  it.each(major >= 17 ? ['EXCLUDE USING btree (id WITH =, at WITH =)'] : [])(
    'gets one index of %s',
    async (constraint) => {
      await using database = await createDatabase(major)
      await database.sql(`
      CREATE TABLE events (id int, at timestamptz NOT NULL, ${constraint}, PRIMARY KEY (id, at))
        PARTITION BY RANGE (at)`)
      const { client } = await watchedClient(database)
      expect(await attach(client)).toMatchObject({ success: true, createdCount: 1 })
      expect(await indexesOf(database, 'events__2026_03')).toEqual([{ mine: 2, attached: 2 }])
    },
  )
})

async function indexesOf(database: TestDatabase, table: string): Promise<unknown> {
  return database.sql(`
    SELECT count(*)::int AS mine, count(i.inhparent)::int AS attached
    FROM pg_index x LEFT JOIN pg_inherits i ON i.inhrelid = x.indexrelid WHERE x.indrelid = '${table}'::regclass`)
}

/** Attaches again what was detached. */
async function attach(client: DatabaseClient): Promise<MaintenanceResult> {
  return createPartsmith({ pool: client }).maintainer.runMaintenanceSafe(
    { ...config, retentionCount: 2 },
    { now },
  )
}

/** Everything that belongs to the detached table. */
async function relatedTo(database: TestDatabase): Promise<unknown> {
  return database.sql(`
    SELECT conname::text AS name FROM pg_constraint WHERE conrelid = 'events__2026_02'::regclass
    UNION ALL SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'events__2026_02'::regclass ORDER BY 1`)
}

async function proofs(database: TestDatabase): Promise<number> {
  return (await database.sql(`SELECT FROM pg_constraint WHERE conname = 'pg_partsmith_range'`)).length
}
