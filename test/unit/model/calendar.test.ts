import { describe, expect, test } from 'vitest'

import { InvalidPartitionConfigError } from '../../../src/errors.ts'
import {
  DayPeriodCalculator,
  HourPeriodCalculator,
  MonthPeriodCalculator,
  PartitionGranularity,
  QuarterPeriodCalculator,
  WeekPeriodCalculator,
  YearPeriodCalculator,
  calculatorFor,
  calculatorOnLine,
  positionOf,
} from '../../../src/model/calendar.ts'
import type { Period, PeriodCalculator } from '../../../src/model/calendar.ts'
import { Instant } from '../../../src/model/instant.ts'
import { checkedPeriod, periodAfter } from '../../../src/model/period.ts'

const text = ({ start, end }: Period): string => `${start.toString()} ${end.toString()}`
const at = (iso: string): Instant => Instant.from(iso)
const name = (calculator: PeriodCalculator, iso: string): string =>
  calculator.formatPartitionName('events', calculator.currentPeriod(at(iso)))

/** Walks through the periods that begin in [from, to): their names with their lengths in minutes. */
function walk(calculator: PeriodCalculator, from: string, to: string): string[] {
  const found: string[] = []
  for (let period = checkedPeriod(calculator, at(from)); Instant.compare(period.start, at(to)) < 0;) {
    const minutes = (period.end.epochMicroseconds - period.start.epochMicroseconds) / 60_000_000n
    found.push(`${calculator.formatPartitionName('e', period).slice(3)} ${minutes}`)
    period = periodAfter(calculator, period)
  }
  return found
}

describe('the built-in calendars', () => {
  test.each([
    ['hour', '2024-01-15T08:00:00Z 2024-01-15T09:00:00Z', 'events__2024_01_15_08'],
    ['day', '2024-01-15T00:00:00Z 2024-01-16T00:00:00Z', 'events__2024_01_15'],
    ['week', '2024-01-15T00:00:00Z 2024-01-22T00:00:00Z', 'events__2024_w03'],
    ['month', '2024-01-01T00:00:00Z 2024-02-01T00:00:00Z', 'events__2024_01'],
    ['quarter', '2024-01-01T00:00:00Z 2024-04-01T00:00:00Z', 'events__2024_q1'],
    ['year', '2024-01-01T00:00:00Z 2025-01-01T00:00:00Z', 'events__2024'],
  ] as const)('cut time into a %s in UTC: %s, named %s', (granularity, period, partition) => {
    const calculator = calculatorFor(granularity, 'UTC')
    expect(text(calculator.currentPeriod(at('2024-01-15T08:30:00Z')))).toBe(period)
    expect(name(calculator, '2024-01-15T08:30:00Z')).toBe(partition)
    expect(calculator.parsePartitionName(partition)).toEqual(
      calculator.currentPeriod(at('2024-01-15T08:30:00Z')),
    )
  })

  test('come by granularity, as a word or as a constant, and default to UTC', () => {
    expect(calculatorFor('month', 'Europe/Berlin')).toBeInstanceOf(MonthPeriodCalculator)
    expect(calculatorFor(PartitionGranularity.QUARTER, 'Europe/Berlin').timeZone).toBe('Europe/Berlin')
    expect(new DayPeriodCalculator().timeZone).toBe('UTC')
  })

  test('put both ends of a period where they belong', () => {
    const day = new DayPeriodCalculator()
    expect(name(day, '2024-01-15T00:00:00Z')).toBe('events__2024_01_15')
    expect(name(day, '2024-01-15T23:59:59.999999Z')).toBe('events__2024_01_15')
    expect(name(day, '2024-01-16T00:00:00Z')).toBe('events__2024_01_16')
  })

  test('give boundaries that carry their offset and that PostgreSQL reads in any session', () => {
    const day = new DayPeriodCalculator({ timeZone: 'America/New_York' })
    expect(day.getBoundaries(day.currentPeriod(at('2026-03-08T12:00:00Z')))).toEqual([
      '2026-03-08 05:00:00+00',
      '2026-03-09 04:00:00+00',
    ])
  })

  test('step to the next and the previous period', () => {
    const month = new MonthPeriodCalculator({ timeZone: 'Europe/Berlin' })
    const march = month.currentPeriod(at('2026-03-15T00:00:00Z'))
    expect(text(march)).toBe('2026-02-28T23:00:00Z 2026-03-31T22:00:00Z')
    expect(text(month.nextPeriod(march))).toBe('2026-03-31T22:00:00Z 2026-04-30T22:00:00Z')
    expect(text(month.previousPeriod(march))).toBe('2026-01-31T23:00:00Z 2026-02-28T23:00:00Z')
  })

  test('name weeks by the ISO year that they belong to', () => {
    const week = new WeekPeriodCalculator()
    expect(name(week, '2024-12-29T12:00:00Z')).toBe('events__2024_w52')
    expect(name(week, '2024-12-30T12:00:00Z')).toBe('events__2025_w01')
    expect(name(week, '2021-01-03T12:00:00Z')).toBe('events__2020_w53')
    expect(text(week.currentPeriod(at('2021-01-03T12:00:00Z')))).toBe(
      '2020-12-28T00:00:00Z 2021-01-04T00:00:00Z',
    )
  })

  test('refuse a time zone that does not exist, in a sentence', () => {
    expect(() => calculatorFor('day', 'Europe/Berln')).toThrow(InvalidPartitionConfigError)
    expect(() => new DayPeriodCalculator({ timeZone: '+02:00' })).toThrow('"+02:00" is not an IANA time zone')
  })
})

describe('local days', () => {
  test.each([
    [
      'America/New_York',
      '2026-03-07T12:00:00Z',
      '2026-03-10T00:00:00Z',
      ['2026_03_07 1440', '2026_03_08 1380', '2026_03_09 1440'],
    ],
    [
      'America/New_York',
      '2026-10-31T12:00:00Z',
      '2026-11-03T00:00:00Z',
      ['2026_10_31 1440', '2026_11_01 1500', '2026_11_02 1440'],
    ],
    [
      'Australia/Lord_Howe',
      '2026-04-04T01:00:00Z',
      '2026-04-06T00:00:00Z',
      ['2026_04_04 1440', '2026_04_05 1470', '2026_04_06 1440'],
    ],
    // Midnight comes twice: the day starts at the later one, so the hour before it belongs to the day before.
    [
      'America/Havana',
      '2026-10-31T12:00:00Z',
      '2026-11-02T12:00:00Z',
      ['2026_10_31 1500', '2026_11_01 1440', '2026_11_02 1440'],
    ],
    // Midnight is skipped.
    [
      'America/Sao_Paulo',
      '2018-11-03T12:00:00Z',
      '2018-11-05T00:00:00Z',
      ['2018_11_03 1440', '2018_11_04 1380'],
    ],
    // A whole day is skipped, and has no period.
    [
      'Pacific/Apia',
      '2011-12-29T12:00:00Z',
      '2011-12-31T12:00:00Z',
      ['2011_12_29 1440', '2011_12_31 1440', '2012_01_01 1440'],
    ],
  ])('of %s follow each other over a change of clocks on %s', (timeZone, ...[from, to, days]) => {
    expect(walk(new DayPeriodCalculator({ timeZone }), from, to)).toEqual(days)
  })

  test('before a midnight that comes twice belong to the day before, as the bound of its partition says', () => {
    const day = new DayPeriodCalculator({ timeZone: 'America/Havana' })
    // 04:30Z shows 00:30 on November 1st for the first time; the day starts at 05:00Z.
    expect(name(day, '2026-11-01T04:30:00Z')).toBe('events__2026_10_31')
    expect(name(day, '2026-11-01T05:00:00Z')).toBe('events__2026_11_01')
  })

  test('that were skipped have no name that could be read back', () => {
    const day = new DayPeriodCalculator({ timeZone: 'Pacific/Apia' })
    expect(day.parsePartitionName('events__2011_12_30')).toBeUndefined()
    expect(day.parsePartitionName('events__2011_12_31')).toBeDefined()
  })
})

describe('local hours', () => {
  test.each([
    [
      'America/New_York',
      '2026-03-08T06:00:00Z',
      '2026-03-08T08:00:00Z',
      ['2026_03_08_01 60', '2026_03_08_03 60'],
    ],
    [
      'America/New_York',
      '2026-11-01T04:00:00Z',
      '2026-11-01T08:00:00Z',
      ['2026_11_01_00 60', '2026_11_01_01 60', '2026_11_01_01b 60', '2026_11_01_02 60'],
    ],
    // Clocks go from 02:00 back to 01:30, so the second half of 01 comes again.
    [
      'Australia/Lord_Howe',
      '2026-04-04T14:00:00Z',
      '2026-04-04T16:00:00Z',
      ['2026_04_05_01 60', '2026_04_05_01b 30', '2026_04_05_02 60'],
    ],
    // Clocks go from 02:00 to 02:30.
    [
      'Australia/Lord_Howe',
      '2026-10-03T14:30:00Z',
      '2026-10-03T16:00:00Z',
      ['2026_10_04_01 60', '2026_10_04_02 30'],
    ],
    // Clocks go from 00:01 back to 23:01 of the day before.
    [
      'America/St_Johns',
      '2006-10-29T01:30:00Z',
      '2006-10-29T04:30:00Z',
      ['2006_10_28_23 60', '2006_10_29_00 1', '2006_10_28_23b 59', '2006_10_29_00b 60'],
    ],
    // Clocks go from 00:00 on to 00:44:30.
    [
      'Africa/Monrovia',
      '1972-01-06T23:44:30Z',
      '1972-01-07T02:00:00Z',
      ['1972_01_06_23 60', '1972_01_07_00 15', '1972_01_07_01 60'],
    ],
    [
      'Asia/Kolkata',
      '2026-01-01T00:30:00Z',
      '2026-01-01T02:00:00Z',
      ['2026_01_01_06 60', '2026_01_01_07 60'],
    ],
  ])('of %s follow each other over a change of clocks at %s', (timeZone, ...[from, to, hours]) => {
    const hour = new HourPeriodCalculator({ timeZone })
    expect(walk(hour, from, to)).toEqual(hours)
    for (const label of hours.map((each) => each.split(' ')[0])) {
      const period = hour.parsePartitionName(`events__${label}`)
      expect(period && hour.formatPartitionName('events', period)).toBe(`events__${label}`)
    }
  })
})

describe('the names of far years', () => {
  test.each([
    ['day', '+010000-01-01T00:00:00Z', 'events__10000_01_01'],
    ['month', '+294276-12-31T23:59:59Z', 'events__294276_12'],
    ['week', '0001-01-01T00:00:00Z', 'events__0001_w01'],
    ['year', '0044-03-15T00:00:00Z', 'events__0044'],
    ['hour', '+294276-12-31T23:59:59Z', 'events__294276_12_31_23'],
  ] as const)('of a %s at %s are %s and are read back', (granularity, iso, partition) => {
    const calculator = calculatorFor(granularity, 'UTC')
    expect(name(calculator, iso)).toBe(partition)
    expect(calculator.parsePartitionName(partition)).toEqual(calculator.currentPeriod(at(iso)))
  })

  test.each(['hour', 'day', 'month', 'quarter', 'year'] as const)(
    'before Christ are refused for a %s',
    (granularity) => {
      const calculator = calculatorFor(granularity, 'Europe/Berlin')
      const period = calculator.currentPeriod(at('-000043-03-15T00:00:00Z'))
      expect(() => calculator.formatPartitionName('events', period)).toThrow(
        'years before 1 AD cannot be named',
      )
    },
  )
})

describe('parsePartitionName', () => {
  test.each([
    ['hour', 'events__2024_01_15_24'],
    ['hour', 'events__2024_01_15_08b'],
    ['hour', 'events__2024_02_30_08'],
    ['day', 'events__2024_02_30'],
    ['day', 'events_2024_01_15'],
    ['day', '__2024_01_15'],
    ['day', 'events__2024_01_15x'],
    ['day', 'events__02024_01_15'],
    ['day', 'events__0000_01_15'],
    ['quarter', 'events__0000_q1'],
    ['week', 'events__0001_w00'],
    ['week', 'events__0000_w20'],
    ['week', 'events__2024_w53'],
    ['week', 'events__2024_w00'],
    ['month', 'events__2024_13'],
    ['month', 'events__2024'],
    ['quarter', 'events__2024_q5'],
    ['year', 'events__24'],
    ['year', 'events'],
  ] as const)('as %s does not read %s', (granularity, partition) => {
    expect(calculatorFor(granularity, 'UTC').parsePartitionName(partition)).toBeUndefined()
  })

  test('reads names that were cut, because the label never is', () => {
    const month = new MonthPeriodCalculator()
    const period = month.currentPeriod(at('2024-01-15T00:00:00Z'))
    expect(month.parsePartitionName(month.formatPartitionName('x__y'.repeat(15), period))).toEqual(period)
  })
})

describe('the line of a key', () => {
  const now = at('2026-03-08T05:30:00.000001Z')

  test('is UTC for timestamptz and the wall clock for timestamp and date', () => {
    expect(positionOf(now, 'America/New_York', 'timestamptz')).toBe(now.epochMicroseconds)
    expect(positionOf(now, 'America/New_York', 'timestamp')).toBe(
      at('2026-03-08T00:30:00.000001Z').epochMicroseconds,
    )
    expect(positionOf(now, 'America/New_York', 'date')).toBe(
      at('2026-03-08T00:30:00.000001Z').epochMicroseconds,
    )
  })

  test('is cut by the same calendar in UTC when it is a wall clock', () => {
    const week = new WeekPeriodCalculator({ timeZone: 'America/New_York' })
    const onLine = calculatorOnLine(week, 'date')
    expect(onLine).toBeInstanceOf(WeekPeriodCalculator)
    expect(onLine.timeZone).toBe('UTC')
    expect(calculatorOnLine(week, 'timestamptz')).toBe(week)
    const utc = new YearPeriodCalculator()
    expect(calculatorOnLine(utc, 'timestamp')).toBe(utc)
  })

  test('is cut by a calendar of one’s own as it is', () => {
    class OwnQuarters extends QuarterPeriodCalculator {}
    const own = new OwnQuarters({ timeZone: 'Asia/Tokyo' })
    expect(calculatorOnLine(own, 'date')).toBe(own)
  })
})
