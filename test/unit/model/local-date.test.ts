import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  dateOfDay,
  dayNumber,
  floorDivide,
  isDate,
  isoWeek,
  mondayOf,
  weekday,
} from '../../../src/model/local-date.ts'

const days = fc.integer({ min: -2_500_000, max: 2_500_000_000 })

describe('day numbers and dates', () => {
  test('are each other’s inverse, from before the first day of PostgreSQL to after its last', () => {
    fc.assert(
      fc.property(days, (day) => {
        expect(dayNumber(dateOfDay(day))).toBe(day)
      }),
    )
  })

  test('agree with Date wherever Date reaches', () => {
    fc.assert(
      fc.property(fc.integer({ min: -2_500_000, max: 99_999_999 }), (day) => {
        const date = new Date(day * 86_400_000)
        expect(dateOfDay(day)).toEqual({
          year: date.getUTCFullYear(),
          month: date.getUTCMonth() + 1,
          day: date.getUTCDate(),
        })
        expect(weekday(day) % 7).toBe(date.getUTCDay())
      }),
    )
  })

  test('agree with Date on every day of the four centuries from 1900, after which the calendar repeats', () => {
    const wrong: number[] = []
    for (let day = dayNumber({ year: 1900, month: 1, day: 1 }); day < 120_000; day += 1) {
      const date = new Date(day * 86_400_000)
      const { year, month, day: dayOfMonth } = dateOfDay(day)
      const same =
        year === date.getUTCFullYear() &&
        month === date.getUTCMonth() + 1 &&
        dayOfMonth === date.getUTCDate() &&
        dayNumber({ year, month, day: dayOfMonth }) === day
      if (!same) wrong.push(day)
    }
    expect(wrong).toEqual([])
  })

  test('let a month or a day outside its range carry over', () => {
    expect(dateOfDay(dayNumber({ year: 2026, month: 13, day: 1 }))).toEqual({ year: 2027, month: 1, day: 1 })
    expect(dateOfDay(dayNumber({ year: 2026, month: 0, day: 31 }))).toEqual({
      year: 2025,
      month: 12,
      day: 31,
    })
    expect(dateOfDay(dayNumber({ year: 2024, month: 2, day: 30 }))).toEqual({ year: 2024, month: 3, day: 1 })
    expect(dateOfDay(dayNumber({ year: 2024, month: 3, day: 0 }))).toEqual({ year: 2024, month: 2, day: 29 })
  })
})

test('isDate knows the leap years', () => {
  expect(isDate({ year: 2024, month: 2, day: 29 })).toBe(true)
  expect(isDate({ year: 2000, month: 2, day: 29 })).toBe(true)
  expect(isDate({ year: 0, month: 2, day: 29 })).toBe(true)
  expect(isDate({ year: 2023, month: 2, day: 29 })).toBe(false)
  expect(isDate({ year: 2100, month: 2, day: 29 })).toBe(false)
  expect(isDate({ year: 2024, month: 13, day: 1 })).toBe(false)
  expect(isDate({ year: 2024, month: 4, day: 31 })).toBe(false)
})

describe('isoWeek', () => {
  test.each([
    ['2024-01-15', 2024, 3],
    ['2024-12-29', 2024, 52],
    ['2024-12-30', 2025, 1],
    ['2021-01-03', 2020, 53],
    ['2021-01-04', 2021, 1],
    ['2026-12-31', 2026, 53],
    ['2027-01-01', 2026, 53],
    ['1969-12-29', 1970, 1],
  ])('puts %s into week %i, %i', (text, year, week) => {
    expect(isoWeek(Date.parse(text) / 86_400_000)).toEqual({ year, week })
  })

  test('and mondayOf give each other back', () => {
    fc.assert(
      fc.property(days, (day) => {
        const monday = mondayOf(isoWeek(day))
        expect(weekday(monday)).toBe(1)
        expect(day - monday).toBe(weekday(day) - 1)
      }),
    )
  })
})

test('floorDivide rounds down on both sides of zero', () => {
  expect([floorDivide(7n, 2n), floorDivide(-7n, 2n), floorDivide(-8n, 2n), floorDivide(0n, 5n)]).toEqual([
    3n,
    -4n,
    -4n,
    0n,
  ])
})
