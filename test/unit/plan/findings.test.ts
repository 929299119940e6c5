import { describe, expect, it } from 'vitest'
import {
  calculatorFor,
  findingCatalog,
  Instant,
  parseBound,
  TablePartitionConfig,
} from '../../../src/index.ts'
import type { Finding, MaintenancePlan } from '../../../src/index.ts'
import { noEvidence } from '../../../src/plan/evidence.ts'
import { planTable } from '../../../src/plan/planner.ts'
import { readFileSync, readdirSync } from 'node:fs'
import { explainsItself } from '../../support/converges.ts'
import { attached, rangeBound, treeOf } from '../../support/planned-world.ts'
import type { World } from '../../support/planned-world.ts'

const now = Instant.from('2026-03-15T12:00:00Z')
const config = new TablePartitionConfig({
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 1,
})
const empty: World = {
  keyType: 'timestamptz',
  partitions: [],
  detached: [],
  strangers: new Set(),
  rowsInDefault: [],
  filled: new Set(),
  referenced: false,
  nextOid: 1,
}

function planned(
  world: Partial<World>,
  uniqueKeys: readonly { name: string; columns: string[] }[] = [],
): MaintenancePlan {
  const tree = treeOf({ ...empty, ...world }, now)
  const plan = planTable(
    {
      config,
      calculator: calculatorFor('month', 'UTC'),
      tree: { ...tree, parent: { ...tree.parent, uniqueKeys } },
      now,
    },
    noEvidence,
  )
  explainsItself(plan)
  return plan
}

const march = attached({
  oid: '1',
  name: 'events__2026_03',
  boundText: rangeBound('timestamptz', 1_772_323_200_000_000n, 1_775_001_600_000_000n),
})

describe('a finding', () => {
  it('is about a unique key that lacks the partition key, and then nothing is planned', () => {
    const plan = planned({}, [
      { name: 'events_pkey', columns: ['id'] },
      { name: 'fine', columns: ['id', 'at'] },
    ])
    expect(plan.operations).toEqual([])
    expect(plan.findings).toEqual<readonly Finding[]>([
      {
        code: 'unique-key-lacks-partition-key',
        severity: 'error',
        message:
          'The unique key events_pkey of public.events is on (id) and lacks at, so no partition can enforce it.',
        next: 'Replace it by a key that contains at.',
      },
    ])
  })

  it('is about a bound that cannot be read, and the partition is never touched', () => {
    for (const boundText of [
      '',
      'FOR VALUES FROM (1',
      `FOR VALUES FROM ('soon') TO ('later')`,
      `FOR VALUES IN ('2001-01-01 00:00:00+00')`,
      `FOR VALUES FROM ('2001-01-01 00:00:00+00', 1) TO ('2001-02-01 00:00:00+00', 1)`,
      `FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')`,
    ]) {
      const plan = planned({ partitions: [march, attached({ oid: '2', name: 'old', boundText })] })
      expect(plan.operations).toEqual([])
      expect(plan.findings.map(({ code, severity }) => [code, severity])).toEqual([
        ['bound-unreadable', 'warning'],
      ])
    }
  })

  it('is one for each kind of unmanaged partition, however many there are', () => {
    const partitions = Array.from({ length: 500 }, (_, index) =>
      attached({
        oid: String(index + 10),
        name: `old_${index}`,
        boundText: rangeBound(
          'timestamptz',
          BigInt(index) * 3_000_000_000n + 1n,
          BigInt(index) * 3_000_000_000n + 2_678_400_000_001n,
        ),
      }),
    )
    const { findings } = planned({ partitions: [march, ...partitions] })
    expect(findings.filter(({ code }) => code === 'off-calendar-partition')).toHaveLength(1)
    expect(findings[0]?.message).toMatch(
      / and 497 more do not lie inside one period of the calendar each, so they are never retired\.$/,
    )
    expect(findings[0]?.message.length).toBeLessThan(600)
  })

  it('has a code that is in the catalog, and every code of the catalog is used', () => {
    const folder = new URL('../../../src/plan/', import.meta.url)
    const sources = readdirSync(folder)
      .filter((file) => file !== 'finding.ts')
      .map((file) => readFileSync(new URL(file, folder), 'utf8'))
      .join('\n')
    expect(Object.keys(findingCatalog).filter((code) => !sources.includes(`'${code}'`))).toEqual([])
    for (const [severity, meaning] of Object.values(findingCatalog)) {
      expect(['error', 'warning', 'info']).toContain(severity)
      expect(meaning).toMatch(/\.$/)
    }
    expect(parseBound(march.boundText)).toEqual(march.bound)
  })
})
