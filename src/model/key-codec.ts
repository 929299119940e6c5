import { PartitionError } from '../errors.ts'
import { dateOfDay, dayNumber, dayOfWallClock, midnightOfDay } from './local-date.ts'
import { formatTimeOfDay, isMidnight, offsetOf, padded, wallClockOf } from './wall-clock-text.ts'

/** The column types that a time range can be laid over. */
export type TimeKeyType = 'timestamptz' | 'timestamp' | 'date'

/**
 * A point on the key's line: microseconds since 1970-01-01 00:00.
 *
 * The line of a `timestamptz` key is UTC; that of a `timestamp` or `date` key is its own wall clock, read as if it were UTC.
 */
export type KeyPosition = bigint | 'infinity' | '-infinity'

/** Turns positions into the literals that PostgreSQL reads, and what PostgreSQL prints back into positions. */
export interface KeyCodec {
  readonly type: TimeKeyType
  /**
   * Writes a position as the text of a literal, without quotes; a `timestamptz` always carries `+00`.
   *
   * Throws a `PartitionError` for a position that the column type cannot hold.
   */
  readonly encode: (position: bigint) => string
  /**
   * Reads the text of a literal, without quotes, as PostgreSQL prints it under `DateStyle=ISO`.
   *
   * Gives undefined for every other text: a bound that is not understood must not be guessed at.
   */
  readonly decode: (literalText: string) => KeyPosition | undefined
}

// Groups in one order for all types, so that they go by number: names take twice the time, and bounds are many.
const DATE = String.raw`(\d{4}|[1-9]\d{4,6})-(\d\d)-(\d\d)`
const TIME = String.raw`(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?`
const OFFSET = String.raw`([+-](?:0\d|1[0-5])(?::\d\d(?::\d\d)?)?)`
const ERA = '( BC)?'
const NONE = '()'

/** The first instant of PostgreSQL's time types (Julian day 0) and the end of each type, not included. */
const START = midnightOfDay(dayNumber({ year: -4_713, month: 11, day: 24 }))
const END_OF_TIMESTAMPS = midnightOfDay(dayNumber({ year: 294_277, month: 1, day: 1 }))
const END_OF_DATES = midnightOfDay(dayNumber({ year: 5_874_898, month: 1, day: 1 }))

interface Shape {
  readonly pattern: RegExp
  readonly end: bigint
  readonly format: (position: bigint) => string
}

const shapes: Readonly<Record<TimeKeyType, Shape>> = {
  timestamptz: {
    pattern: new RegExp(`^${DATE} ${TIME}${OFFSET}${ERA}$`),
    end: END_OF_TIMESTAMPS,
    format: (position) => formatWithEra(position, (date) => `${date} ${formatTimeOfDay(position)}+00`),
  },
  timestamp: {
    pattern: new RegExp(`^${DATE} ${TIME}${NONE}${ERA}$`),
    end: END_OF_TIMESTAMPS,
    format: (position) => formatWithEra(position, (date) => `${date} ${formatTimeOfDay(position)}`),
  },
  date: {
    pattern: new RegExp(`^${DATE}${NONE.repeat(5)}${ERA}$`),
    end: END_OF_DATES,
    format: (position) => formatWithEra(position, (date) => date),
  },
}

const codecs: Readonly<Record<TimeKeyType, KeyCodec>> = {
  timestamptz: codecOf('timestamptz'),
  timestamp: codecOf('timestamp'),
  date: codecOf('date'),
}

/** Gives the codec of a key's column type. */
export function keyCodec(type: TimeKeyType): KeyCodec {
  return codecs[type]
}

function codecOf(type: TimeKeyType): KeyCodec {
  const { pattern, end, format } = shapes[type]
  return Object.freeze({
    type,
    encode(position: bigint): string {
      if (position < START || position >= end) {
        throw new PartitionError(
          `${formatWithEra(position, (date) => date)} lies outside of what a ${type} column can hold.`,
        )
      }
      if (type === 'date' && !isMidnight(position)) {
        throw new PartitionError(
          `A date column cannot be cut at ${shapes.timestamp.format(position)}: a bound of a date key must be a midnight.`,
        )
      }
      return format(position)
    },
    decode(literalText: string): KeyPosition | undefined {
      if (literalText === 'infinity' || literalText === '-infinity') return literalText
      const parts = pattern.exec(literalText)
      if (parts === null) return undefined
      const position = positionOfParts(parts)
      return position === undefined || position < START || position >= end ? undefined : position
    },
  })
}

function positionOfParts(parts: RegExpExecArray): bigint | undefined {
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '', fraction = '', offset, era] =
    parts
  const written = Number(year)
  // There is no year 0 between 1 BC and 1 AD; astronomical years have one.
  if (written === 0) return undefined
  const astronomical = era === undefined ? written : 1 - written
  const wallClock = wallClockOf({ year: astronomical, month, day, hour, minute, second, fraction })
  const ahead = offset ? offsetOf(offset) : 0n
  return wallClock === undefined || ahead === undefined ? undefined : wallClock - ahead
}

function formatWithEra(position: bigint, format: (date: string) => string): string {
  const { year, month, day } = dateOfDay(dayOfWallClock(position))
  const date = `${padded(year > 0 ? year : 1 - year, 4)}-${padded(month)}-${padded(day)}`
  return format(date) + (year > 0 ? '' : ' BC')
}
