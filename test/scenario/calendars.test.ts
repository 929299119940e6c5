import { expect, it } from 'vitest'
import { createPartsmith, PartitionGranularity } from '../../src/index.ts'
import { attachedTo, converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'

const zones = ['UTC', 'Europe/Berlin', 'America/Havana', 'Pacific/Apia', 'Asia/Kolkata'] as const
const keyTypes = ['timestamptz', 'timestamp', 'date'] as const

/** A moment at which it is another day in Apia than in Havana, and another hour of the UTC day in Kolkata than a full one. */
const now = '2026-03-15T11:20:30.123456Z'
const ahead = 3

/** What the server itself says the periods are: the bounds in UTC, and the first and last value of each. */
async function periodsOf(
  database: TestDatabase,
  about: { readonly unit: string; readonly zone: string; readonly keyType: string },
): Promise<readonly { readonly from: string; readonly to: string; readonly last: string }[]> {
  const { unit, zone, keyType } = about
  const step = unit === 'quarter' ? `interval '3 months'` : `interval '1 ${unit}'`
  const local = `(date_trunc('${unit}', timestamptz '${now}' AT TIME ZONE '${zone}') + n * ${step})`
  const start = keyType === 'timestamptz' ? `(${local} AT TIME ZONE '${zone}')` : local
  const last = keyType === 'date' ? `interval '1 day'` : `interval '1 microsecond'`
  const client = await database.pool.connect()
  try {
    await client.query(`BEGIN; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'`)
    const { rows } = await client.query<{ from: string; to: string; last: string }>(
      `SELECT start::${keyType}::text AS "from", (lead(start) OVER w)::${keyType}::text AS "to",
              ((lead(start) OVER w) - ${last})::${keyType}::text AS last
       FROM (SELECT n, ${start} AS start FROM generate_series(0, ${ahead}) AS n) AS starts
       WINDOW w AS (ORDER BY n) ORDER BY n LIMIT ${ahead}`,
    )
    return rows
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
}

describeEachServer('the calendar', (major) => {
  for (const zone of zones) {
    for (const keyType of keyTypes) {
      const units = Object.values(PartitionGranularity).filter(
        (unit) => keyType !== 'date' || unit !== 'hour',
      )
      it(`cuts a ${keyType} key in ${zone} as the server does`, async () => {
        await using database = await createDatabase(major)
        const partsmith = createPartsmith({ pool: database.pool, ddlTimezone: zone })
        for (const unit of units) {
          const tableName = `by_${unit}`
          const periods = await periodsOf(database, { unit, zone, keyType })
          await database.sql(
            `CREATE TABLE ${tableName} (id int, at ${keyType} NOT NULL) PARTITION BY RANGE (at)`,
          )
          const config = {
            tableName,
            partitionColumn: 'at',
            granularity: unit,
            timeZone: zone,
            createAheadCount: ahead,
          }
          const expected = await names(database, { tableName, unit, zone })
          const result = await partsmith.maintain(config, { now })
          expect(result).toMatchObject({ success: true, findings: [] })
          expect(result.operations.map(({ id, status }) => `${id}: ${status}`)).toEqual(
            expected.map((name) => `create public.${name}: done`),
          )
          expect(await attachedTo(database, { tableName })).toEqual(
            expected.map(
              (name, index) =>
                `${name} FOR VALUES FROM ('${periods[index]?.from}') TO ('${periods[index]?.to}')`,
            ),
          )
          expect((await partsmith.plan(config, { now })).operations).toEqual([])
          // The first and the last value of each period have a place, and nothing between two of them is left out.
          for (const { from, last } of periods) {
            await database.sql(
              `SET TimeZone = 'UTC'; INSERT INTO ${tableName} VALUES (1, '${from}'), (2, '${last}'); RESET TimeZone`,
            )
          }
        }
      })
    }
  }

  it('does not cut a date into hours, and says so', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: 'CREATE TABLE events (id int, at date NOT NULL) PARTITION BY RANGE (at)',
      config: { tableName: 'events', partitionColumn: 'at', granularity: 'hour' },
      now,
      operations: [],
      findings: ['key-type-unsupported'],
    })
  })

  it('refuses a calendar in another zone than the DDL', async () => {
    await using database = await createDatabase(major)
    await expect(
      converges(database, {
        given: 'CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at)',
        config: { tableName: 'events', partitionColumn: 'at', granularity: 'day', timeZone: 'Asia/Kolkata' },
        now,
        operations: [],
      }),
    ).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringMatching(/Asia\/Kolkata.*ddlTimezone/s),
    })
  })

  it('needs no zone of the DDL: null leaves the one of the server', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `ALTER DATABASE ${database.name} SET TimeZone = 'Asia/Kolkata';
        CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at)`,
      config: {
        tableName: 'events',
        partitionColumn: 'at',
        granularity: 'day',
        timeZone: 'America/Havana',
        createAheadCount: 1,
      },
      now,
      operations: ['create public.events__2026_03_15'],
      attached: [
        `events__2026_03_15 FOR VALUES FROM ('2026-03-15 04:00:00+00') TO ('2026-03-16 04:00:00+00')`,
      ],
      partsmith: { ddlTimezone: null },
    })
  })
})

/** The names, made by the server from its own idea of the periods. */
async function names(
  database: TestDatabase,
  { tableName, unit, zone }: { readonly tableName: string; readonly unit: string; readonly zone: string },
): Promise<readonly string[]> {
  const step = unit === 'quarter' ? `interval '3 months'` : `interval '1 ${unit}'`
  const format: Readonly<Record<string, string>> = {
    hour: 'YYYY_MM_DD_HH24',
    day: 'YYYY_MM_DD',
    week: 'IYYY_"w"IW',
    month: 'YYYY_MM',
    quarter: 'YYYY_"q"Q',
    year: 'YYYY',
  }
  const rows = await database.sql(
    `SELECT $1 || '__' || to_char(date_trunc($2, timestamptz '${now}' AT TIME ZONE $3) + n * ${step}, $4) AS name
     FROM generate_series(0, ${ahead - 1}) AS n ORDER BY n`,
    [tableName, unit, zone, format[unit]],
  )
  return rows.map(({ name }) => String(name))
}
