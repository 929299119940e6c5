import {
  MICROSECONDS_PER_DAY,
  MICROSECONDS_PER_HOUR,
  MICROSECONDS_PER_SECOND,
  dayNumber,
  dayOfWallClock,
  isDate,
  midnightOfDay,
} from './local-date.ts'

/** The parts of a date and time as they were written; each is a run of digits. */
export interface WallClockParts {
  readonly year: number
  readonly month: string
  readonly day: string
  readonly hour: string
  readonly minute: string
  readonly second: string
  /** What stood behind the decimal point; digits after the sixth are cut off. */
  readonly fraction: string
}

const SECONDS_PER_DAY = 86_400
const MICROSECONDS_PER_MINUTE = 60n * MICROSECONDS_PER_SECOND

/** Reads a date and time as microseconds since 1970-01-01 00:00 of the same clock; undefined when there is no such time. */
export function wallClockOf(parts: WallClockParts): bigint | undefined {
  const date = { year: parts.year, month: Number(parts.month), day: Number(parts.day) }
  if (!isDate(date) || Number(parts.hour) > 23) return undefined
  const time = secondsOf(parts.hour, parts.minute, parts.second)
  if (time === undefined) return undefined
  // Whole seconds are exact as a number, as far as dates reach.
  const whole = BigInt(dayNumber(date) * SECONDS_PER_DAY + time) * MICROSECONDS_PER_SECOND
  return parts.fraction === '' ? whole : whole + BigInt(parts.fraction.slice(0, 6).padEnd(6, '0'))
}

/** Reads `+05:30`, `-08`, `+0530` or `+00:53:28`: the microseconds by which the clock is ahead of UTC. */
export function offsetOf(text: string): bigint | undefined {
  if (text === '+00') return 0n
  const match = /^([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?$/.exec(text)
  if (match === null || Number(match[2]) > 23) return undefined
  const seconds = secondsOf(match[2], match[3], match[4])
  if (seconds === undefined) return undefined
  return BigInt(match[1] === '-' ? -seconds : seconds) * MICROSECONDS_PER_SECOND
}

/** Writes the time of day of a wall clock: `05:00:00`, with up to six digits of a second only when they are not zero. */
export function formatTimeOfDay(wallClock: bigint): string {
  const time = wallClock - midnightOfDay(dayOfWallClock(wallClock))
  const whole = [
    time / MICROSECONDS_PER_HOUR,
    (time / MICROSECONDS_PER_MINUTE) % 60n,
    (time / MICROSECONDS_PER_SECOND) % 60n,
  ]
  const fraction = formatFraction(time % MICROSECONDS_PER_SECOND)
  return whole.map((part) => part.toString().padStart(2, '0')).join(':') + fraction
}

/** Writes a count of microseconds below one second as `.000001`, without trailing zeros; nothing when it is zero. */
export function formatFraction(microseconds: bigint): string {
  return microseconds === 0n ? '' : `.${microseconds.toString().padStart(6, '0').replace(/0+$/, '')}`
}

export function isMidnight(wallClock: bigint): boolean {
  return wallClock % MICROSECONDS_PER_DAY === 0n
}

export function padded(value: number, digits = 2): string {
  return value.toString().padStart(digits, '0')
}

function secondsOf(hours = '0', minutes = '0', seconds = '0'): number | undefined {
  if (Number(minutes) > 59 || Number(seconds) > 59) return undefined
  return Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)
}
