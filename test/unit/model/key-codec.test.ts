import { describe, expect, test } from 'vitest'

import { PartitionError } from '../../../src/errors.ts'
import { Instant } from '../../../src/model/instant.ts'
import { keyCodec } from '../../../src/model/key-codec.ts'

const position = (iso: string): bigint => Instant.from(iso).epochMicroseconds

describe('encode', () => {
  test.each([
    ['2026-03-08T05:00:00Z', '2026-03-08 05:00:00+00'],
    ['2026-03-08T05:00:00.000001Z', '2026-03-08 05:00:00.000001+00'],
    ['2026-03-08T05:00:00.120Z', '2026-03-08 05:00:00.12+00'],
    ['+010000-01-01T00:00:00Z', '10000-01-01 00:00:00+00'],
    ['+294276-12-31T23:59:59.999999Z', '294276-12-31 23:59:59.999999+00'],
    ['0000-12-31T00:00:00Z', '0001-12-31 00:00:00+00 BC'],
    ['-000043-03-15T12:00:00Z', '0044-03-15 12:00:00+00 BC'],
  ])('writes %s for timestamptz always with +00', (iso, text) => {
    expect(keyCodec('timestamptz').encode(position(iso))).toBe(text)
    expect(keyCodec('timestamp').encode(position(iso))).toBe(text.replace('+00', ''))
  })

  test('writes a date without a time, and refuses one that is not a midnight', () => {
    const { encode } = keyCodec('date')
    expect(encode(position('2026-03-08T00:00:00Z'))).toBe('2026-03-08')
    expect(encode(position('0000-01-01T00:00:00Z'))).toBe('0001-01-01 BC')
    expect(() => encode(position('2026-03-08T00:00:00.000001Z'))).toThrow(PartitionError)
    expect(() => encode(position('1969-12-31T23:00:00Z'))).toThrow(
      'A date column cannot be cut at 1969-12-31 23:00:00: a bound of a date key must be a midnight.',
    )
  })

  test('refuses what the column type cannot hold', () => {
    const beyond = position('+294277-01-01T00:00:00Z')
    expect(() => keyCodec('timestamptz').encode(beyond)).toThrow(
      'outside of what a timestamptz column can hold',
    )
    expect(() => keyCodec('timestamp').encode(beyond)).toThrow(PartitionError)
    expect(keyCodec('date').encode(beyond)).toBe('294277-01-01')
    expect(() => keyCodec('date').encode(position('-004713-11-23T00:00:00Z'))).toThrow('4714-11-23 BC')
  })
})

describe('decode', () => {
  test.each([
    ['2026-03-08 05:00:00+00', '2026-03-08T05:00:00Z'],
    ['2026-03-08 05:00:00.1+00', '2026-03-08T05:00:00.1Z'],
    ['2026-03-08 05:00:00.000001+00', '2026-03-08T05:00:00.000001Z'],
    ['2026-03-08 10:30:00+05:30', '2026-03-08T05:00:00Z'],
    ['2026-03-07 21:00:00-08', '2026-03-08T05:00:00Z'],
    ['1890-01-01 00:53:28+00:53:28', '1890-01-01T00:00:00Z'],
    ['0044-03-15 12:00:00+00 BC', '-000043-03-15T12:00:00Z'],
    ['10000-01-01 00:00:00+00', '+010000-01-01T00:00:00Z'],
    ['294276-12-31 23:59:59.999999+00', '+294276-12-31T23:59:59.999999Z'],
    ['294277-01-01 01:00:00+02', '+294276-12-31T23:00:00Z'],
    ['4714-11-24 00:00:00+00 BC', '-004713-11-24T00:00:00Z'],
  ])('reads %s of a timestamptz', (text, iso) => {
    expect(keyCodec('timestamptz').decode(text)).toBe(position(iso))
  })

  test('reads timestamps and dates as their own wall clock', () => {
    expect(keyCodec('timestamp').decode('2026-03-08 00:00:00')).toBe(position('2026-03-08T00:00:00Z'))
    expect(keyCodec('timestamp').decode('0044-03-15 12:00:00.5 BC')).toBe(
      position('-000043-03-15T12:00:00.5Z'),
    )
    expect(keyCodec('date').decode('2026-03-08')).toBe(position('2026-03-08T00:00:00Z'))
    expect(keyCodec('date').decode('5874897-12-31')).toBe(position('+5874897-12-31T00:00:00Z'))
    expect(keyCodec('date').decode('0001-12-31 BC')).toBe(position('0000-12-31T00:00:00Z'))
  })

  test.each(['timestamptz', 'timestamp', 'date'] as const)('keeps the infinities of a %s apart', (type) => {
    expect(keyCodec(type).decode('infinity')).toBe('infinity')
    expect(keyCodec(type).decode('-infinity')).toBe('-infinity')
  })

  test.each([
    ['timestamptz', '2026-03-08 05:00:00'],
    ['timestamptz', '2026-03-08'],
    ['timestamptz', '2026-03-08T05:00:00Z'],
    ['timestamptz', '2026-03-08 05:00:00 UTC'],
    ['timestamptz', '08.03.2026 05:00:00 UTC'],
    ['timestamptz', '2026-03-08 05:00:00+16'],
    ['timestamptz', '2026-03-08 05:00:00+00:60'],
    ['timestamptz', '2026-03-08 05:00:00.+00'],
    ['timestamptz', '2026-03-08 05:00:00.1234567+00'],
    ['timestamptz', '2026-02-29 05:00:00+00'],
    ['timestamptz', '2026-03-08 24:00:00+00'],
    ['timestamptz', '2026-03-08 23:59:60+00'],
    ['timestamptz', '0000-01-01 00:00:00+00'],
    ['timestamptz', '02026-03-08 05:00:00+00'],
    ['timestamptz', '294277-01-01 00:00:00+00'],
    ['timestamptz', '4714-11-23 23:59:59+00 BC'],
    ['timestamptz', '2026-03-08 05:00:00+00 AD'],
    ['timestamptz', "'2026-03-08 05:00:00+00'"],
    ['timestamptz', 'Infinity'],
    ['timestamptz', 'MINVALUE'],
    ['timestamptz', ''],
    ['timestamp', '2026-03-08 05:00:00+00'],
    ['timestamp', '2026-03-08'],
    ['date', '2026-03-08 00:00:00'],
    ['date', '5874898-01-01'],
    ['date', '03/08/2026'],
  ] as const)('does not guess at a %s written %j', (type, text) => {
    expect(keyCodec(type).decode(text)).toBeUndefined()
  })
})
