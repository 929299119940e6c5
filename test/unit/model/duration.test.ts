import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { durationProblem, formatDuration, parseDuration } from '../../../src/model/duration.ts'

const SECOND = 1_000_000n
const DAY = 86_400n * SECOND

describe('parseDuration', () => {
  test.each([
    ['P7D', 7n * DAY],
    ['P1W', 7n * DAY],
    ['PT12H', DAY / 2n],
    ['P1DT12H30M', DAY + DAY / 2n + 1_800n * SECOND],
    ['PT90M', 5_400n * SECOND],
    ['PT0.000001S', 1n],
    ['PT0S', 0n],
    ['p1d', DAY],
    ['7 days', 7n * DAY],
    ['1 day', DAY],
    ['12 hours', DAY / 2n],
    ['90 minutes', 5_400n * SECOND],
    ['2 weeks', 14n * DAY],
    ['1 day 12 hours', DAY + DAY / 2n],
    ['1.5 Hours', 5_400n * SECOND],
    ['  0 seconds ', 0n],
  ])('reads %j', (text, microseconds) => {
    expect(parseDuration(text)).toBe(microseconds)
    expect(durationProblem(text)).toBeUndefined()
  })

  test.each(['P1M', 'P1Y', 'P1Y2M3DT4H', '1 month', '3 months', '1 year', '2 Years 1 day'])(
    'refuses %j, which has no fixed length, and says so',
    (text) => {
      expect(parseDuration(text)).toBeUndefined()
      expect(durationProblem(text)).toContain('months and years differ')
    },
  )

  test.each([
    '',
    'P',
    'PT',
    'P1DT',
    'P1H',
    'PT1D',
    '7',
    '7d',
    'days',
    '-7 days',
    '-P7D',
    '7 days ago',
    '1 day, 2 hours',
    '7 days12 hours',
    'a 7 days',
    '1e3 days',
    'PT0.0000001S',
    '5 fortnights',
    '1 daysss',
  ])('refuses %j and says how to write it', (text) => {
    expect(parseDuration(text)).toBeUndefined()
    expect(durationProblem(text)).toBe(
      `"${text}" is not a duration; write it like "7 days", "12 hours", "P7D" or "PT12H".`,
    )
  })
})

describe('formatDuration', () => {
  test.each([
    [0n, '0 seconds'],
    [DAY, '1 day'],
    [14n * DAY, '14 days'],
    [DAY + DAY / 2n, '1 day 12 hours'],
    [5_400n * SECOND, '1 hour 30 minutes'],
    [SECOND, '1 second'],
    [1_500_000n, '1.5 seconds'],
    [1n, '0.000001 seconds'],
    [-3n * DAY, '-3 days'],
  ])('writes %d microseconds as %j', (microseconds, text) => {
    expect(formatDuration(microseconds)).toBe(text)
  })

  test('writes what parseDuration reads', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 17n }), (microseconds) => {
        expect(parseDuration(formatDuration(microseconds))).toBe(microseconds)
      }),
    )
  })
})
