import { describe, expect, it } from 'vitest'
import type { MaintenancePlan, PeriodCalculator, TablePartitionOptions } from '../../../src/index.ts'
import {
  DayPeriodCalculator,
  Instant,
  MonthPeriodCalculator,
  partitionName,
  TablePartitionConfig,
} from '../../../src/index.ts'
import type { Period } from '../../../src/index.ts'
import { noEvidence } from '../../../src/plan/evidence.ts'
import { planTable } from '../../../src/plan/planner.ts'
import { attached, rangeBound, treeOf } from '../../support/planned-world.ts'
import type { World } from '../../support/planned-world.ts'

const now = Instant.from('2026-03-15T12:00:00Z')

/** Months that are called after their year. */
class Yearly extends MonthPeriodCalculator {
  override formatPartitionName(table: string, { start }: Period): string {
    return partitionName(table, start.toString().slice(0, 4))
  }
}

function planned(
  calculator: PeriodCalculator,
  more: Partial<TablePartitionOptions>,
  partitions: World['partitions'] = [],
): MaintenancePlan {
  const config = new TablePartitionConfig({ tableName: 'events', partitionColumn: 'at', ...more })
  const world: World = {
    keyType: 'timestamptz',
    partitions,
    detached: [],
    strangers: new Set(),
    rowsInDefault: [],
    filled: new Set(),
    referenced: false,
    nextOid: 1,
  }
  return planTable({ config, calculator, tree: treeOf(world, now) }, noEvidence)
}

describe('a calendar that gives two periods one name', () => {
  it('is refused while planning, with both periods', () => {
    expect(() => planned(new Yearly(), { createAheadCount: 2 })).toThrow(
      'The calculator Yearly gives the partition name public.events__2026 to two periods: 2026-03-01 00:00:00+00 to 2026-04-01 00:00:00+00, and 2026-04-01 00:00:00+00 to 2026-05-01 00:00:00+00. Give each period a label of its own.',
    )
  })

  it('is refused also where one of the two is a partition already', () => {
    const february = attached({
      oid: '1',
      name: 'events__2026',
      boundText: rangeBound(
        'timestamptz',
        Instant.from('2026-02-01T00:00:00Z').epochMicroseconds,
        Instant.from('2026-03-01T00:00:00Z').epochMicroseconds,
      ),
    })
    expect(() => planned(new Yearly(), { createAheadCount: 1 }, [february])).toThrow(
      'to two periods: 2026-02-01 00:00:00+00 to 2026-03-01 00:00:00+00, and 2026-03-01 00:00:00+00',
    )
  })

  it('is planned with where no two of the names meet', () => {
    expect(planned(new Yearly(), { createAheadCount: 1 }).operations).toMatchObject([{ kind: 'create' }])
  })
})

describe('a granularity beside a calculator', () => {
  it('is refused where the calculator is another calendar', () => {
    expect(() => planned(new DayPeriodCalculator(), { granularity: 'month' })).toThrow(
      "public.events: the configuration has granularity 'month' and the service is given the periodCalculator DayPeriodCalculator, which is another calendar. Leave out one of them.",
    )
  })

  it('is taken where the calculator is that of the granularity, or a subclass of it', () => {
    for (const calculator of [new MonthPeriodCalculator(), new Yearly()]) {
      const plan = planned(calculator, { granularity: 'month', createAheadCount: 1 })
      expect(plan.operations).toHaveLength(1)
    }
  })
})
