/** Instants at which calendars go wrong, if they do. */

import * as fc from 'fast-check'
import { Instant } from '../../src/model/instant.ts'
import {
  MICROSECONDS_PER_DAY,
  MICROSECONDS_PER_HOUR,
  dayNumber,
  midnightOfDay,
} from '../../src/model/local-date.ts'
import { instantOfWallClock, wallClock } from '../../src/model/time-zone.ts'
import { spanAt } from '../../src/model/zone-rules.ts'

/** The years that samples are taken from: 1970 to 2099. */
export const sampledYears = 130

const minute = MICROSECONDS_PER_HOUR / 60n

/** Known to be difficult, and so never left to chance. */
const difficult: readonly (readonly [zone: string, change: string])[] = [
  ['America/Havana', '2026-11-01T05:00:00Z'],
  ['America/Sao_Paulo', '2018-11-04T03:00:00Z'],
  ['America/St_Johns', '2006-10-29T02:31:00Z'],
  ['America/Toronto', '1974-04-28T05:00:00Z'],
  ['Asia/Amman', '2021-10-28T22:00:00Z'],
  ['Asia/Kathmandu', '1985-12-31T18:30:00Z'],
  ['Asia/Pyongyang', '2018-05-04T15:00:00Z'],
  ['Africa/Monrovia', '1972-01-07T00:44:30Z'],
  ['America/Caracas', '2007-12-09T07:00:00Z'],
  ['America/Scoresbysund', '2024-03-31T01:00:00Z'],
  ['Antarctica/Troll', '2026-03-29T01:00:00Z'],
  ['Australia/Lord_Howe', '2026-04-04T15:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T15:30:00Z'],
  ['Pacific/Apia', '2011-12-30T10:00:00Z'],
  ['Pacific/Kiritimati', '1994-12-31T10:40:00Z'],
  ['Pacific/Kwajalein', '1993-08-21T12:00:00Z'],
]

/** Gives instants of so many years of the zone: many around each change of clocks and the midnights beside it, some anywhere. */
export function zoneSamples(
  zone: string,
  options: { readonly seed: number; readonly years: number },
): readonly bigint[] {
  const year = fc.integer({ min: 1970, max: 1970 + sampledYears - 1 })
  const years = fc.uniqueArray(year, { minLength: options.years, maxLength: options.years })
  // One source of randomness for all zones would give them all the same years.
  const seed = Buffer.from(zone).reduce((hash, byte) => (hash * 31 + byte) | 0, options.seed)
  const inYears = fc
    .sample(years, { seed, numRuns: 1 })
    .flat()
    .flatMap((each) =>
      [yearStart(each)].concat(changesInYear(zone, each).flatMap((change) => around(zone, change))),
    )
  const spread = fc.array(fc.bigInt({ min: 0n, max: MICROSECONDS_PER_DAY }), {
    minLength: inYears.length,
    maxLength: inYears.length,
  })
  const [offsets = []] = fc.sample(spread, { seed, numRuns: 1 })
  const moved = inYears.map((at, index) => at + (offsets[index] ?? 0n) - MICROSECONDS_PER_DAY / 2n)
  const fixed = difficult
    .filter(([name]) => name === zone)
    .flatMap(([, change]) => around(zone, Instant.from(change).epochMicroseconds))
  return [...inYears, ...moved, ...fixed]
}

/** The first instant of a year, where a year, a quarter, a month and often a week meet. */
function yearStart(year: number): bigint {
  return midnightOfDay(dayNumber({ year, month: 1, day: 1 }))
}

function changesInYear(zone: string, year: number): readonly bigint[] {
  const end = yearStart(year + 1)
  const changes: bigint[] = []
  for (let span = spanAt(zone, yearStart(year)); span.end < end; span = spanAt(zone, span.end)) {
    if (spanAt(zone, span.end).offset !== span.offset) changes.push(span.end)
  }
  return changes
}

function around(zone: string, change: bigint): readonly bigint[] {
  const local = wallClock(Instant.fromMicroseconds(change), zone)
  const midnight = (local / MICROSECONDS_PER_DAY) * MICROSECONDS_PER_DAY
  const midnights = [midnight, midnight + MICROSECONDS_PER_DAY].map(
    (each) => instantOfWallClock(each, zone).epochMicroseconds,
  )
  return [
    change,
    change - 1n,
    change + 29n * minute,
    change - 29n * minute,
    change + 59n * minute,
    change - 61n * minute,
    ...midnights,
    ...midnights.map((each) => each - 1n),
    ...midnights.map((each) => each - 30n * minute),
  ]
}
