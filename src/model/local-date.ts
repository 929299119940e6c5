/** A date of the proleptic Gregorian calendar; `year` is astronomical: 0 is 1 BC, -43 is 44 BC. */
export interface LocalDate {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  /** 1 to 31. */
  readonly day: number
}

export interface IsoWeek {
  /** The year that the week belongs to: 2024-12-30 lies in week 1 of 2025. */
  readonly year: number
  /** 1 to 53. */
  readonly week: number
}

export const MICROSECONDS_PER_SECOND = 1_000_000n
export const MICROSECONDS_PER_HOUR: bigint = 3_600n * MICROSECONDS_PER_SECOND
export const MICROSECONDS_PER_DAY: bigint = 24n * MICROSECONDS_PER_HOUR

// Years are counted from March here, so that the leap day is the last day of its year.
const DAYS_FROM_MARCH_OF_YEAR_0_TO_1970 = 719_468
const DAYS_PER_400_YEARS = 146_097

/**
 * Counts the days from 1970-01-01 to a date.
 *
 * A month or day outside its range carries over: month 13 is January of the next year, day 0 the last of the month before.
 */
export function dayNumber({ year, month, day }: LocalDate): number {
  const monthsFromMarch = month - 3
  const y = year + Math.floor(monthsFromMarch / 12)
  const m = modulo(monthsFromMarch, 12)
  const leapDays = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400)
  return 365 * y + leapDays + daysBeforeMonth(m) + day - 1 - DAYS_FROM_MARCH_OF_YEAR_0_TO_1970
}

/** Turns a count of days since 1970-01-01 back into the date. */
export function dateOfDay(days: number): LocalDate {
  const shifted = days + DAYS_FROM_MARCH_OF_YEAR_0_TO_1970
  const cycle = Math.floor(shifted / DAYS_PER_400_YEARS)
  const inCycle = shifted - cycle * DAYS_PER_400_YEARS
  // A cycle ends with a leap day, and so do its blocks of 4 years: both must not count as a year more.
  const leapDaysSkipped =
    Math.floor(inCycle / 1_460) -
    Math.floor(inCycle / 36_524) +
    Math.floor(inCycle / (DAYS_PER_400_YEARS - 1))
  const yearOfCycle = Math.floor((inCycle - leapDaysSkipped) / 365)
  const dayOfYear =
    inCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100))
  const m = Math.floor((5 * dayOfYear + 2) / 153)
  const month = m < 10 ? m + 3 : m - 9
  const year = cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0)
  return { year, month, day: dayOfYear - daysBeforeMonth(m) + 1 }
}

/** Tells whether year, month and day are a date that exists. */
export function isDate(date: LocalDate): boolean {
  if (date.month >= 1 && date.month <= 12 && date.day >= 1 && date.day <= 28) return true
  const { year, month, day } = dateOfDay(dayNumber(date))
  return year === date.year && month === date.month && day === date.day
}

/** The ISO weekday of a day number: Monday is 1, Sunday is 7. */
export function weekday(days: number): number {
  return modulo(days + 3, 7) + 1
}

export function isoWeek(days: number): IsoWeek {
  // A week belongs to the year that its Thursday lies in.
  const thursday = days + 4 - weekday(days)
  const { year } = dateOfDay(thursday)
  return { year, week: Math.floor((thursday - dayNumber({ year, month: 1, day: 1 })) / 7) + 1 }
}

/** The day number of the Monday that an ISO week begins on. */
export function mondayOf({ year, week }: IsoWeek): number {
  const inWeekOne = dayNumber({ year, month: 1, day: 4 })
  return inWeekOne - weekday(inWeekOne) + 1 + (week - 1) * 7
}

/** The day that a wall clock shows, given as microseconds since 1970-01-01 00:00 of that clock. */
export function dayOfWallClock(wallClock: bigint): number {
  return Number(floorDivide(wallClock, MICROSECONDS_PER_DAY))
}

/** Midnight of a day, as microseconds since 1970-01-01 00:00 of the same clock. */
export function midnightOfDay(days: number): bigint {
  return BigInt(days) * MICROSECONDS_PER_DAY
}

/** Division that rounds towards minus infinity, so that it tiles the line on both sides of 1970. */
export function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor
  return value % divisor < 0n ? quotient - 1n : quotient
}

function daysBeforeMonth(monthsFromMarch: number): number {
  return Math.floor((153 * monthsFromMarch + 2) / 5)
}

function modulo(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor
}
