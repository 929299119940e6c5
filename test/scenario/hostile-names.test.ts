import { expect, it } from 'vitest'
import { quoteIdentifier } from '../../src/model/quote.ts'
import { byteLength, partitionName } from '../../src/model/partition-name.ts'
import { createPartsmith } from '../../src/index.ts'
import { converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { now } from '../support/events-table.ts'

const q = quoteIdentifier

const names: readonly (readonly [what: string, schema: string, table: string, column: string])[] = [
  ['capitals and spaces', 'My Schema', 'My Events', 'Created At'],
  ['dots', 'a.b', 'c.d', 'e.f'],
  ['double quotes', 'a"b', '"c"', 'd""e'],
  ['single quotes and backslashes', `o'schema`, `back\\slash'`, `c\\'x`],
  ['emoji and umlauts', 'schéma', '🐘 Ereignisse', 'zeit_ä'],
  ['dollars, percents and placeholders', 'a$b', '$1 %s %I', '$$'],
  ['semicolons and comments', '; DROP TABLE x; --', '/* t */', '-- c'],
  ['reserved words', 'select', 'table', 'from'],
  ['line ends and tabs', 'a\nb', 'c\td', 'e\r\nf'],
  ['the name of a catalog', 'pg', 'pg_class', 'oid'],
]

describeEachServer('a table whose name has', (major) => {
  for (const [what, schema, table, column] of names) {
    it(`${what} is maintained from creation to drop`, async () => {
      await using database = await createDatabase(major)
      const parent = `${q(schema)}.${q(table)}`
      const config = { schema, tableName: table, partitionColumn: column, granularity: 'month' } as const
      const of = (month: string): string => shown(schema, `${table}__${month}`)
      await converges(database, {
        given: `CREATE SCHEMA ${q(schema)}; CREATE TABLE ${parent} (id int, ${q(column)} timestamptz NOT NULL) PARTITION BY RANGE (${q(column)});
          CREATE TABLE ${q(schema)}.rest PARTITION OF ${parent} DEFAULT;
          COMMENT ON TABLE ${q(schema)}.rest IS 'mine';
          INSERT INTO ${parent} VALUES (1, '2026-03-02 00:00:00+00'), (2, '2026-04-02 00:00:00+00');`,
        config: { ...config, createAheadCount: 2 },
        now,
        operations: [`create ${of('2026_03')}`, `create ${of('2026_04')}`],
      })
      const later = '2026-05-10T00:00:00Z'
      await converges(database, {
        config: { ...config, createAheadCount: 1, retentionCount: 2, dropAfter: '7 days' },
        now: later,
        operations: [`create ${of('2026_05')}`, `detach ${of('2026_03')}`],
      })
      // Attached again, and then by the concurrent form.
      const { maintain } = createPartsmith({ pool: database.pool })
      const again = await maintain({ ...config, createAheadCount: 1, retentionCount: 3 }, { now: later })
      expect(again).toMatchObject({ success: true, attachedCount: 1 })
      await database.sql(`DROP TABLE ${q(schema)}.rest`)
      const retired = await maintain({ ...config, createAheadCount: 1, retentionCount: 2 }, { now: later })
      expect(retired).toMatchObject({ success: true, detachedCount: 1, droppedCount: 1 })
      expect(retired.plan?.operations).toMatchObject([{ mode: 'concurrent' }, { kind: 'drop' }])
    })
  }
})

describeEachServer('a name as long as names can be', (major) => {
  const long = 'x'.repeat(63)
  const multibyte = `${'é'.repeat(31)}x`

  for (const table of [long, multibyte, '🐘'.repeat(15)]) {
    it(`(${table.slice(0, 2)}.., ${byteLength(table)} bytes) gives partitions whose names fit and stay apart`, async () => {
      await using database = await createDatabase(major)
      const sibling = `${table.slice(0, -2)}y`
      const given = (name: string): string =>
        `CREATE TABLE ${q(name)} (id int, ${q(table)} timestamptz NOT NULL) PARTITION BY RANGE (${q(table)});`
      const config = {
        partitionColumn: table,
        granularity: 'hour',
        timeZone: 'UTC',
        createAheadCount: 3,
      } as const
      const { plan } = await converges(database, {
        given: `${given(table)} ${given(sibling)}`,
        config: { ...config, tableName: table },
        now,
        operations: planned(table),
      })
      const other = await converges(database, {
        config: { ...config, tableName: sibling },
        now,
        operations: planned(sibling),
      })
      const all = [...plan.operations, ...other.plan.operations].map(({ partition }) => partition.name)
      expect(new Set(all).size).toBe(6)
      for (const name of all) expect(byteLength(name)).toBeLessThanOrEqual(63)
      for (const name of all) expect(name).toMatch(/__2026_03_15_1[234]$/)
    })
  }

  it('is refused when it is longer, before anything is asked of the server', async () => {
    await using database = await createDatabase(major)
    await expect(
      converges(database, {
        config: { tableName: 'x'.repeat(64), partitionColumn: 'at', granularity: 'day' },
        now,
        operations: [],
      }),
    ).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringContaining('64 bytes') })
  })
})

function planned(table: string): readonly string[] {
  return ['12', '13', '14'].map(
    (hour) => `create ${shown('public', partitionName(table, `2026_03_15_${hour}`))}`,
  )
}

/** As the tool shows a name to people. */
function shown(...path: readonly string[]): string {
  return path.map((part) => (/^[a-z_][a-z0-9_$]*$/.test(part) ? part : q(part))).join('.')
}

describeEachServer('tables of one name in several schemas', (major) => {
  it('do not know each other: each has its own partitions, orphans and drops', async () => {
    await using database = await createDatabase(major)
    const tables = ['one', 'two'].map(
      (schema) => `CREATE SCHEMA ${schema};
        CREATE TABLE ${schema}.events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE ${schema}.events__2026_02 PARTITION OF ${schema}.events FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00');`,
    )
    const config = {
      tableName: 'events',
      partitionColumn: 'at',
      granularity: 'month',
      createAheadCount: 1,
      retentionCount: 1,
    } as const
    for (const [index, schema] of ['one', 'two'].entries()) {
      await converges(database, {
        ...(index === 0 && { given: tables.join('\n') }),
        config: { ...config, schema, dropAfter: '1 day' },
        now,
        operations: [`create ${schema}.events__2026_03`, `detach ${schema}.events__2026_02`],
      })
    }
    await converges(database, {
      config: { ...config, schema: 'one' },
      now,
      operations: ['drop one.events__2026_02'],
    })
    expect(await database.sql(`SELECT to_regclass('two.events__2026_02') IS NOT NULL AS there`)).toEqual([
      { there: true },
    ])
  })

  it('whose names could be read in two ways do not take each other’s tables', async () => {
    await using database = await createDatabase(major)
    // "a.b"."c" and "a"."b.c" are one text without quotes.
    await converges(database, {
      given: `CREATE SCHEMA "a.b"; CREATE SCHEMA a;
        CREATE TABLE "a.b".c (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE a."b.c" (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE "a.b".old PARTITION OF "a.b".c FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');`,
      config: {
        schema: 'a.b',
        tableName: 'c',
        partitionColumn: 'at',
        granularity: 'month',
        createAheadCount: 1,
        retentionCount: 1,
        dropAfter: '1 day',
      },
      now,
      operations: ['create "a.b".c__2026_03', 'detach "a.b".old'],
    })
    await converges(database, {
      config: {
        schema: 'a',
        tableName: 'b.c',
        partitionColumn: 'at',
        granularity: 'month',
        createAheadCount: 1,
        retentionCount: 1,
      },
      now,
      operations: ['create a."b.c__2026_03"'],
    })
  })

  it('may have partitions in other schemas than the parent', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `CREATE SCHEMA archive; CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE archive.jan PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');`,
      config: {
        tableName: 'events',
        partitionColumn: 'at',
        granularity: 'month',
        createAheadCount: 1,
        retentionCount: 1,
      },
      now,
      operations: ['create public.events__2026_03', 'detach archive.jan', 'drop archive.jan'],
    })
  })
})
