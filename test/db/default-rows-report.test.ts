import { expect, it } from 'vitest'

import type { DefaultRowsReport, PartitionGranularity, TableInspection } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { createRole } from '../support/roles.ts'
import { ownPool } from '../support/own-pool.ts'
import { observedClient } from '../support/observed-client.ts'
import { fromPg } from '../../src/run/clients/pg.ts'

const now = '2026-03-15T12:00:00Z'

function configOf(
  granularity: PartitionGranularity,
  timeZone = 'UTC',
): { tableName: string; partitionColumn: string; granularity: PartitionGranularity; timeZone: string } {
  return { tableName: 'events', partitionColumn: 'at', granularity, timeZone }
}

const tableOf = (type: string): string => `
  CREATE TABLE events (id int, at ${type}) PARTITION BY RANGE (at);
  CREATE TABLE rest PARTITION OF events DEFAULT;`

/** `[from, state, rows]` of each period, and what has none. */
function summary(report: DefaultRowsReport | undefined): unknown {
  if (report === undefined || report.counted === 'not') return report?.why
  const { counted, rows, periods, withoutKey, infinite } = report
  return {
    counted,
    rows,
    withoutKey,
    infinite,
    periods: periods.map(({ range, state, rows: held, several }) => [
      range.from,
      range.to,
      state,
      held,
      ...(several ? ['several'] : []),
    ]),
  }
}

async function inspect(
  database: TestDatabase,
  granularity: PartitionGranularity,
  timeZone = 'UTC',
): Promise<TableInspection> {
  const partsmith = createPartsmith({ pool: database.pool, ddlTimezone: timeZone })
  return partsmith.inspect(configOf(granularity, timeZone), { now })
}

/** A sample of whole pages is not exact. */
function near(rows: number, expected: number): boolean {
  return Math.abs(rows / expected - 1) < 0.25
}

describeEachServer('the rows of DEFAULT that inspect reports', (major) => {
  it('are counted for every past and future period, with those that have none', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${tableOf('timestamptz')}
      INSERT INTO events VALUES (1, '2025-12-31 23:59:59.999999+00'), (2, '2026-01-01 00:00+00'), (3, '2026-03-31 23:00+00'),
        (4, '2026-04-01 00:00+00'), (5, '2027-05-05'), (6, NULL), (7, 'infinity'), (8, '-infinity');
      INSERT INTO events SELECT g, '2026-04-20' FROM generate_series(1, 10) g;`)
    const { defaultRows, findings } = await inspect(database, 'month')
    expect(summary(defaultRows)).toEqual({
      counted: 'exactly',
      rows: 18,
      withoutKey: 1,
      infinite: 2,
      periods: [
        ['2025-12-01 00:00:00+00', '2026-01-01 00:00:00+00', 'past', 1],
        ['2026-01-01 00:00:00+00', '2026-02-01 00:00:00+00', 'past', 1],
        ['2026-03-01 00:00:00+00', '2026-04-01 00:00:00+00', 'current', 1],
        ['2026-04-01 00:00:00+00', '2026-05-01 00:00:00+00', 'future', 11],
        ['2027-05-01 00:00:00+00', '2027-06-01 00:00:00+00', 'future', 1],
      ],
    })
    expect(findings.map(({ code }) => code)).toContain('rows-astray-in-default')
  })

  it('are cut as the zone of the calendar cuts, through a change of clocks and for wall clocks', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${tableOf('timestamptz')}
      INSERT INTO events VALUES (1, '2026-03-28 22:59+00'), (2, '2026-03-28 23:00+00'), (3, '2026-03-29 21:59+00'), (4, '2026-03-29 22:00+00');`)
    expect(summary((await inspect(database, 'day', 'Europe/Berlin')).defaultRows)).toMatchObject({
      periods: [
        ['2026-03-27 23:00:00+00', '2026-03-28 23:00:00+00', 'future', 1],
        ['2026-03-28 23:00:00+00', '2026-03-29 22:00:00+00', 'future', 2],
        ['2026-03-29 22:00:00+00', '2026-03-30 22:00:00+00', 'future', 1],
      ],
    })
    await database.sql(
      `DROP TABLE events; ${tableOf('date')} INSERT INTO events VALUES (1, '2026-03-28'), (2, '2026-03-29');`,
    )
    expect(summary((await inspect(database, 'day', 'Europe/Berlin')).defaultRows)).toMatchObject({
      periods: [
        ['2026-03-28', '2026-03-29', 'future', 1],
        ['2026-03-29', '2026-03-30', 'future', 1],
      ],
    })
    await database.sql(
      `DROP TABLE events; ${tableOf('timestamp')} INSERT INTO events VALUES (1, '2026-03-15 12:30'), (2, 'infinity');`,
    )
    expect(summary((await inspect(database, 'hour')).defaultRows)).toMatchObject({
      infinite: 1,
      periods: [['2026-03-15 12:00:00', '2026-03-15 13:00:00', 'current', 1]],
    })
  })

  it('are found hour by hour although one lies far away, and in ranges where there are too many hours', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${tableOf('timestamptz')}
      INSERT INTO events VALUES (1, '1970-01-01 00:30+00'), (2, '0044-03-15 12:00+00 BC'), (3, '2026-03-15 10:30+00'), (4, '2026-03-15 13:59+00');`)
    expect(summary((await inspect(database, 'hour')).defaultRows)).toMatchObject({
      periods: [
        ['0044-03-15 12:00:00+00 BC', '0044-03-15 13:00:00+00 BC', 'past', 1],
        ['1970-01-01 00:00:00+00', '1970-01-01 01:00:00+00', 'past', 1],
        ['2026-03-15 10:00:00+00', '2026-03-15 11:00:00+00', 'past', 1],
        ['2026-03-15 13:00:00+00', '2026-03-15 14:00:00+00', 'future', 1],
      ],
    })
    await database.sql(`TRUNCATE events;
      INSERT INTO events SELECT 1, g FROM generate_series('2025-03-01 00:00+00'::timestamptz, '2026-04-01 00:00+00', '1 hour') g;`)
    const { defaultRows } = await inspect(database, 'hour')
    if (defaultRows?.counted !== 'exactly') throw new Error('it was not counted')
    expect(defaultRows.periods.reduce((sum, { rows }) => sum + rows, 0)).toBe(9505)
    expect(defaultRows.periods.length).toBeLessThanOrEqual(1001)
    expect(defaultRows.periods.every(({ rows, several }) => rows > 1 === (several === true))).toBe(true)
    expect(defaultRows.periods.every(({ range }) => range.from.endsWith(':00:00+00'))).toBe(true)
  })

  it('are none where there are none, and nothing is said without a DEFAULT', async () => {
    await using database = await createDatabase(major)
    await database.sql(tableOf('timestamptz'))
    expect(summary((await inspect(database, 'month')).defaultRows)).toMatchObject({
      counted: 'exactly',
      rows: 0,
      periods: [],
    })
    await database.sql('DROP TABLE rest')
    expect((await inspect(database, 'month')).defaultRows).toBeUndefined()
  })

  it('are not counted where a policy or a missing right hides them, and all else is said', async () => {
    await using database = await createDatabase(major)
    const role = await createRole(database)
    await database.sql(
      `${tableOf('timestamptz')} INSERT INTO events VALUES (1, '2026-01-01'); GRANT SELECT ON events TO ${role.name}`,
    )
    const { inspect: look } = createPartsmith({ pool: ownPool({ ...database, url: role.url }) })
    const inspection = await look(configOf('month'), { now })
    expect(inspection.partitions.map(({ name }) => name)).toContain('rest')
    expect(inspection.defaultRows).toMatchObject({ counted: 'not', relation: { name: 'rest' } })
    expect(summary(inspection.defaultRows)).toBe('The server says: permission denied for table rest.')
  })

  it('are estimated from a sample of pages where DEFAULT is large', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE events (id int, at timestamptz, note text) PARTITION BY RANGE (at);
      CREATE TABLE rest PARTITION OF events DEFAULT;
      ALTER TABLE rest ALTER note SET STORAGE PLAIN;
      INSERT INTO events SELECT g, CASE WHEN g % 2 = 0 THEN '2026-01-10' WHEN g % 4 = 1 THEN '2026-05-10'::timestamptz END, repeat('x', 3000)
      FROM generate_series(1, 20000) g;`)
    const { defaultRows } = await inspect(database, 'month')
    if (defaultRows?.counted !== 'by-sample') throw new Error('it was counted in full')
    expect(defaultRows.share).toBeGreaterThan(0.1)
    expect(defaultRows.share).toBeLessThan(0.3)
    expect(defaultRows.periods).toMatchObject([
      { state: 'past', range: { from: '2026-01-01 00:00:00+00' } },
      { state: 'future', range: { from: '2026-05-01 00:00:00+00' } },
    ])
    const [past, future] = defaultRows.periods
    expect([
      near(past?.rows ?? 0, 10_000),
      near(future?.rows ?? 0, 5_000),
      near(defaultRows.withoutKey, 5_000),
    ]).toEqual([true, true, true])
  })

  it('are asked for by inspect alone', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${tableOf('timestamptz')} INSERT INTO events VALUES (1, '2026-03-20');`)
    const texts: string[] = []
    const client = observedClient(fromPg(database.pool), {
      beforeSending: ({ text }) => {
        texts.push(text)
      },
    })
    const partsmith = createPartsmith({ pool: client })
    await partsmith.plan(configOf('month'), { now })
    await partsmith.planFleet([configOf('month')], { now })
    await partsmith.maintain(configOf('month'), { now })
    expect(texts.filter((text) => text.includes('width_bucket'))).toEqual([])
    await database.sql(`INSERT INTO events VALUES (1, '2020-03-20');`)
    const [seen] = await partsmith.inspectFleet([configOf('month')], { now })
    expect(texts.filter((text) => text.includes('width_bucket'))).toHaveLength(1)
    expect(seen && 'inspection' in seen && summary(seen.inspection.defaultRows)).toMatchObject({ rows: 1 })
  })
})
