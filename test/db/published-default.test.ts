import { afterAll, beforeAll, expect, it } from 'vitest'
import { Client } from 'pg'

import { startEmbeddedServer } from '../../src/cli/embedded/server.ts'
import type { EmbeddedServer } from '../../src/cli/embedded/server.ts'
import { BasePartitionLifecycleHooks, createPartsmith } from '../../src/index.ts'
import { calmPool } from '../support/calm-pool.ts'
import { until } from '../support/cli.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer, uniqueName } from '../support/database.ts'
import { monthly, now } from '../support/events-table.ts'

const config = { ...monthly, createAheadCount: 2 }

const table = `CREATE TABLE events (id int, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE rest PARTITION OF events DEFAULT;`
const rows = `INSERT INTO events SELECT i, '2026-03-10' FROM generate_series(1, 100) i;`

describeEachServer('a table whose changes a publication sends', (major) => {
  let publisher: EmbeddedServer
  beforeAll(async () => {
    publisher = await startEmbeddedServer({ major, settings: { wal_level: 'logical' } })
  })
  afterAll(async () => publisher.stop())

  const forms = ['FOR TABLE events', 'FOR ALL TABLES', 'FOR TABLES IN SCHEMA public'].flatMap((form) =>
    ['true', 'false'].map((root) => `${form} WITH (publish_via_partition_root = ${root})`),
  )

  it.each(forms)('loses no row of its DEFAULT on a subscriber: %s', async (form) => {
    await using subscriber = await createDatabase(major)
    await using source = await sourceOn(publisher)
    await source.sql(table + `CREATE PUBLICATION p ${form};`)
    await using subscription = await subscribe(subscriber, source)
    await source.sql(rows)
    await subscription.caughtUp('100')
    const partsmith = createPartsmith({ pool: source.pool })
    const result = await partsmith.maintainer.runMaintenanceSafe(config, { now })
    expect(result).toMatchObject({
      success: true,
      operations: [{ partition: { name: 'events__2026_04' }, status: 'done' }],
      findings: [{ code: 'rows-in-default-published', relation: { name: 'rest' } }],
    })
    expect(result.findings[0]?.message).toContain('the publication p sends changes of this table')
    await source.sql(`INSERT INTO events VALUES (101, '2026-03-11')`)
    await subscription.caughtUp('101')
  })

  it('has them moved on a subscriber, too, by what the finding says to do by hand', async () => {
    await using subscriber = await createDatabase(major)
    await using source = await sourceOn(publisher)
    await source.sql(
      `${table} CREATE PUBLICATION p FOR TABLE events WITH (publish_via_partition_root = true)`,
    )
    await using subscription = await subscribe(subscriber, source)
    await source.sql(rows)
    await subscription.caughtUp('100')
    await source.sql(`BEGIN; LOCK TABLE events;
      CREATE TEMPORARY TABLE moved (LIKE events) ON COMMIT DROP;
      WITH gone AS (DELETE FROM rest WHERE at >= '2026-03-01 00:00+00' AND at < '2026-04-01 00:00+00' RETURNING *)
        INSERT INTO moved SELECT * FROM gone;
      CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
      INSERT INTO events SELECT * FROM moved; INSERT INTO events VALUES (101, '2026-03-11'); COMMIT`)
    await subscription.caughtUp('101')
    const { operations } = await createPartsmith({ pool: source.pool }).plan(config, { now })
    expect(operations).toMatchObject([{ partition: { name: 'events__2026_04' } }])
  })

  it('keeps its rows where the publication came after the plan', async () => {
    await using database = await createDatabase(major)
    await database.sql(table + rows)
    class Publishing extends BasePartitionLifecycleHooks {
      override async beforeCreate(): Promise<void> {
        await database.sql('DROP PUBLICATION IF EXISTS p; CREATE PUBLICATION p FOR TABLE events')
      }
    }
    const partsmith = createPartsmith({ pool: database.pool, hooks: [new Publishing()] })
    const result = await partsmith.maintainer.runMaintenanceSafe(config, { now })
    expect(result.operations).toMatchObject([
      { partition: { name: 'events__2026_03' }, status: 'refused' },
      { partition: { name: 'events__2026_04' }, status: 'done' },
    ])
    expect(result.issues).toMatchObject([{ code: 'rows-in-default' }])
    expect(result.issues[0]?.message).toContain('the publication p sends changes of this table')
    expect(await database.sql('SELECT count(*)::int AS n FROM rest')).toEqual([{ n: 100 }])
  })

  it.each([
    ['the table above it', 'FOR TABLE top', 'p'],
    ['its DEFAULT alone', 'FOR TABLE rest', 'p'],
    ['a partition of its DEFAULT', 'FOR TABLE rest_leaf', 'p'],
    ['the schema of a partition of its DEFAULT', 'FOR TABLES IN SCHEMA elsewhere', 'p'],
    ['another table', 'FOR TABLE other', undefined],
    ['another schema', 'FOR TABLES IN SCHEMA strange', undefined],
    ['nothing but updates', `FOR ALL TABLES WITH (publish = 'update')`, undefined],
  ])('knows a publication of %s', async (_, form, published) => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE SCHEMA elsewhere; CREATE SCHEMA strange;
      CREATE TABLE other (id int); CREATE TABLE strange.other (id int);
      CREATE TABLE top (id int, at timestamptz NOT NULL) PARTITION BY LIST (id);
      CREATE TABLE events PARTITION OF top FOR VALUES IN (1) PARTITION BY RANGE (at);
      CREATE TABLE rest PARTITION OF events DEFAULT PARTITION BY HASH (at);
      CREATE TABLE rest_leaf PARTITION OF rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
      CREATE TABLE elsewhere.rest_leaf PARTITION OF rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
      CREATE PUBLICATION p ${form}`)
    const { metadata } = createPartsmith({ pool: database.pool })
    const { parent } = await metadata.readTree({ schema: 'public', name: 'events' })
    expect(parent.publishedBy).toBe(published)
  })
})

interface Source extends Pick<TestDatabase, 'pool' | 'url' | 'sql'>, AsyncDisposable {}

async function sourceOn(server: EmbeddedServer): Promise<Source> {
  const name = uniqueName('source')
  const url = new URL(server.url)
  const admin = new Client({ connectionString: server.url })
  await admin.connect()
  await admin.query(`CREATE DATABASE ${name}`)
  url.pathname = `/${name}`
  const pool = calmPool({ connectionString: url.href })
  return {
    pool,
    url: url.href,
    sql: async (text) => [await pool.query(text)].flat().at(-1)?.rows ?? [],
    [Symbol.asyncDispose]: async () => {
      await pool.end()
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
      await admin.end()
    },
  }
}

interface Subscription extends AsyncDisposable {
  /** Waits until so many rows are there. */
  readonly caughtUp: (rows: string) => Promise<void>
}

/** The subscriber has the table and its DEFAULT, and what is published from now on. */
async function subscribe(subscriber: TestDatabase, source: Source): Promise<Subscription> {
  await subscriber.sql(table)
  await subscriber.sql(
    `CREATE SUBSCRIPTION ${subscriber.name} CONNECTION '${source.url}' PUBLICATION p WITH (copy_data = false)`,
  )
  return {
    caughtUp: (rows) =>
      until(
        async () =>
          (await subscriber.sql('SELECT count(DISTINCT id)::text AS n FROM events'))[0]?.['n'] === rows,
        `the subscriber has ${rows} rows`,
      ),
    [Symbol.asyncDispose]: async () => void (await subscriber.sql(`DROP SUBSCRIPTION ${subscriber.name}`)),
  }
}
