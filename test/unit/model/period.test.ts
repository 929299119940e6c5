import { describe, expect, test } from 'vitest'

import { PartitionError } from '../../../src/errors.ts'
import { BasePeriodCalculator } from '../../../src/model/calendar.ts'
import type { Period, PeriodCalculator } from '../../../src/model/calendar.ts'
import { Instant } from '../../../src/model/instant.ts'
import { checkedPeriod, periodAfter, periodBefore } from '../../../src/model/period.ts'

const text = ({ start, end }: Period): string => `${start.toString()} ${end.toString()}`
const at = (iso: string): Instant => Instant.from(iso)

class FiscalYearCalculator extends BasePeriodCalculator {
  currentPeriod(instant: Instant): Period {
    const { year, month } = this.localDate(instant)
    const first = month >= 4 ? year : year - 1
    return this.periodBetween({ year: first, month: 4, day: 1 }, { year: first + 1, month: 4, day: 1 })
  }

  protected label({ start }: Period): string {
    return `fy${this.localDate(start).year}`
  }
}

const wrong = (period: (instant: Instant) => Period): PeriodCalculator => {
  class CrookedCalculator extends FiscalYearCalculator {
    override currentPeriod(instant: Instant): Period {
      return period(instant)
    }
  }
  return new CrookedCalculator()
}

describe('a calendar of one’s own', () => {
  const now = at('2026-01-01T00:00:00Z')

  test('needs the period and the label, and has the rest', () => {
    const fiscal = new FiscalYearCalculator({ timeZone: 'America/Havana' })
    const year = checkedPeriod(fiscal, at('2024-04-01T04:00:00Z'))
    expect(text(year)).toBe('2024-04-01T04:00:00Z 2025-04-01T04:00:00Z')
    expect(text(fiscal.nextPeriod(year))).toBe('2025-04-01T04:00:00Z 2026-04-01T04:00:00Z')
    expect(text(fiscal.previousPeriod(year))).toBe('2023-04-01T04:00:00Z 2024-04-01T04:00:00Z')
    expect(fiscal.formatPartitionName('events', year)).toBe('events__fy2024')
    expect(fiscal.getBoundaries(year)).toEqual(['2024-04-01 04:00:00+00', '2025-04-01 04:00:00+00'])
    expect(fiscal.parsePartitionName('events__fy2024')).toBeUndefined()
  })

  test.each([
    ['is empty', (instant: Instant) => ({ start: instant, end: instant })],
    ['starts later', (instant: Instant) => ({ start: instant.add(1n), end: instant.add(2n) })],
    ['ends before', (instant: Instant) => ({ start: instant.add(-2n), end: instant })],
  ])('is stopped when its period %s', (_name, period) => {
    expect(() => checkedPeriod(wrong(period), now)).toThrow(PartitionError)
    expect(() => checkedPeriod(wrong(period), now)).toThrow(
      /^CrookedCalculator\.currentPeriod\(2026-01-01T00:00:00Z\) returned \[.+\), which does not contain that instant\./,
    )
  })

  test.each([
    ['Dates', { start: new Date(0), end: new Date(1) }],
    ['texts', { start: '2026-01-01T00:00:00Z', end: '2027-01-01T00:00:00Z' }],
    ['nothing', undefined],
  ])('is stopped when it gives %s instead of a period of Instants', (_name, period) => {
    // @ts-expect-error what callers without types can do
    const careless = wrong(() => period)
    expect(() => checkedPeriod(careless, now)).toThrow(
      'CrookedCalculator.currentPeriod must return { start, end } as two Instants',
    )
  })

  test('is stopped when its periods overlap or leave gaps, in both directions', () => {
    const overlapping = wrong((instant) => ({ start: instant.add(-10n), end: instant.add(10n) }))
    const period = checkedPeriod(overlapping, now)
    expect(() => periodAfter(overlapping, period)).toThrow(
      'CrookedCalculator does not tile the time line: the period that ends at 2026-01-01T00:00:00.00001Z ' +
        'is followed by one that starts at 2026-01-01T00:00:00Z.',
    )
    expect(() => periodBefore(overlapping, period)).toThrow(PartitionError)
  })

  test('may be a plain object, which errors cannot name', () => {
    const plain: PeriodCalculator = {
      timeZone: 'UTC',
      currentPeriod: (instant) => ({ start: instant, end: instant }),
      formatPartitionName: (table) => table,
      parsePartitionName: () => undefined,
      getBoundaries: () => ['', ''],
    }
    expect(() => checkedPeriod(plain, now)).toThrow(/^The period calculator\.currentPeriod/)
  })
})
