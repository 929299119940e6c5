import { InvalidPartitionConfigError } from '../errors.ts'
import { Instant } from './instant.ts'
import { keyCodec } from './key-codec.ts'
import { type LocalDate, dateOfDay, dayNumber, dayOfWallClock, midnightOfDay } from './local-date.ts'
import { partitionName } from './partition-name.ts'
import { type Period, type PeriodCalculator, periodAfter, periodBefore } from './period.ts'
import { instantOfWallClock, isTimeZone, wallClock } from './time-zone.ts'

export interface PeriodCalculatorOptions {
  /** The IANA zone in which periods begin. @default 'UTC' */
  readonly timeZone?: string
}

/**
 * What a calendar of your own extends: it says which period contains an instant and how that period is called.
 *
 * The constructor throws an `InvalidPartitionConfigError` for a time zone that does not exist.
 */
export abstract class BasePeriodCalculator implements PeriodCalculator {
  readonly timeZone: string

  constructor({ timeZone = 'UTC' }: PeriodCalculatorOptions = {}) {
    if (!isTimeZone(timeZone)) {
      const message = `"${timeZone}" is not an IANA time zone; write it like "Europe/Berlin" or "UTC".`
      throw new InvalidPartitionConfigError(message, { problems: [{ path: ['timeZone'], message }] })
    }
    this.timeZone = timeZone
  }

  abstract currentPeriod(at: Instant): Period

  /** Gives what stands behind the two underscores in the name of the period's partition: `2024_q3`. */
  protected abstract label(period: Period): string

  /** Gives an instant inside the period of a label, or undefined when it is none; without it names are not read back. */
  protected parseLabel(_label: string): Instant | undefined {
    return undefined
  }

  nextPeriod(period: Period): Period {
    return periodAfter(this, period)
  }

  previousPeriod(period: Period): Period {
    return periodBefore(this, period)
  }

  formatPartitionName(tableName: string, period: Period): string {
    return partitionName(tableName, this.label(period))
  }

  parsePartitionName(partitionName: string): Period | undefined {
    const labelAt = partitionName.lastIndexOf('__')
    if (labelAt < 1) return undefined
    const label = partitionName.slice(labelAt + 2)
    const at = this.parseLabel(label)
    if (at === undefined) return undefined
    const period = this.currentPeriod(at)
    return this.label(period) === label ? period : undefined
  }

  getBoundaries({ start, end }: Period): readonly [from: string, to: string] {
    const { encode } = keyCodec('timestamptz')
    return [encode(start.epochMicroseconds), encode(end.epochMicroseconds)]
  }

  /**
   * Gives the local day that contains an instant.
   *
   * A day reaches from its `midnight` to the next one, so near a midnight that occurs twice it is the day that the bound
   * of a partition puts the instant in, not always the date that a clock shows.
   */
  protected localDate(at: Instant): LocalDate {
    let day = dayOfWallClock(wallClock(at, this.timeZone))
    while (Instant.compare(this.#midnight(day), at) > 0) day -= 1
    while (Instant.compare(this.#midnight(day + 1), at) <= 0) day += 1
    return dateOfDay(day)
  }

  /**
   * Gives the instant at which a local day begins, as PostgreSQL reads `'2026-11-01 00:00'::timestamp AT TIME ZONE zone`.
   *
   * A month or day outside its range carries over: month 13 is January of the next year.
   */
  protected midnight(date: LocalDate): Instant {
    return this.#midnight(dayNumber(date))
  }

  /** Gives the period from the midnight of one local date to that of another. */
  protected periodBetween(first: LocalDate, next: LocalDate): Period {
    return { start: this.midnight(first), end: this.midnight(next) }
  }

  #midnight(day: number): Instant {
    return instantOfWallClock(midnightOfDay(day), this.timeZone)
  }
}
