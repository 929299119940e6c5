import { expect, it } from 'vitest'

import type { Partsmith, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer, majors } from '../support/database.ts'

interface Life {
  readonly granularity: 'day' | 'week' | 'month'
  readonly timeZone: string
  readonly retentionCount: number
  readonly dropAfter: string
  /** Whether there is a DEFAULT, into which rows fall that come before their partition. */
  readonly hasDefault?: boolean
}

const ahead = 2
const zones = ['UTC', 'America/New_York', 'Asia/Kolkata'] as const
const lives: readonly Life[] = zones.flatMap((timeZone): readonly Life[] => [
  { granularity: 'day', timeZone, retentionCount: 3, dropAfter: '0 seconds' },
  { granularity: 'week', timeZone, retentionCount: 2, dropAfter: '10 days' },
  {
    granularity: 'month',
    timeZone,
    retentionCount: 3,
    dropAfter: '1 week',
    hasDefault: timeZone === 'Asia/Kolkata',
  },
])

describeEachServer('maintenance once a day', (major) => {
  const newest = major === Math.max(...majors)
  // A year with a day of 23 and one of 25 hours in New York; on the other servers only the weeks around the first.
  const { from, days } = newest ? { from: '2025-11-20', days: 366 } : { from: '2026-02-20', days: 30 }

  it.each(newest ? lives : lives.filter(({ timeZone }) => timeZone === 'America/New_York'))(
    'keeps a $granularity table in $timeZone right on every day',
    async (life) => {
      await using database = await createDatabase(major)
      const world = await prepare(database, { life, from })
      const mistakes: unknown[] = []
      for (let day = 0; day < days; day += 1) {
        mistakes.push(...(await live(world, day)))
        if (mistakes.length > 0) break
      }
      expect(mistakes).toEqual([])
      const [{ dropped } = {}] = await database.sql(`SELECT count(dropped)::int AS dropped FROM periods`)
      expect(Number(dropped)).toBeGreaterThanOrEqual(newest ? 8 : 0)
    },
    180_000,
  )
})

interface Simulation {
  readonly database: TestDatabase
  readonly partsmith: Partsmith
  readonly config: TablePartitionOptions
}

/** What must be there is computed by the server's own calendar, from the instants of the runs and nothing else. */
async function prepare(
  database: TestDatabase,
  { life, from }: { readonly life: Life; readonly from: string },
): Promise<Simulation> {
  const { granularity: unit, timeZone: zone, retentionCount: kept, dropAfter, hasDefault = false } = life
  await database.sql(`
    SET TimeZone = 'UTC';
    ALTER DATABASE ${database.name} SET TimeZone = 'UTC';
    CREATE TABLE events (at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
    ${hasDefault ? 'CREATE TABLE rest PARTITION OF events DEFAULT;' : ''}
    -- Runs come at another time of the day each day, also right before and after local midnight.
    CREATE FUNCTION run_at(day int) RETURNS timestamptz LANGUAGE sql AS $$
      SELECT ('${from}'::timestamp + day * interval '1 day' + CASE day % 4 WHEN 0 THEN interval '0'
        WHEN 1 THEN interval '12 hours' WHEN 2 THEN interval '23:59:59.999999' ELSE interval '02:30' END)
        AT TIME ZONE '${zone}' $$;
    -- The period of an instant, some periods on, as PostgreSQL counts them in the zone.
    CREATE FUNCTION period_start(at timestamptz, further int) RETURNS timestamptz LANGUAGE sql AS $$
      SELECT (date_trunc('${unit}', at AT TIME ZONE '${zone}') + further * interval '1 ${unit}') AT TIME ZONE '${zone}' $$;
    -- Every period that ever was wanted, with the runs that were to detach and to drop it.
    CREATE TABLE periods (lower timestamptz PRIMARY KEY, upper timestamptz, detached timestamptz, dropped timestamptz);
    CREATE FUNCTION expect_run(now timestamptz) RETURNS void LANGUAGE sql AS $$
      INSERT INTO periods SELECT period_start(now, g), period_start(now, g + 1) FROM generate_series(0, ${ahead - 1}) g
        ON CONFLICT DO NOTHING;
      UPDATE periods SET detached = now WHERE detached IS NULL AND now >= period_start(lower, ${kept});
      UPDATE periods SET dropped = now WHERE dropped IS NULL AND now >= detached + interval '${dropAfter}' $$;
    CREATE VIEW there AS
      SELECT (bounds[1])::timestamptz AS lower, (bounds[2])::timestamptz AS upper, attached
      FROM (SELECT regexp_match(CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, 0)
                                     ELSE obj_description(c.oid, 'pg_class') END,
                                $$FROM \\('([^']+)'\\) TO \\('([^']+)'\\)$$) AS bounds, c.relispartition AS attached
            FROM pg_class c WHERE c.relkind = 'r' AND c.relname LIKE 'events\\_\\_%') AS found;
    CREATE VIEW mistakes AS
      (SELECT 'not attached' AS what, lower, upper FROM periods WHERE detached IS NULL
         EXCEPT SELECT 'not attached', lower, upper FROM there WHERE attached)
      UNION ALL (SELECT 'attached for too long', lower, upper FROM there WHERE attached
         EXCEPT SELECT 'attached for too long', lower, upper FROM periods WHERE detached IS NULL)
      UNION ALL (SELECT 'dropped too early', lower, upper FROM periods WHERE detached IS NOT NULL AND dropped IS NULL
         EXCEPT SELECT 'dropped too early', lower, upper FROM there WHERE NOT attached)
      UNION ALL (SELECT 'dropped too late', lower, upper FROM there WHERE NOT attached
         EXCEPT SELECT 'dropped too late', lower, upper FROM periods WHERE detached IS NOT NULL AND dropped IS NULL)
      ${hasDefault ? `UNION ALL SELECT 'a row left in DEFAULT', at, at FROM rest WHERE at < (SELECT max(upper) FROM periods)` : ''};`)
  const config: TablePartitionOptions = {
    tableName: 'events',
    partitionColumn: 'at',
    granularity: unit,
    timeZone: zone,
    createAheadCount: ahead,
    retentionCount: kept,
    dropAfter,
  }
  return {
    database,
    config,
    partsmith: createPartsmith({ pool: database.pool, ddlTimezone: zone }),
  }
}

/** A day: the run, and then the rows of the day, from its first microsecond to the last. Gives what is wrong. */
async function live({ database, partsmith, config }: Simulation, day: number): Promise<readonly unknown[]> {
  const [run] = await database.sql(`SELECT to_char(run_at(${day}), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`)
  const now = String(run?.['at'])
  const result = await partsmith.maintain(config, { now })
  if (!result.success || result.issues.length > 0) return [now, ...result.issues]
  const today = `date_trunc('day', '${now}'::timestamptz AT TIME ZONE '${config.timeZone ?? 'UTC'}')`
  const inZone = (wallClock: string): string => `(${wallClock}) AT TIME ZONE '${config.timeZone ?? 'UTC'}'`
  // One of them is of the period after the last that there is, and finds a place only in a DEFAULT.
  return database.sql(`
    INSERT INTO events SELECT moment, 'day ${day}' FROM (VALUES ('${now}'::timestamptz), (${inZone(today)}),
        (${inZone(`${today} + interval '1 day'`)} - interval '1 microsecond'), (period_start('${now}', 1)),
        (CASE WHEN to_regclass('rest') IS NOT NULL THEN period_start('${now}', ${ahead}) END)) AS v(moment)
      WHERE moment IS NOT NULL;
    SELECT expect_run('${now}');
    SELECT what, lower::text, upper::text, '${now}' AS now FROM mistakes`)
}
