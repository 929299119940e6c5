import { describe, expect, it } from 'vitest'

import type { DetachMode, MaintenancePlan } from '../../../src/index.ts'
import { calculatorFor, Instant, TablePartitionConfig } from '../../../src/index.ts'
import { noEvidence } from '../../../src/plan/evidence.ts'
import { planTable } from '../../../src/plan/planner.ts'
import { attached, rangeBound, treeOf } from '../../support/planned-world.ts'

const now = Instant.from('2026-03-15T12:00:00Z')
const january = attached({
  oid: '1',
  name: 'events__2026_01',
  boundText: rangeBound('timestamptz', 1_767_225_600_000_000n, 1_769_904_000_000_000n),
})

function planned(detachMode: DetachMode, pooled: boolean): MaintenancePlan {
  const config = new TablePartitionConfig({
    tableName: 'events',
    partitionColumn: 'at',
    granularity: 'month',
    createAheadCount: 1,
    retentionCount: 1,
    detachMode,
  })
  const tree = treeOf(
    {
      keyType: 'timestamptz',
      partitions: [january],
      detached: [],
      strangers: new Set(),
      rowsInDefault: [],
      filled: new Set(),
      referenced: false,
      nextOid: 2,
    },
    now,
  )
  const server = { ...tree.server, ...(pooled && { pooled: true as const }) }
  const calculator = calculatorFor('month', 'UTC')
  return planTable({ config, calculator, tree: { ...tree, server }, now }, noEvidence)
}

const modesOf = ({ operations }: MaintenancePlan): readonly string[] =>
  operations.flatMap((operation) => (operation.kind === 'detach' ? [operation.mode] : []))

describe('through a pooler a partition is detached', () => {
  it.each([
    ['auto', false, 'concurrent'],
    ['auto', true, 'blocking'],
    ['blocking', true, 'blocking'],
    ['concurrent', false, 'concurrent'],
  ] as const)('with detachMode %s and a pooler %s: %s', (detachMode, pooled, mode) => {
    expect(modesOf(planned(detachMode, pooled))).toEqual([mode])
  })

  it('not at all where only the concurrent form was allowed, and a finding says so', () => {
    const plan = planned('concurrent', true)
    expect(modesOf(plan)).toEqual([])
    expect(plan.findings).toMatchObject([
      {
        code: 'concurrent-detach-impossible',
        message: expect.stringMatching(/^public\.events__2026_01 expired .* through a pooler /),
        next: expect.stringMatching(/connect to the server itself\.$/),
      },
    ])
  })
})
