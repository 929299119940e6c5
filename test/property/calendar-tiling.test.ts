import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { PartitionGranularity, calculatorFor } from '../../src/model/calendar.ts'
import type { Period, PeriodCalculator } from '../../src/model/calendar.ts'
import { Instant } from '../../src/model/instant.ts'
import { checkedPeriod, periodAfter, periodBefore } from '../../src/model/period.ts'
import { timeZoneNames } from '../../src/model/time-zone.ts'
import { printedSeed } from '../support/seed.ts'
import { zoneSamples } from '../support/zone-samples.ts'

const seed = printedSeed('calendar-tiling')
const zones = timeZoneNames()

/** The most microseconds that a period of each kind may last, a day that clocks are put back over included. */
const hour = 3_600_000_000n
const longest: Readonly<Record<PartitionGranularity, bigint>> = {
  hour,
  day: 48n * hour,
  week: 8n * 24n * hour,
  month: 32n * 24n * hour,
  quarter: 93n * 24n * hour,
  year: 367n * 24n * hour,
}

/** What is wrong with the periods around an instant; nothing when they tile. */
function faultsAt(calculator: PeriodCalculator, at: Instant, limit: bigint): readonly string[] {
  const period = checkedPeriod(calculator, at)
  const neighbours = [periodBefore(calculator, period), periodAfter(calculator, period)]
  const same = (other: Period): boolean =>
    Instant.compare(other.start, period.start) === 0 && Instant.compare(other.end, period.end) === 0
  const nameOf = (each: Period): string => calculator.formatPartitionName('events', each)
  const name = nameOf(period)
  const readBack = calculator.parsePartitionName(name)
  const checks: readonly (readonly [string, boolean])[] = [
    ['its first instant lies in another period', same(checkedPeriod(calculator, period.start))],
    ['its last instant lies in another period', same(checkedPeriod(calculator, period.end.add(-1n)))],
    ['it is too long', period.end.epochMicroseconds - period.start.epochMicroseconds <= limit],
    ['its neighbours have its name', neighbours.every((each) => nameOf(each) !== name)],
    ['its name is not read back', readBack !== undefined && same(readBack)],
  ]
  return checks
    .filter(([, holds]) => !holds)
    .map(([fault]) => `${name} [${period.start.toString()}, ${period.end.toString()}): ${fault}`)
}

describe('periods tile the time line without gap or overlap', () => {
  test.each(Object.values(PartitionGranularity))(
    `by %s in every zone, 1970 to 2100 (seed ${seed})`,
    (granularity) => {
      const faults: string[] = []
      let checked = 0
      for (const zone of zones) {
        const calculator = calculatorFor(granularity, zone)
        for (const at of zoneSamples(zone, { seed, years: 4 })) {
          checked += 1
          const found = faultsAt(calculator, Instant.fromMicroseconds(at), longest[granularity])
          faults.push(...found.map((fault) => `${zone} ${fault}`))
        }
      }
      expect(faults).toEqual([])
      expect(checked).toBeGreaterThan(zones.length * 4)
    },
  )

  test('over a run of periods, no two of which share a name', () => {
    const start = fc.bigInt({ min: 0n, max: 130n * 366n * 24n * hour })
    const calendar = fc.record({
      zone: fc.constantFrom(...zones),
      granularity: fc.constantFrom(...Object.values(PartitionGranularity)),
      start,
    })
    fc.assert(
      fc.property(calendar, ({ zone, granularity, start }) => {
        const calculator = calculatorFor(granularity, zone)
        const names = new Set<string>()
        let period = checkedPeriod(calculator, Instant.fromMicroseconds(start))
        for (let count = 1; count <= 60; count += 1) {
          names.add(calculator.formatPartitionName('events', period))
          expect(names.size).toBe(count)
          period = periodAfter(calculator, period)
        }
      }),
      { seed, numRuns: 300 },
    )
  })

  test('in the years that PostgreSQL has and Temporal has not', () => {
    const at = fc.oneof(
      fc.bigInt({ min: -210_000_000_000_000_000n, max: -62_000_000_000_000_000n }),
      fc.bigInt({ min: 8_640_000_000_000_000_000n, max: 9_224_000_000_000_000_000n }),
    )
    const calendar = fc.record({
      zone: fc.constantFrom(...zones),
      granularity: fc.constantFrom(...Object.values(PartitionGranularity)),
      at,
    })
    fc.assert(
      fc.property(calendar, ({ zone, granularity, at }) => {
        const calculator = calculatorFor(granularity, zone)
        const period = checkedPeriod(calculator, Instant.fromMicroseconds(at))
        expect(periodBefore(calculator, periodAfter(calculator, period))).toEqual(period)
        expect(calculator.getBoundaries(period)).toHaveLength(2)
      }),
      { seed, numRuns: 300 },
    )
  })
})
