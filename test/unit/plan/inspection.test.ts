import { describe, expect, it } from 'vitest'
import type { MaintenancePlan, TableInspection } from '../../../src/index.ts'
import { calculatorFor, Instant, TablePartitionConfig } from '../../../src/index.ts'
import type { ServerFacts } from '../../../src/model/partition-tree.ts'
import { instantOfWallClock } from '../../../src/model/time-zone.ts'
import { noEvidence } from '../../../src/plan/evidence.ts'
import { inspectTable } from '../../../src/plan/inspection.ts'
import { planTable } from '../../../src/plan/planner.ts'
import { attached, detachedTable, orphanComment, rangeBound, treeOf } from '../../support/planned-world.ts'
import type { World } from '../../support/planned-world.ts'

const now = Instant.from('2026-03-28T12:00:00Z')
const micros = (text: string): bigint => Instant.from(text).epochMicroseconds

function inspected(
  world: Pick<World, 'keyType' | 'partitions'> & Partial<World>,
  timeZone = 'UTC',
): TableInspection {
  const config = new TablePartitionConfig({
    tableName: 'events',
    partitionColumn: 'at',
    granularity: 'day',
    timeZone,
    createAheadCount: 2,
    retentionCount: 2,
  })
  const tree = treeOf(
    {
      detached: [],
      strangers: new Set(),
      rowsInDefault: [],
      filled: new Set(),
      referenced: false,
      nextOid: 1,
      ...world,
    },
    now,
  )
  const input = { config, calculator: calculatorFor('day', timeZone), tree, ddlTimezone: null }
  return inspectTable(input, planTable(input, noEvidence))
}

/** One day, `2026-03-28`, and what is special about it. */
function dayOf(
  name: string,
  day: string,
  more: { readonly pending?: boolean; readonly days?: number; readonly keyType?: World['keyType'] } = {},
): World['partitions'][number] {
  const { pending = false, days = 1, keyType = 'timestamptz' } = more
  const from = micros(`${day}T00:00:00Z`)
  return attached({
    oid: name,
    name,
    boundText: rangeBound(keyType, from, from + BigInt(days) * 86_400_000_000n),
    pending,
  })
}

function commentOf(oid: string, kind: 'orphan' | 'building'): string {
  return orphanComment({
    oid,
    kind,
    bound: rangeBound('timestamptz', 0n, 1n),
    detachedAt: '2026-03-28T00:00:00Z',
  })
}

describe('the runway', () => {
  it('reaches to the end of the last partition that follows without a gap', () => {
    const { runway } = inspected({
      keyType: 'timestamptz',
      partitions: [
        dayOf('a', '2026-03-27'),
        dayOf('b', '2026-03-28'),
        dayOf('c', '2026-03-29'),
        dayOf('d', '2026-03-31'),
      ],
    })
    expect(runway).toEqual({ until: '2026-03-30T00:00:00Z', microseconds: String(36n * 3_600_000_000n) })
  })

  it('is not there without the current partition, whatever comes later, and a pending one does not count', () => {
    const later = dayOf('c', '2026-03-29')
    expect(inspected({ keyType: 'timestamptz', partitions: [later] }).runway).toBeUndefined()
    const pending = dayOf('b', '2026-03-28', { pending: true })
    expect(inspected({ keyType: 'timestamptz', partitions: [pending, later] }).runway).toBeUndefined()
  })

  it('has no end where a partition is open to MAXVALUE, and a DEFAULT is none', () => {
    const open = attached({ oid: '1', name: 'open', boundText: rangeBound('timestamptz', 0n, undefined) })
    expect(inspected({ keyType: 'timestamptz', partitions: [open] }).runway).toEqual({
      until: 'infinity',
      microseconds: 'infinity',
    })
    const fallback = attached({ oid: '1', name: 'rest', boundText: 'DEFAULT' })
    const inspection = inspected({ keyType: 'timestamptz', partitions: [fallback] })
    expect([inspection.runway, inspection.hasDefault]).toEqual([undefined, true])
  })

  it('of a wall clock is an instant of its zone, over a change of clocks too', () => {
    const { runway } = inspected(
      {
        keyType: 'timestamp',
        partitions: [
          dayOf('b', '2026-03-28', { keyType: 'timestamp' }),
          dayOf('c', '2026-03-29', { keyType: 'timestamp' }),
        ],
      },
      'Europe/Berlin',
    )
    // Berlin: 13:00 on the 28th until midnight after the 29th, which has 23 hours.
    expect(runway).toEqual({ until: '2026-03-29T22:00:00Z', microseconds: String(34n * 3_600_000_000n) })
    expect(instantOfWallClock(micros('2026-03-30T00:00:00Z'), 'Europe/Berlin').toString()).toBe(runway?.until)
  })
})

const codes = (partitions: World['partitions']): readonly string[] =>
  inspected({ keyType: 'timestamptz', partitions }).findings.map(({ code, next }) => `${code}: ${next}`)

describe('a missing partition of the present moment', () => {
  it('is a finding where there is no DEFAULT, with what makes it', () => {
    const later = dayOf('c', '2026-03-29')
    expect(codes([later])).toEqual([
      'current-partition-missing: Run `maintain`, or `apply`, now: the plan makes it.',
    ])
    const [half] = inspected({
      keyType: 'timestamptz',
      partitions: [
        attached({
          oid: '1',
          name: 'late',
          boundText: rangeBound(
            'timestamptz',
            micros('2026-03-28T13:00:00Z'),
            micros('2026-03-29T00:00:00Z'),
          ),
        }),
        later,
      ],
    }).findings
    expect(half).toMatchObject({
      code: 'inserts-fail',
      severity: 'error',
      message:
        'No partition of public.events takes rows of the present moment (2026-03-28 00:00:00+00 to 2026-03-29 00:00:00+00) and there is no DEFAULT, so their inserts fail, and no plan can make one now.',
      next: 'See the other findings: they say why.',
    })
  })

  it('is none where rows find a partition or a DEFAULT', () => {
    const both = [dayOf('b', '2026-03-28'), dayOf('c', '2026-03-29')]
    expect(codes(both)).toEqual([])
    expect(codes([attached({ oid: '1', name: 'rest', boundText: 'DEFAULT' })])).toEqual([])
  })
})

describe('the partitions', () => {
  it('are listed by range, with what is missing, then DEFAULT, then what is detached', () => {
    const tables = [
      detachedTable({ oid: '7', name: 'gone', comment: commentOf('7', 'orphan') }),
      detachedTable({ oid: '8', name: 'half', comment: commentOf('8', 'building') }),
    ]
    const { partitions } = inspected({
      keyType: 'timestamptz',
      partitions: [
        attached({ oid: '1', name: 'rest', boundText: 'DEFAULT' }),
        dayOf('later', '2026-04-01'),
        dayOf('today', '2026-03-28'),
        dayOf('old', '2026-03-01'),
        dayOf('weird', '2026-03-03', { days: 2 }),
        dayOf('yesterday', '2026-03-27'),
        dayOf('pending', '2026-03-10', { pending: true }),
      ],
      detached: tables.filter((table) => table !== undefined),
    })
    expect(partitions.map(({ name, state, managed }) => [name, state, managed])).toEqual([
      ['old', 'expired', true],
      ['weird', 'unmanaged', false],
      ['pending', 'detach-pending', true],
      ['yesterday', 'past', true],
      ['today', 'current', true],
      ['events__2026_03_29', 'missing', true],
      ['later', 'future', true],
      ['rest', 'default', false],
      ['gone', 'detached', true],
      ['half', 'half-built', false],
    ])
  })
})

function codesOf(partitions: World['partitions']): readonly string[] {
  return inspected({ keyType: 'timestamptz', partitions }).findings.map(({ code }) => code)
}

describe('a calendar that fits none of the partitions', () => {
  const fallback = attached({ oid: '1', name: 'rest', boundText: 'DEFAULT' })
  const twoDays = dayOf('two', '2026-03-28', { days: 2 })

  it('is a warning, and nothing where one fits or there is only a DEFAULT', () => {
    expect(codesOf([fallback, twoDays])).toContain('calendar-fits-nothing')
    expect(codesOf([fallback, twoDays, dayOf('one', '2026-03-27')])).not.toContain('calendar-fits-nothing')
    expect(codesOf([fallback])).not.toContain('calendar-fits-nothing')
    expect(codesOf([])).not.toContain('calendar-fits-nothing')
  })
})

describe('a server that only reads', () => {
  const world = {
    keyType: 'timestamptz',
    partitions: [dayOf('a', '2026-03-28')],
    detached: [],
    strangers: new Set<string>(),
    rowsInDefault: [],
    filled: new Set<string>(),
    referenced: false,
    nextOid: 1,
  } as const
  const config = new TablePartitionConfig({
    tableName: 'events',
    partitionColumn: 'at',
    granularity: 'day',
    createAheadCount: 1,
  })
  function planOn(server: Partial<ServerFacts>): MaintenancePlan {
    const tree = treeOf(world, now)
    const calculator = calculatorFor('day', 'UTC')
    return planTable(
      { config, calculator, tree: { ...tree, server: { ...tree.server, ...server } } },
      noEvidence,
    )
  }

  it.each([
    ['a standby', { inRecovery: true }, 'a standby that only reads (pg_is_in_recovery)'],
    ['a session', { readOnlyByDefault: true }, 'a session that only reads (default_transaction_read_only)'],
  ] as const)('as %s is good to know of a plan, which is the same plan', (_, server, text) => {
    const plan = planOn(server)
    expect(plan.findings).toMatchObject([{ code: 'server-only-reads', severity: 'info' }])
    expect(plan.findings[0]?.message).toContain(text)
    expect({ ...plan, findings: [] }).toEqual(planOn({}))
  })
})
