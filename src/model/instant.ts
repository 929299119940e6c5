import { PartitionError } from '../errors.ts'
import { dateOfDay, dayOfWallClock, floorDivide } from './local-date.ts'
import { formatTimeOfDay, offsetOf, padded, wallClockOf } from './wall-clock-text.ts'

/** Anything that names one point in time: an ISO text with `Z` or an offset, a `Date`, or a Temporal value. */
export type InstantLike = Instant | Date | string | { readonly epochNanoseconds: bigint }

const ISO =
  /^(\d{4}|[+-]\d{6,7})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?([Zz]|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?$/

const ISO_DATE = /^(\d{4}|[+-]\d{6,7})-\d\d-\d\d$/

/** A point in time to the microsecond, as PostgreSQL keeps it; it cannot be changed. */
export class Instant {
  /** Microseconds since 1970-01-01T00:00:00Z. */
  readonly epochMicroseconds: bigint

  private constructor(epochMicroseconds: bigint) {
    this.epochMicroseconds = epochMicroseconds
  }

  static fromMicroseconds(epochMicroseconds: bigint): Instant {
    return new Instant(epochMicroseconds)
  }

  /**
   * Takes an instant from what the caller has.
   *
   * Parts of a microsecond are cut off. Throws a `PartitionError` when a text has no `Z` or offset, or is no instant.
   */
  static from(value: InstantLike): Instant {
    if (value instanceof Instant) return value
    if (typeof value === 'string') return new Instant(parse(value))
    if (value instanceof Date) {
      const milliseconds = value.getTime()
      if (Number.isNaN(milliseconds)) throw new PartitionError('An invalid Date names no instant.')
      return new Instant(BigInt(milliseconds) * 1_000n)
    }
    if (isTemporal(value)) return new Instant(floorDivide(value.epochNanoseconds, 1_000n))
    throw new PartitionError(
      `${JSON.stringify(value) ?? String(value)} names no instant: give an ISO text with an offset, a Date or a Temporal.Instant.`,
    )
  }

  /** Orders two instants as `Array.prototype.sort` wants it: -1, 0 or 1. */
  static compare(this: void, a: Instant, b: Instant): -1 | 0 | 1 {
    if (a.epochMicroseconds === b.epochMicroseconds) return 0
    return a.epochMicroseconds < b.epochMicroseconds ? -1 : 1
  }

  /** Gives the instant so many microseconds later; earlier when the count is negative. */
  add(microseconds: bigint): Instant {
    return new Instant(this.epochMicroseconds + microseconds)
  }

  /** Gives the instant as a `Date`, cut to the millisecond; throws a `PartitionError` where `Date` ends (year 275760). */
  toDate(): Date {
    const date = new Date(Number(floorDivide(this.epochMicroseconds, 1_000n)))
    if (Number.isNaN(date.getTime())) {
      throw new PartitionError(`${this.toString()} lies outside of what a Date can hold.`)
    }
    return date
  }

  /** Writes ISO 8601 in UTC: `2026-03-08T05:00:00Z`, with up to six digits of a second only when they are not zero. */
  toString(): string {
    const { year, month, day } = dateOfDay(dayOfWallClock(this.epochMicroseconds))
    const time = formatTimeOfDay(this.epochMicroseconds)
    return `${formatYear(year)}-${padded(month)}-${padded(day)}T${time}Z`
  }

  toJSON(): string {
    return this.toString()
  }
}

function parse(text: string): bigint {
  const match = ISO.exec(text)
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '0', fraction = '', zone] =
    match ?? []
  if (ISO_DATE.test(text) || (match !== null && zone === undefined)) {
    throw new PartitionError(
      `"${text}" names no instant, because it has no zone. Add Z for UTC or an offset such as +02:00.`,
    )
  }
  const wallClock = wallClockOf({ year: Number(year), month, day, hour, minute, second, fraction })
  const offset = zone === undefined || /^z$/i.test(zone) ? 0n : offsetOf(zone)
  if (match === null || wallClock === undefined || offset === undefined) {
    throw new PartitionError(
      `"${text}" is not an ISO 8601 date and time. Write it like 2026-03-08T05:00:00Z or 2026-03-08T00:00:00-05:00.`,
    )
  }
  return wallClock - offset
}

/** ISO 8601 writes years outside of 0000 to 9999 with a sign and at least six digits. */
function formatYear(year: number): string {
  if (year >= 0 && year <= 9_999) return padded(year, 4)
  return (year < 0 ? '-' : '+') + padded(Math.abs(year), 6)
}

function isTemporal(value: unknown): value is { readonly epochNanoseconds: bigint } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'epochNanoseconds' in value &&
    typeof value.epochNanoseconds === 'bigint'
  )
}
