import { Temporal } from 'temporal-polyfill'
import { describe, expect, test } from 'vitest'

import { Instant } from '../../../src/model/instant.ts'
import { instantOfWallClock, isTimeZone, timeZoneNames, wallClock } from '../../../src/model/time-zone.ts'

const micros = (text: string): bigint => Instant.from(`${text}Z`).epochMicroseconds
const clock = (text: string, zone: string): string =>
  Instant.fromMicroseconds(wallClock(Instant.from(text), zone))
    .toString()
    .replace('Z', '')
const read = (text: string, zone: string): string => instantOfWallClock(micros(text), zone).toString()

describe('isTimeZone', () => {
  test.each([
    'UTC',
    'Europe/Berlin',
    'America/Argentina/Buenos_Aires',
    'Asia/Kolkata',
    'Etc/GMT+5',
    'EST5EDT',
    'utc',
  ])('knows %s', (name) => {
    expect(isTimeZone(name)).toBe(true)
    expect(isTimeZone(name)).toBe(true)
  })

  test.each([
    '',
    'Europe/Berln',
    '+05:30',
    '-08',
    'GMT+5',
    'UTC+5',
    'local',
    '2026-01-01T00:00:00[UTC]',
    'Europe/Berlin ',
  ])('does not take %j for a time zone', (name) => {
    expect(isTimeZone(name)).toBe(false)
  })

  test('takes every name that timeZoneNames suggests', () => {
    expect(timeZoneNames()).toContain('UTC')
    expect(timeZoneNames().length).toBeGreaterThan(400)
    expect(timeZoneNames().filter((name) => !isTimeZone(name))).toEqual([])
  })
})

describe('wallClock', () => {
  test.each([
    ['2026-03-08T06:59:59.999999Z', 'America/New_York', '2026-03-08T01:59:59.999999'],
    ['2026-03-08T07:00:00Z', 'America/New_York', '2026-03-08T03:00:00'],
    ['2026-01-01T00:00:00Z', 'Asia/Kathmandu', '2026-01-01T05:45:00'],
    ['1970-01-01T00:00:00Z', 'Africa/Monrovia', '1969-12-31T23:15:30'],
    ['1850-01-01T00:00:00Z', 'Europe/Berlin', '1850-01-01T00:53:28'],
    ['2011-12-30T10:00:00Z', 'Pacific/Apia', '2011-12-31T00:00:00'],
    ['-004713-11-24T00:00:00Z', 'America/New_York', '-004713-11-23T19:03:58'],
    ['+294276-07-01T00:00:00Z', 'America/New_York', '+294276-06-30T20:00:00'],
    ['+294276-12-31T23:00:00Z', 'Europe/Berlin', '+294277-01-01T00:00:00'],
  ])('at %s in %s shows %s', (instant, zone, shown) => {
    expect(clock(instant, zone)).toBe(shown)
  })
})

describe('instantOfWallClock', () => {
  test.each([
    ['plainly', '2026-07-01T00:00:00', 'Europe/Berlin', '2026-06-30T22:00:00Z'],
    [
      'a midnight that comes twice as the later one',
      '2026-11-01T00:00:00',
      'America/Havana',
      '2026-11-01T05:00:00Z',
    ],
    [
      'a midnight that is skipped with the offset before',
      '2018-11-04T00:00:00',
      'America/Sao_Paulo',
      '2018-11-04T03:00:00Z',
    ],
    [
      'a day that is skipped as the start of the next',
      '2011-12-30T00:00:00',
      'Pacific/Apia',
      '2011-12-30T10:00:00Z',
    ],
    [
      'a time inside a gap of half an hour',
      '2026-10-04T02:15:00',
      'Australia/Lord_Howe',
      '2026-10-03T15:45:00Z',
    ],
    [
      'a time in the first hour of a repeated one as the later',
      '2026-10-25T02:30:00',
      'Europe/Berlin',
      '2026-10-25T01:30:00Z',
    ],
    ['a year beyond Temporal', '+294276-07-01T00:00:00', 'America/New_York', '+294276-07-01T04:00:00Z'],
  ])('reads %s', (_name, ...[text, zone, instant]) => {
    expect(read(text, zone)).toBe(instant)
  })

  test('agrees with Temporal’s "later" around every change of offset of some difficult zones', () => {
    const zones = [
      'America/Havana',
      'Australia/Lord_Howe',
      'Asia/Amman',
      'Africa/Casablanca',
      'America/St_Johns',
      'Pacific/Apia',
    ]
    const wrong: string[] = []
    let checked = 0
    for (const zone of zones) {
      let at = Temporal.Instant.from('1970-01-01T00:00Z').toZonedDateTimeISO(zone)
      for (;;) {
        const change = at.getTimeZoneTransition('next')
        if (change === null || change.year > 2050) break
        at = change
        for (let minutes = -180; minutes <= 180; minutes += 15) {
          const local = change.toPlainDateTime().add({ minutes })
          const expected = local.toZonedDateTime(zone, { disambiguation: 'later' }).toInstant().toString()
          const found = read(local.toString({ smallestUnit: 'second' }), zone)
          checked += 1
          if (found !== expected) wrong.push(`${local.toString()} ${zone}: ${found}, not ${expected}`)
        }
      }
    }
    expect(wrong).toEqual([])
    expect(checked).toBeGreaterThan(10_000)
  })
})
