import { PartitionError } from '../errors.ts'
import { BasePeriodCalculator } from './base-calculator.ts'
import { hourAt, occurrencesOfHour, wallClockHour } from './hour-period.ts'
import { Instant } from './instant.ts'
import type { TimeKeyType } from './key-codec.ts'
import {
  type LocalDate,
  MICROSECONDS_PER_HOUR,
  dateOfDay,
  dayNumber,
  dayOfWallClock,
  isDate,
  isoWeek,
  midnightOfDay,
  mondayOf,
} from './local-date.ts'
import type { Period, PeriodCalculator } from './period.ts'
import { wallClock } from './time-zone.ts'
import { padded } from './wall-clock-text.ts'

export { BasePeriodCalculator, type PeriodCalculatorOptions } from './base-calculator.ts'
export { type Period, type PeriodCalculator, checkedPeriod } from './period.ts'

/** The lengths of period that need no calculator of your own. */
export type PartitionGranularity = 'hour' | 'day' | 'week' | 'month' | 'quarter' | 'year'
export const PartitionGranularity = {
  HOUR: 'hour',
  DAY: 'day',
  WEEK: 'week',
  MONTH: 'month',
  QUARTER: 'quarter',
  YEAR: 'year',
} as const

/**
 * Local hours: `events__2024_01_15_08`.
 *
 * Where clocks go back, the hour that comes again is a period of its own and its label ends in `b`. Where an offset
 * changes by less than an hour, the hour is cut at the change: the parts are shorter than an hour.
 */
export class HourPeriodCalculator extends BasePeriodCalculator {
  currentPeriod(at: Instant): Period {
    return hourAt(at, this.timeZone)
  }

  protected label(period: Period): string {
    const hour = wallClockHour(period, this.timeZone)
    const day = dayOfWallClock(hour)
    const hourOfDay = Number((hour - midnightOfDay(day)) / MICROSECONDS_PER_HOUR)
    const earlier = occurrencesOfHour(hour, this.timeZone).indexOf(period.start.epochMicroseconds)
    return `${dayLabel(dateOfDay(day))}_${padded(hourOfDay)}${earlier > 0 ? suffixes[earlier] : ''}`
  }

  protected override parseLabel(label: string): Instant | undefined {
    const {
      date,
      hour,
      suffix = '',
    } = /^(?<date>.+)_(?<hour>[01]\d|2[0-3])(?<suffix>[b-d]?)$/.exec(label)?.groups ?? {}
    const day = date === undefined ? undefined : parseDayLabel(date)
    if (day === undefined) return undefined
    const wallClock = midnightOfDay(dayNumber(day)) + BigInt(Number(hour)) * MICROSECONDS_PER_HOUR
    const start = occurrencesOfHour(wallClock, this.timeZone)[suffixes.indexOf(suffix)]
    return start === undefined ? undefined : Instant.fromMicroseconds(start)
  }
}

/** Local days, 23 or 25 hours long where clocks change: `events__2024_01_15`. */
export class DayPeriodCalculator extends BasePeriodCalculator {
  currentPeriod(at: Instant): Period {
    const date = this.localDate(at)
    return this.periodBetween(date, { ...date, day: date.day + 1 })
  }

  protected label({ start }: Period): string {
    return dayLabel(this.localDate(start))
  }

  protected override parseLabel(label: string): Instant | undefined {
    const date = parseDayLabel(label)
    return date === undefined ? undefined : this.midnight(date)
  }
}

/** ISO weeks, which begin on a local Monday: `events__2024_w03`, where 2024 is the year that the week belongs to. */
export class WeekPeriodCalculator extends BasePeriodCalculator {
  currentPeriod(at: Instant): Period {
    const monday = mondayOf(isoWeek(dayNumber(this.localDate(at))))
    return this.periodBetween(dateOfDay(monday), dateOfDay(monday + 7))
  }

  protected label({ start }: Period): string {
    const { year, week } = isoWeek(dayNumber(this.localDate(start)))
    return `${yearLabel(year)}_w${padded(week)}`
  }

  protected override parseLabel(label: string): Instant | undefined {
    const match = /^((?!0000)\d{4,6})_w(0[1-9]|[1-5]\d)$/.exec(label)
    if (match === null) return undefined
    return this.midnight(dateOfDay(mondayOf({ year: Number(match[1]), week: Number(match[2]) })))
  }
}

/** Local calendar months: `events__2024_01`. */
export class MonthPeriodCalculator extends BasePeriodCalculator {
  currentPeriod(at: Instant): Period {
    const { year, month } = this.localDate(at)
    return this.periodBetween({ year, month, day: 1 }, { year, month: month + 1, day: 1 })
  }

  protected label({ start }: Period): string {
    const { year, month } = this.localDate(start)
    return `${yearLabel(year)}_${padded(month)}`
  }

  protected override parseLabel(label: string): Instant | undefined {
    const date = parseDayLabel(`${label}_01`)
    return date === undefined ? undefined : this.midnight(date)
  }
}

/** Local quarters of a year: `events__2024_q3`. */
export class QuarterPeriodCalculator extends BasePeriodCalculator {
  currentPeriod(at: Instant): Period {
    const { year, month } = this.localDate(at)
    const first = month - ((month - 1) % 3)
    return this.periodBetween({ year, month: first, day: 1 }, { year, month: first + 3, day: 1 })
  }

  protected label({ start }: Period): string {
    const { year, month } = this.localDate(start)
    return `${yearLabel(year)}_q${Math.ceil(month / 3)}`
  }

  protected override parseLabel(label: string): Instant | undefined {
    const match = /^((?!0000)\d{4,6})_q([1-4])$/.exec(label)
    if (match === null) return undefined
    return this.midnight({ year: Number(match[1]), month: Number(match[2]) * 3 - 2, day: 1 })
  }
}

/** Local calendar years: `events__2024`. */
export class YearPeriodCalculator extends BasePeriodCalculator {
  currentPeriod(at: Instant): Period {
    const { year } = this.localDate(at)
    return this.periodBetween({ year, month: 1, day: 1 }, { year: year + 1, month: 1, day: 1 })
  }

  protected label({ start }: Period): string {
    return yearLabel(this.localDate(start).year)
  }

  protected override parseLabel(label: string): Instant | undefined {
    const date = parseDayLabel(`${label}_01_01`)
    return date === undefined ? undefined : this.midnight(date)
  }
}

const builtIn = {
  hour: HourPeriodCalculator,
  day: DayPeriodCalculator,
  week: WeekPeriodCalculator,
  month: MonthPeriodCalculator,
  quarter: QuarterPeriodCalculator,
  year: YearPeriodCalculator,
} as const satisfies Readonly<Record<PartitionGranularity, unknown>>

/** Gives the built-in calculator; throws an `InvalidPartitionConfigError` for a time zone that does not exist. */
export function calculatorFor(granularity: PartitionGranularity, timeZone: string): PeriodCalculator {
  return new builtIn[granularity]({ timeZone })
}

/** Whether a calculator is the built-in one of a granularity, or a subclass of it, for example with other names. */
export function isCalculatorOf(calculator: PeriodCalculator, granularity: PartitionGranularity): boolean {
  return calculator instanceof builtIn[granularity]
}

/**
 * Gives the calculator to cut a key's own line with.
 *
 * The line of a `timestamp` or `date` key is a wall clock read as UTC, so a built-in calculator of another zone becomes
 * the same one in UTC. A calculator of your own (a subclass too) stays as it is: give it the zone UTC for such keys.
 */
export function calculatorOnLine(calculator: PeriodCalculator, keyType: TimeKeyType): PeriodCalculator {
  if (keyType === 'timestamptz' || calculator.timeZone === 'UTC') return calculator
  const same = builtInOf(calculator)
  return same === undefined ? calculator : new same({ timeZone: 'UTC' })
}

/** Whether it is a calculator of the library itself, no subclass: its answers are known and never change. */
export function isBuiltIn(calculator: PeriodCalculator): boolean {
  return builtInOf(calculator) !== undefined
}

function builtInOf(calculator: PeriodCalculator): (typeof builtIn)[PartitionGranularity] | undefined {
  return Object.values(builtIn).find((constructor) => calculator.constructor === constructor)
}

/** Gives the position of an instant on a key's own line: the instant itself, or what a clock of the zone shows then. */
export function positionOf(now: Instant, timeZone: string, keyType: TimeKeyType): bigint {
  return keyType === 'timestamptz' ? now.epochMicroseconds : wallClock(now, timeZone)
}

/** What the label of an hour ends in when clocks show that hour for the first time, the second time and so on. */
const suffixes: readonly string[] = ['', 'b', 'c', 'd']

function yearLabel(year: number): string {
  if (year < 1)
    throw new PartitionError('Partitions of years before 1 AD cannot be named; start at 0001-01-01.')
  return padded(year, 4)
}

function dayLabel({ year, month, day }: LocalDate): string {
  return `${yearLabel(year)}_${padded(month)}_${padded(day)}`
}

function parseDayLabel(label: string): LocalDate | undefined {
  const match = /^((?!0000)\d{4,6})_(\d\d)_(\d\d)$/.exec(label)
  if (match === null) return undefined
  const date = { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) }
  return isDate(date) ? date : undefined
}
