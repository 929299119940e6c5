import * as fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import { describe, expect, test } from 'vitest'

import { PartitionError } from '../../../src/errors.ts'
import { Instant } from '../../../src/model/instant.ts'

const at = (text: string): bigint => Instant.from(text).epochMicroseconds

describe('Instant.from', () => {
  test.each([
    ['2026-03-08T05:00:00Z', '2026-03-08T05:00:00Z'],
    ['2026-03-08T05:00Z', '2026-03-08T05:00:00Z'],
    ['2026-03-08t05:00:00z', '2026-03-08T05:00:00Z'],
    ['2026-03-08 05:00:00+00', '2026-03-08T05:00:00Z'],
    ['2026-03-08T00:00:00-05:00', '2026-03-08T05:00:00Z'],
    ['2026-03-08T10:30:00+0530', '2026-03-08T05:00:00Z'],
    ['1850-01-01 05:53:28+05:53:28', '1850-01-01T00:00:00Z'],
    ['2026-03-08T05:00:00.1Z', '2026-03-08T05:00:00.1Z'],
    ['2026-03-08T05:00:00,000001Z', '2026-03-08T05:00:00.000001Z'],
    ['2026-03-08T05:00:00.123456999Z', '2026-03-08T05:00:00.123456Z'],
    ['1969-12-31T23:59:59.999999Z', '1969-12-31T23:59:59.999999Z'],
    ['0000-01-01T00:00:00Z', '0000-01-01T00:00:00Z'],
    ['-004713-11-24T00:00:00Z', '-004713-11-24T00:00:00Z'],
    ['+294276-12-31T23:59:59.999999Z', '+294276-12-31T23:59:59.999999Z'],
  ])('reads %s', (text, iso) => {
    expect(Instant.from(text).toString()).toBe(iso)
  })

  test.each(['2026-03-08', '2026-03-08T05:00:00', '2026-03-08 05:00:00.5'])(
    'refuses %s, which names no zone',
    (text) => {
      expect(() => Instant.from(text)).toThrow(PartitionError)
      expect(() => Instant.from(text)).toThrow(`"${text}" names no instant, because it has no zone. Add Z`)
    },
  )

  test.each([
    '',
    'now',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T23:60:00Z',
    '2026-01-01T23:59:60Z',
    '2026-01-01T00:00:00+24:00',
    '2026-01-01T00:00:00+05:3',
    '2026-01-01T00:00:00Z[UTC]',
    ' 2026-01-01T00:00:00Z',
    '2026-01-01T00:00:00Z ',
    '26-01-01T00:00:00Z',
    'infinity',
  ])('refuses %j, which is no date and time', (text) => {
    expect(() => Instant.from(text)).toThrow(PartitionError)
    expect(() => Instant.from(text)).toThrow('is not an ISO 8601 date and time')
  })

  test('takes a Date, a Temporal value and another Instant', () => {
    const instant = Instant.from('2026-03-08T05:00:00.123Z')
    expect(Instant.from(new Date('2026-03-08T05:00:00.123Z'))).toEqual(instant)
    expect(Instant.from(Temporal.Instant.from('2026-03-08T05:00:00.123Z'))).toEqual(instant)
    expect(
      Instant.from(Temporal.ZonedDateTime.from('2026-03-08T00:00:00.123-05:00[America/New_York]')),
    ).toEqual(instant)
    expect(Instant.from(instant)).toBe(instant)
  })

  test('cuts nanoseconds off downwards, also before 1970, so that no instant moves into the next period', () => {
    expect(Instant.from({ epochNanoseconds: 1_999n }).epochMicroseconds).toBe(1n)
    expect(Instant.from({ epochNanoseconds: -1n }).epochMicroseconds).toBe(-1n)
  })

  test.each([
    ['an invalid Date', new Date(Number.NaN)],
    ['a number', 1_700_000_000],
    ['undefined', undefined],
    ['an object without nanoseconds', { epochMilliseconds: 1 }],
  ])('refuses %s in a sentence', (_name, value) => {
    // @ts-expect-error what callers without types can do
    expect(() => Instant.from(value)).toThrow(PartitionError)
  })
})

describe('an Instant', () => {
  test('writes what it reads and reads what it writes, over the whole range of PostgreSQL', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -210_866_803_200_000_000n, max: 9_224_318_015_999_999_999n }),
        (microseconds) => {
          const instant = Instant.fromMicroseconds(microseconds)
          expect(at(instant.toString())).toBe(microseconds)
          expect(JSON.stringify({ instant })).toBe(`{"instant":"${instant.toString()}"}`)
        },
      ),
    )
  })

  test('agrees with Temporal wherever Temporal reaches', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 17n), max: 8n * 10n ** 18n }), (microseconds) => {
        const temporal = Temporal.Instant.fromEpochNanoseconds(microseconds * 1_000n)
        expect(Instant.fromMicroseconds(microseconds).toString()).toBe(temporal.toString())
      }),
    )
  })

  test('becomes a Date cut to the millisecond, and says so where Date ends', () => {
    expect(Instant.from('1969-12-31T23:59:59.9999Z').toDate()).toEqual(new Date('1969-12-31T23:59:59.999Z'))
    expect(() => Instant.from('+275761-01-01T00:00:00Z').toDate()).toThrow('outside of what a Date can hold')
  })

  test('adds microseconds without changing, and is ordered', () => {
    const instant = Instant.from('2026-01-01T00:00:00Z')
    const later = instant.add(1n)
    expect(instant.toString()).toBe('2026-01-01T00:00:00Z')
    expect(later.toString()).toBe('2026-01-01T00:00:00.000001Z')
    expect([later, instant].sort(Instant.compare)).toEqual([instant, later])
    expect(Instant.compare(instant, Instant.from('2026-01-01T01:00:00+01:00'))).toBe(0)
  })
})
