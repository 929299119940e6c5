import { describe, expect, it } from 'vitest'

import { calculatorFor, Instant, TablePartitionConfig } from '../../../src/index.ts'
import type { MaintenancePlan, Partition } from '../../../src/index.ts'
import { renderPlan } from '../../../src/cli/render/plan.ts'
import { plainPage } from '../../../src/cli/render/style.ts'
import type { Evidence, ReferenceAnswer, ReferenceCheck } from '../../../src/plan/evidence.ts'
import { noEvidence } from '../../../src/plan/evidence.ts'
import { evidenceNeeded, planTable } from '../../../src/plan/planner.ts'
import type { PlanInput } from '../../../src/plan/survey.ts'
import { attached, rangeBound, treeOf } from '../../support/planned-world.ts'

const now = Instant.from('2026-03-15T12:00:00Z')
const at = (text: string): bigint => Instant.from(text).epochMicroseconds
const month = (number: number, name: string, pending = false): Partition => {
  const [from, to] = [number, number + 1].map((one) => at(`2026-0${one}-01T00:00:00Z`))
  return attached({ oid: String(number), name, boundText: rangeBound('timestamptz', from, to), pending })
}
const january = month(1, 'e1')
const february = month(2, 'e2')
const march = month(3, 'events__2026_03')

const base = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 1,
} as const

function inputOf(
  options: Partial<PlanInput> & { readonly referenced?: boolean; readonly concurrent?: boolean } = {},
): PlanInput {
  const { referenced = true, concurrent = false, ...rest } = options
  const world = {
    keyType: 'timestamptz',
    partitions: [january, february, march],
    detached: [],
    strangers: new Set<string>(),
    rowsInDefault: [],
    filled: new Set<string>(),
    referenced,
    nextOid: 4,
  } as const
  return {
    config: new TablePartitionConfig({ ...base, ...(concurrent && { detachMode: 'concurrent' }) }),
    calculator: calculatorFor('month', 'UTC'),
    tree: treeOf(world, now),
    now,
    lockTimeoutMs: 100,
    statementTimeoutMs: 5_000,
    ...rest,
  }
}

const check = (answer: ReferenceAnswer, about: Partial<ReferenceCheck> = {}): ReferenceCheck => ({
  foreignKey: 'notes_fkey',
  table: { schema: 'public', name: 'notes' },
  columns: ['event', 'event at'],
  bytes: 40_000_000,
  indexed: false,
  answer,
  ...about,
})
const none = check({ kind: 'read', rows: 0, ms: 4.2 })

function planned(
  references: Readonly<Record<string, readonly ReferenceCheck[]>>,
  input: PlanInput = inputOf(),
): MaintenancePlan {
  const evidence: Evidence = { ...noEvidence, references: new Map(Object.entries(references)) }
  return planTable(input, evidence)
}

const detached = ({ operations }: MaintenancePlan): readonly string[] =>
  operations.flatMap(({ kind, partition }) => (kind === 'detach' ? [partition.name] : []))

describe('rows that refer to what expired', () => {
  it('are asked about the oldest first, with the limits of the run', () => {
    expect(evidenceNeeded(inputOf()).references).toEqual({
      key: 'at',
      partitions: [january, february].map(({ oid, name }, index) => ({
        oid,
        name,
        range: {
          from: `2026-0${index + 1}-01 00:00:00+00`,
          to: `2026-0${index + 2}-01 00:00:00+00`,
        },
      })),
      mostRows: 10_000,
      longestMs: 100,
      withinMs: 5_000,
    })
  })

  it.each([
    ['nothing refers to the table', inputOf({ referenced: false })],
    ['nothing has expired', inputOf({ now: Instant.from('2026-01-15T12:00:00Z') })],
    ['another period is asked for', inputOf({ explicit: [at('2026-04-15T12:00:00Z')] })],
    ['nothing can be detached concurrently', inputOf({ concurrent: true })],
  ])('are not asked about where %s', (_, input) => {
    expect(evidenceNeeded(input).references).toBeUndefined()
    expect(planTable(input, noEvidence).findings.filter(({ code }) => code.startsWith('reference-'))).toEqual(
      [],
    )
  })

  it('are not asked about while a detach is pending, which is finished first', () => {
    const input = inputOf()
    const pending = month(1, 'e1', true)
    const waiting = { ...input, tree: { ...input.tree, partitions: [pending, february, march] } }
    expect(evidenceNeeded(waiting).references).toBeUndefined()
    expect(planTable(waiting, noEvidence).findings.map(({ code }) => code)).toEqual([
      'detach-pending-unmarked',
    ])
  })

  it('keep nothing where there are none, and the detach says what is read for that', () => {
    const plan = planned({ 1: [none], 2: [{ ...none, indexed: true }] })
    expect(plan.operations.map(({ id }) => id)).toEqual([
      'detach public.e1',
      'detach public.e2',
      'drop public.e1',
      'drop public.e2',
    ])
    expect(plan.findings).toEqual([])
    expect(plan.operations[0]).toMatchObject({
      scans: [{ relation: { schema: 'public', name: 'notes' }, bytes: 40_000_000, estimatedMs: 5 }],
    })
    expect(plan.operations[0]?.hazards).toContain('full-scan')
    expect(plan.operations[1]?.hazards).not.toContain('full-scan')
    const narrow = renderPlan({ config: inputOf().config, plan }, plainPage, { locks: true })
    expect(narrow.filter((line) => line.length > 80)).toEqual([])
    const page = { ...plainPage, columns: 200 }
    const text = renderPlan({ config: inputOf().config, plan }, page, { locks: true }).join('\n')
    expect(text.split('\n').filter((line) => line.length > 100)).toEqual([])
    const prose = text.replaceAll(/\s+/g, ' ')
    expect(prose).toContain('notes (38 MB) for rows that refer to it while it holds these locks: about 5 ms')
    expect(prose).toContain(
      '! full-scan: may read public.notes in full, to be sure that no row refers to the partition',
    )
  })

  it('keep their partition and no other one, nor is it dropped', () => {
    const plan = planned({ 1: [none, check({ kind: 'read', rows: 3, ms: 1 })], 2: [none] })
    expect(plan.operations.map(({ id }) => id)).toEqual(['detach public.e2', 'drop public.e2'])
    expect(plan.findings).toMatchObject([
      {
        code: 'partition-referenced',
        relation: january.name,
        message:
          'public.e1 expired and is not detached: 3 rows of public.notes refer to it (foreign key notes_fkey).',
      },
    ])
  })

  it('are what counts even where the checks take long, too', () => {
    const plan = planned({
      1: [
        check({ kind: 'at-least', ms: 400 }),
        check({ kind: 'read', rows: 1, ms: 1 }, { foreignKey: 'other' }),
      ],
      2: [none],
    })
    expect(plan.findings.map(({ code }) => code)).toEqual(['partition-referenced'])
  })

  it('are looked for too long where the checks of all foreign keys together are', () => {
    const slow = check({ kind: 'read', rows: 0, ms: 60 })
    const other = check({ kind: 'read', rows: 0, ms: 50 }, { foreignKey: 'other' })
    const plan = planned({ 1: [other, slow], 2: [slow] })
    expect(detached(plan)).toEqual(['e2'])
    expect(plan.findings).toMatchObject([
      { code: 'reference-check-too-long', severity: 'warning', relation: january.name },
    ])
    expect(plan.findings[0]?.message).toContain('(foreign key notes_fkey)')
    expect(plan.findings[0]?.message).toContain('public.notes (39 MB)')
    expect(plan.findings[0]?.message).toContain(
      ': 110 ms, with 1 more foreign key, longer than the 100 ms that they may wait (lockTimeoutMs).',
    )
    expect(plan.findings[0]?.next).toMatch(
      /^public\.notes has no index that begins with "event", "event at": /,
    )
  })

  it('are never too long to look for where no limit is set', () => {
    const { lockTimeoutMs: _, ...input } = inputOf()
    expect(
      detached(planned({ 1: [check({ kind: 'read', rows: 0, ms: 90_000 })], 2: [none] }, input)),
    ).toEqual(['e1', 'e2'])
  })

  it('keep what was not looked at, with one sentence', () => {
    for (const references of [{}, { 1: [none] }]) {
      const plan = planned(references)
      expect(detached(plan)).toEqual(Object.keys(references).map(() => 'e1'))
      expect(plan.findings).toMatchObject([{ code: 'reference-check-postponed', severity: 'info' }])
    }
    expect(detached(planTable(inputOf(), noEvidence))).toEqual([])
  })

  it('keep what could not be looked into, but not from who may not look', () => {
    const plan = planned({
      1: [check({ kind: 'unread', why: 'canceling statement due to lock timeout' })],
      2: [check({ kind: 'denied', why: 'permission denied for table notes' })],
    })
    expect(detached(plan)).toEqual(['e2'])
    expect(plan.findings.map(({ code }) => code)).toEqual(['rights-missing', 'reference-check-unread'])
    expect(plan.findings[0]?.next).toContain('let an administrator do what `pg-partsmith grants`')
    expect(plan.operations[0]?.scans[0]?.estimatedMs).toBe(77)
  })
})
