import { Instant } from './instant.ts'
import { MICROSECONDS_PER_HOUR, floorDivide } from './local-date.ts'
import type { Period } from './period.ts'
import { LARGEST_OFFSET, type ZoneSpan, spanAt } from './zone-rules.ts'

/**
 * Gives the local hour that contains an instant.
 *
 * It starts where PostgreSQL's `date_trunc('hour', at, zone)` says, or at the last change of the zone's offset when that
 * was later: where clocks move by half an hour, two truncated hours would overlap.
 */
export function hourAt(at: Instant, timeZone: string): Period {
  const span = spanAt(timeZone, at.epochMicroseconds)
  const truncated = hourOfWallClock(at.epochMicroseconds + span.offset) - span.offset
  return {
    start: Instant.fromMicroseconds(startOfOffset(span, truncated, timeZone)),
    end: Instant.fromMicroseconds(endOfOffset(span, truncated + MICROSECONDS_PER_HOUR, timeZone)),
  }
}

/** Gives the full hour that a wall clock shows at the start of an hour of the zone. */
export function wallClockHour({ start }: Period, timeZone: string): bigint {
  return hourOfWallClock(start.epochMicroseconds + spanAt(timeZone, start.epochMicroseconds).offset)
}

/** Lists the starts of all periods in which the zone's clocks show this hour: one, two where clocks went back, or none. */
export function occurrencesOfHour(hour: bigint, timeZone: string): readonly bigint[] {
  const starts = new Set<bigint>()
  const earliest = hour - LARGEST_OFFSET
  let span = spanAt(timeZone, hour + LARGEST_OFFSET)
  for (;;) {
    const first = hour - span.offset
    const inside = first > span.start ? first : span.start
    if (inside < span.end && inside < first + MICROSECONDS_PER_HOUR) {
      starts.add(hourAt(Instant.fromMicroseconds(inside), timeZone).start.epochMicroseconds)
    }
    if (span.start <= earliest) return [...starts].toReversed()
    span = spanAt(timeZone, span.start - 1n)
  }
}

function hourOfWallClock(wallClock: bigint): bigint {
  return floorDivide(wallClock, MICROSECONDS_PER_HOUR) * MICROSECONDS_PER_HOUR
}

/** The start of the unbroken run of one offset that `span` lies in, but not before `limit`. */
function startOfOffset(span: ZoneSpan, limit: bigint, timeZone: string): bigint {
  if (span.start <= limit) return limit
  const before = spanAt(timeZone, span.start - 1n)
  return before.offset === span.offset ? startOfOffset(before, limit, timeZone) : span.start
}

/** The end of the unbroken run of one offset that `span` lies in, but not after `limit`. */
function endOfOffset(span: ZoneSpan, limit: bigint, timeZone: string): bigint {
  if (span.end >= limit) return limit
  const after = spanAt(timeZone, span.end)
  return after.offset === span.offset ? endOfOffset(after, limit, timeZone) : span.end
}
