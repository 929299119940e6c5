import { Temporal } from 'temporal-polyfill'
import {
  MICROSECONDS_PER_DAY,
  MICROSECONDS_PER_SECOND,
  dayNumber,
  floorDivide,
  midnightOfDay,
} from './local-date.ts'

/** A stretch of time in which a zone's clocks keep one distance from UTC; neighbours may have the same offset. */
export interface ZoneSpan {
  /** Microseconds since the epoch, included. */
  readonly start: bigint
  /** Microseconds since the epoch, not included. */
  readonly end: bigint
  /** Microseconds by which local clocks are ahead of UTC. */
  readonly offset: bigint
}

/** No zone's local time is farther from UTC than this; PostgreSQL stops below 16 hours. */
export const LARGEST_OFFSET: bigint = MICROSECONDS_PER_DAY

// The rules are looked up once per zone and window, and kept: one look-up costs about as much as 200 answers.
const WINDOW = 366n * MICROSECONDS_PER_DAY
const windows = new Map<string, Map<bigint, readonly ZoneSpan[]>>()

// The Gregorian calendar repeats after 400 years, and so do all rules that were not yet in use before FIRST_RULE or
// are still in use after LAST_RULE. So every year that PostgreSQL knows has an offset, also those beyond Temporal's range.
const CYCLE = 146_097n * MICROSECONDS_PER_DAY
const FIRST_RULE = midnightOfDay(dayNumber({ year: 1_800, month: 1, day: 1 }))
const LAST_RULE = midnightOfDay(dayNumber({ year: 2_500, month: 1, day: 1 }))

/** It never changed and never will, so there are no rules to look up; beyond every position that there can be. */
const allOfUtc: ZoneSpan = { start: -(1n << 80n), end: 1n << 80n, offset: 0n }

/** Gives the span of equal offset that contains an instant, or at least the part of it that is known together. */
export function spanAt(timeZone: string, microseconds: bigint): ZoneSpan {
  if (timeZone === 'UTC') return allOfUtc
  const cycles = cyclesOutside(microseconds)
  if (cycles === 0n) return findSpan(timeZone, microseconds)
  const shift = cycles * CYCLE
  const { start, end, offset } = findSpan(timeZone, microseconds - shift)
  return { start: start + shift, end: end + shift, offset }
}

function cyclesOutside(microseconds: bigint): bigint {
  if (microseconds >= LAST_RULE) return floorDivide(microseconds - LAST_RULE, CYCLE) + 1n
  if (microseconds < FIRST_RULE) return floorDivide(microseconds - FIRST_RULE, CYCLE) + 1n
  return 0n
}

function findSpan(timeZone: string, microseconds: bigint): ZoneSpan {
  const spans = spansOfWindow(timeZone, floorDivide(microseconds, WINDOW))
  const span = spans.find(({ end }) => microseconds < end)
  if (span === undefined) throw new RangeError(`The rules of ${timeZone} do not cover ${microseconds}.`)
  return span
}

function spansOfWindow(timeZone: string, index: bigint): readonly ZoneSpan[] {
  const ofZone = windows.get(timeZone) ?? new Map<bigint, readonly ZoneSpan[]>()
  windows.set(timeZone, ofZone)
  const known = ofZone.get(index)
  if (known !== undefined) return known
  const spans = readSpans(timeZone, index * WINDOW)
  ofZone.set(index, spans)
  return spans
}

function readSpans(timeZone: string, windowStart: bigint): readonly ZoneSpan[] {
  const windowEnd = windowStart + WINDOW
  const spans: ZoneSpan[] = []
  let start = windowStart
  let from = new Temporal.ZonedDateTime(windowStart * 1_000n, timeZone)
  while (start < windowEnd) {
    const change = from.getTimeZoneTransition('next')
    const changeAt = change === null ? windowEnd : microsecondsOf(change)
    const end = changeAt < windowEnd ? changeAt : windowEnd
    spans.push({ start, end, offset: offsetOf(from) })
    if (change === null) break
    start = end
    from = change
  }
  return spans
}

function microsecondsOf(time: Temporal.ZonedDateTime): bigint {
  return BigInt(time.epochMilliseconds / 1_000) * MICROSECONDS_PER_SECOND
}

function offsetOf(time: Temporal.ZonedDateTime): bigint {
  return BigInt(time.offsetNanoseconds / 1_000)
}
