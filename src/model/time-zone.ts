import { Temporal } from 'temporal-polyfill'
import { Instant } from './instant.ts'
import { LARGEST_OFFSET, spanAt } from './zone-rules.ts'

/** A letter first: `+05:30` is no zone here, because PostgreSQL reads the sign of such names the other way round. */
const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+/-]*$/

const known = new Map<string, boolean>()

/** Tells whether this is an IANA time zone such as `Europe/Berlin` or `UTC`; upper and lower case do not matter. */
export function isTimeZone(name: string): boolean {
  const answer = known.get(name)
  if (answer !== undefined) return answer
  const found = ZONE_NAME.test(name) && hasRules(name)
  // Only good names are kept, so that no input can make the map grow without end.
  if (found) known.set(name, found)
  return found
}

/** Lists zone names to suggest from; links such as `Asia/Kolkata` may be missing and are time zones all the same. */
export function timeZoneNames(): readonly string[] {
  return (names ??= [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone')])])
}

let names: readonly string[] | undefined

/** What a clock on the wall of the zone shows: microseconds since 1970-01-01 00:00 of that clock. */
export function wallClock(instant: Instant, timeZone: string): bigint {
  return instant.epochMicroseconds + spanAt(timeZone, instant.epochMicroseconds).offset
}

/**
 * The instant at which a clock of the zone shows this time, as PostgreSQL reads `timestamp AT TIME ZONE`.
 *
 * A time that occurs twice is the later of the two; a time that is skipped is counted on with the offset before the gap.
 */
export function instantOfWallClock(wallClock: bigint, timeZone: string): Instant {
  let span = spanAt(timeZone, wallClock + LARGEST_OFFSET)
  while (wallClock - span.offset < span.start) span = spanAt(timeZone, span.start - 1n)
  return Instant.fromMicroseconds(wallClock - span.offset)
}

function hasRules(name: string): boolean {
  try {
    return new Temporal.ZonedDateTime(0n, name).offsetNanoseconds !== undefined
  } catch {
    return false
  }
}
