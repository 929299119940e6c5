/**
 * PostgreSQL is the authority on where a local hour, day, week, month, quarter and year begin.
 *
 * `date_trunc(unit, at, zone)` is it nearly always. It does not tile in two cases, and there a second rule holds:
 * 1. A midnight that comes twice, or that lies inside a gap: date_trunc resolves it to the later instant, also for
 *    instants before that one, and so gives a start that lies after its input. Such an instant belongs to the unit
 *    before, and all starts and ends are what PostgreSQL reads from the local midnight: `midnight AT TIME ZONE zone`.
 * 2. An offset that changes inside a truncated hour: date_trunc of an instant after the change gives a start before
 *    it, inside the hour before. The period starts at the change, and the one before ends there.
 */

import { beforeAll, describe, expect, test } from 'vitest'

import { PartitionGranularity, calculatorFor } from '../../src/model/calendar.ts'
import { Instant } from '../../src/model/instant.ts'
import { instantOfWallClock, isTimeZone, wallClock } from '../../src/model/time-zone.ts'
import { createDatabase, describeEachServer, majors } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { printedSeed } from '../support/seed.ts'
import { sampledYears, zoneSamples } from '../support/zone-samples.ts'

const seed = printedSeed('calendar-server')
const granularities = Object.values(PartitionGranularity)

/** How many of the 130 years are tried per zone in one run; set it to 130 to try them all. */
const years = Math.min(Number(process.env['PARTSMITH_CALENDAR_YEARS'] ?? 6), sampledYears)

/**
 * Where the time zone rules of Node and of the servers are known to be of different age, and since when they disagree.
 *
 * The servers' rules are newer than 2025c and older than 2026c. Every other disagreement fails by the name of its zone.
 */
const nodeIsNewer = String(process.versions['tz']) >= '2026c'
const knownDifferences: ReadonlyMap<string, string> = new Map([
  // Predicted months of Ramadan.
  ['Asia/Gaza', '2072-01-01T00:00:00Z'],
  ['Asia/Hebron', '2072-01-01T00:00:00Z'],
  ...(nodeIsNewer
    ? ([
        // Alberta stays on summer time.
        ['America/Edmonton', '2026-11-01T00:00:00Z'],
        ['America/Yellowknife', '2026-11-01T00:00:00Z'],
        ['Canada/Mountain', '2026-11-01T00:00:00Z'],
        // Morocco returns to UTC.
        ['Africa/Casablanca', '2026-09-20T00:00:00Z'],
        ['Africa/El_Aaiun', '2026-09-20T00:00:00Z'],
      ] as const)
    : ([
        // British Columbia stays on summer time.
        ['America/Vancouver', '2026-11-01T00:00:00Z'],
        ['Canada/Pacific', '2026-11-01T00:00:00Z'],
        // Moldova changes its clocks an hour later.
        ['Europe/Chisinau', '2022-03-27T00:00:00Z'],
        ['Europe/Tiraspol', '2022-03-27T00:00:00Z'],
      ] as const)),
])

interface Sample {
  readonly zone: string
  readonly at: bigint
}

interface Row {
  readonly [column: string]: unknown
}

/** How a zone is written in the query: as the argument of a function, or as the zone of the session. */
interface Dialect {
  readonly local: (instant: string) => string
  readonly instant: (local: string) => string
  readonly truncate: (instant: string) => string
}

const byArgument: Dialect = {
  local: (instant) => `(${instant} AT TIME ZONE zone)`,
  instant: (local) => `((${local}) AT TIME ZONE zone)`,
  truncate: (instant) => `date_trunc(unit, ${instant}, zone)`,
}
// As an argument PostgreSQL takes names like CET for the abbreviation, which is a fixed offset; as TimeZone for the zone.
const bySession: Dialect = {
  local: (instant) => `(${instant})::timestamp`,
  instant: (local) => `(${local})::timestamptz`,
  truncate: (instant) => `date_trunc(unit, ${instant})`,
}

function periodQuery({ local, instant, truncate }: Dialect): string {
  const offset = (at: string): string => `(${local(at)} - (${at} AT TIME ZONE 'UTC'))`
  return `
    WITH given AS (
      SELECT zone, unit, epoch + at * microsecond AS at,
             epoch + starts * microsecond AS starts, epoch + ends * microsecond AS ends
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) AS g(zone, unit, at, starts, ends),
           (VALUES (timestamptz '1970-01-01 00:00:00+00', interval '1 microsecond')) AS c(epoch, microsecond)
    ), read AS (
      SELECT *, ${truncate('at')} AS truncated, date_trunc(unit, ${local('at')}) AS midnight,
             CASE unit WHEN 'quarter' THEN interval '3 months' ELSE ('1 ' || unit)::interval END AS step
      FROM given
    ), judged AS (
      SELECT *,
        CASE WHEN unit = 'hour' THEN ${offset('truncated')} <> ${offset('at')}
                                  OR ${offset("(truncated + step - interval '1 microsecond')")} <> ${offset('at')}
             ELSE truncated > at END AS special,
        starts <= at AND at < ends AND CASE
          WHEN unit <> 'hour' AND truncated <= at
            THEN starts = truncated AND ends = ${instant('midnight + step')}
          WHEN unit <> 'hour'
            THEN ends = truncated AND starts = ${instant('midnight - step')}
          ELSE
            CASE WHEN ${offset('truncated')} = ${offset('at')} THEN starts = truncated
                 ELSE starts > truncated AND ${offset('starts')} = ${offset('at')}
                      AND ${offset("(starts - interval '1 microsecond')")} <> ${offset('at')} END
            AND
            CASE WHEN ${offset("(truncated + step - interval '1 microsecond')")} = ${offset('at')}
                 THEN ends = truncated + step
                 ELSE ends < truncated + step AND ${offset('ends')} <> ${offset('at')}
                      AND ${offset("(ends - interval '1 microsecond')")} = ${offset('at')} END
          END AS agrees
      FROM read
    )
    SELECT zone, unit, at::text, starts::text, ends::text, truncated::text, count(*) OVER ()::int AS wrong,
           NULL::int AS special
    FROM judged WHERE agrees IS NOT TRUE
    UNION ALL
    SELECT NULL, unit, NULL, NULL, NULL, NULL, 0, count(*)::int FROM judged WHERE special GROUP BY unit`
}

function clockQuery({ local, instant }: Dialect): string {
  return `
    SELECT zone, at::text AS "at", clock::text AS "clock", ${local('at')}::text AS "serverClock"
    FROM (SELECT zone, epoch + at * microsecond AS at, local_epoch + clock * microsecond AS clock,
                 epoch + read * microsecond AS read
          FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS g(zone, at, clock, read),
               (VALUES (timestamptz '1970-01-01 00:00:00+00', timestamp '1970-01-01 00:00:00',
                        interval '1 microsecond')) AS c(epoch, local_epoch, microsecond)) AS given
    WHERE ${local('at')} <> clock OR ${instant('clock')} <> read`
}

function isKnown({ zone, at }: Sample): boolean {
  const since = knownDifferences.get(zone)
  return since !== undefined && at >= Instant.from(since).epochMicroseconds
}

async function inChunks<T>(
  all: readonly T[],
  ask: (chunk: readonly T[]) => Promise<readonly Row[]>,
): Promise<Row[]> {
  const rows: Row[] = []
  for (let start = 0; start < all.length; start += 20_000)
    rows.push(...(await ask(all.slice(start, start + 20_000))))
  return rows
}

interface PeriodOfSample extends Sample {
  readonly unit: PartitionGranularity
  readonly start: bigint
  readonly end: bigint
}

function periodsOf({ zone, at }: Sample): readonly PeriodOfSample[] {
  return granularities.map((unit) => {
    const { start, end } = calculatorFor(unit, zone).currentPeriod(Instant.fromMicroseconds(at))
    return { zone, at, unit, start: start.epochMicroseconds, end: end.epochMicroseconds }
  })
}

/** Sorts the zones by how they must be asked for, and asks; every query runs in UTC or, by session, in the zone itself. */
async function askServer<T extends Sample>(
  database: TestDatabase,
  given: {
    readonly items: readonly T[]
    readonly query: (dialect: Dialect) => string
    readonly columns: (chunk: readonly T[]) => unknown[]
  },
): Promise<Row[]> {
  const client = await database.pool.connect()
  try {
    const { rows } = await client.query<{ name: string }>(
      'SELECT name FROM pg_timezone_names WHERE upper(name) IN (SELECT abbrev FROM pg_timezone_abbrevs)',
    )
    const abbreviated = new Set(rows.map(({ name }) => name))
    await client.query("SET TimeZone = 'UTC'")
    await client.query('SET jit = off')
    const plain = given.items.filter(({ zone }) => !abbreviated.has(zone))
    const found = await inChunks(
      plain,
      async (chunk) => (await client.query(given.query(byArgument), given.columns(chunk))).rows,
    )
    for (const zone of abbreviated) {
      await client.query("SELECT set_config('TimeZone', $1, false)", [zone])
      const own = given.items.filter((item) => item.zone === zone)
      found.push(
        ...(await inChunks(
          own,
          async (chunk) => (await client.query(given.query(bySession), given.columns(chunk))).rows,
        )),
      )
    }
    return found
  } finally {
    client.release(true)
  }
}

describe(`calendars agree with PostgreSQL (seed ${seed})`, () => {
  let zones: readonly string[] = []
  let samples: readonly Sample[] = []
  let periods: readonly PeriodOfSample[] = []

  beforeAll(async () => {
    const [major] = majors
    if (major === undefined) throw new Error('This run has no server.')
    const database = await createDatabase(major)
    const rows = await database.sql('SELECT name FROM pg_timezone_names ORDER BY name')
    zones = rows.map((row) => String(row['name'])).filter((name) => isTimeZone(name))
    const onlyServer = rows.map((row) => String(row['name'])).filter((name) => !isTimeZone(name))
    samples = zones.flatMap((zone) => zoneSamples(zone, { seed, years }).map((at) => ({ zone, at })))
    periods = samples
      .flatMap((sample) => periodsOf(sample))
      .filter(({ zone, end }) => !isKnown({ zone, at: end }))
    console.info(
      `${zones.length} zones, ${samples.length} instants, ${periods.length} periods ` +
        `(${samples.length * granularities.length - periods.length} left out, where rules are known to differ); ` +
        `zones that Node lacks: ${onlyServer.join(', ')}`,
    )
  }, 600_000)

  test('on nearly all zones that the server has, and on instants enough to mean something', () => {
    expect(zones.length).toBeGreaterThan(550)
    expect(samples.length).toBeGreaterThan(zones.length * years * 2)
  })

  describeEachServer('as the server reads them', (major) => {
    test('local clocks, both ways, but for the zones whose rules are known to differ', async () => {
      const rows = await askServer(await createDatabase(major), {
        items: samples,
        query: clockQuery,
        columns: (chunk) => [
          chunk.map(({ zone }) => zone),
          chunk.map(({ at }) => at),
          chunk.map(({ zone, at }) => wallClock(Instant.fromMicroseconds(at), zone)),
          chunk.map(
            ({ zone, at }) =>
              instantOfWallClock(wallClock(Instant.fromMicroseconds(at), zone), zone).epochMicroseconds,
          ),
        ],
      })
      const differing = rows.map(({ zone, at, clock, serverClock }) => ({
        zone: String(zone),
        at: Instant.from(String(at)).epochMicroseconds,
        clock,
        serverClock,
      }))
      const names = [...new Set(differing.map(({ zone }) => zone))].join(', ')
      console.info(
        `PostgreSQL ${major}: ${differing.length} of ${samples.length} instants differ: ${names || 'none'}`,
      )
      expect(differing.filter((row) => !isKnown(row))).toEqual([])
    }, 600_000)

    test('hours, days, weeks, months, quarters and years', async () => {
      const rows = await askServer(await createDatabase(major), {
        items: periods,
        query: periodQuery,
        columns: (chunk) => [
          chunk.map(({ zone }) => zone),
          chunk.map(({ unit }) => unit),
          chunk.map(({ at }) => at),
          chunk.map(({ start }) => start),
          chunk.map(({ end }) => end),
        ],
      })
      expect(rows.filter((row) => row['special'] === null)).toEqual([])
      const special = new Map<string, number>()
      for (const row of rows) {
        const unit = String(row['unit'])
        special.set(unit, (special.get(unit) ?? 0) + Number(row['special']))
      }
      console.info(
        `PostgreSQL ${major}: judged by the second rule: ${JSON.stringify(Object.fromEntries(special))}`,
      )
      expect(special.get('hour')).toBeGreaterThan(0)
      expect(special.get('day')).toBeGreaterThan(0)
    }, 600_000)
  })
})
