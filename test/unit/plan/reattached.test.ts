import { describe, expect, it } from 'vitest'

import type { DetachedTable, Evidence, Partition, TablePartitionOptions } from '../../../src/index.ts'
import { calculatorFor, Instant, TablePartitionConfig } from '../../../src/index.ts'
import { noEvidence } from '../../../src/plan/evidence.ts'
import { evidenceNeeded, planTable } from '../../../src/plan/planner.ts'
import type { Reattached } from '../../../src/plan/reattached.ts'
import { reattached } from '../../../src/plan/reattached.ts'
import type { PlanInput } from '../../../src/plan/survey.ts'
import { attached, detachedTable, orphanComment, rangeBound, treeOf } from '../../support/planned-world.ts'

const now = Instant.from('2026-03-15T12:00:00Z')

const at = (day: string): bigint => Instant.from(`${day}T00:00:00Z`).epochMicroseconds

function bound(first: string, next: string): string {
  return rangeBound('timestamptz', at(first), at(next))
}

const january = bound('2026-01-01', '2026-02-01')

function orphan(
  oid: string,
  name: string,
  more: Partial<Parameters<typeof orphanComment>[0]> & { readonly table?: Partial<DetachedTable> } = {},
): DetachedTable {
  const { table, ...marker } = more
  const made = detachedTable({
    oid,
    name,
    comment: orphanComment({ oid, bound: january, detachedAt: '2026-03-14T00:00:00Z', ...marker }),
  })
  if (!made) throw new Error('It has a marker.')
  return { ...made, ...table }
}

interface Scene {
  readonly partitions?: readonly Partition[]
  readonly detached?: readonly DetachedTable[]
  readonly options?: Partial<TablePartitionOptions>
  readonly evidence?: Evidence
  readonly name?: string
}

function inputOf({ partitions = [], detached = [], options, name = 'january' }: Scene): PlanInput {
  return {
    config: new TablePartitionConfig({
      tableName: 'events',
      partitionColumn: 'at',
      granularity: 'month',
      createAheadCount: 1,
      retentionCount: 1,
      dropAfter: '1 day',
      ...options,
    }),
    calculator: calculatorFor('month', 'UTC'),
    tree: treeOf(
      {
        keyType: 'timestamptz',
        partitions,
        detached,
        strangers: new Set(),
        rowsInDefault: [],
        filled: new Set(),
        referenced: false,
        nextOid: 9,
      },
      now,
    ),
    reattach: { schema: 'public', name },
  }
}

function asked(scene: Scene): Reattached {
  const input = inputOf(scene)
  return reattached(input, planTable(input, scene.evidence ?? noEvidence))
}

describe('a detached table that is asked for', () => {
  it.each([
    ['has expired, and its grace period is over', {}],
    ['is never dropped', { dropAfter: 'never' }],
    ['is wanted by retention, too', { retentionCount: 3 }],
  ] as const)('is attached for the range of its marker where it %s', (_, options) => {
    const { operations, hindrance } = asked({ detached: [orphan('1', 'january')], options })
    expect(operations).toMatchObject([
      {
        kind: 'attach',
        id: 'attach public.january',
        reason: { code: 'explicit', text: 'asked for: its detach is undone' },
        range: { from: '2026-01-01 00:00:00+00', to: '2026-02-01 00:00:00+00' },
        guard: { oid: '1' },
        provesRange: true,
      },
    ])
    expect(hindrance).toBeUndefined()
  })

  it('and nothing else is done, though more is due', () => {
    const scene = {
      partitions: [attached({ oid: '5', name: 'december', boundText: bound('2025-12-01', '2026-01-01') })],
      detached: [
        orphan('1', 'january'),
        orphan('2', 'february', { bound: bound('2025-11-01', '2025-12-01') }),
      ],
    }
    const input = inputOf(scene)
    expect(planTable(input, noEvidence).operations.length).toBeGreaterThan(1)
    expect(asked(scene).operations).toHaveLength(1)
  })

  it('comes before another one of the same range that is wanted', () => {
    const scene = {
      detached: [orphan('2', 'a'), orphan('1', 'january')],
      options: { retentionCount: 3 },
    }
    expect(asked(scene).operations).toMatchObject([{ id: 'attach public.january' }])
    expect(asked({ ...scene, name: 'a' }).operations).toMatchObject([{ id: 'attach public.a' }])
  })

  it('is followed by the count that keeps it, where it has expired', () => {
    const [finding] = asked({ detached: [orphan('1', 'january')] }).findings
    expect(finding).toMatchObject({
      code: 'reattached-expired',
      severity: 'warning',
      message:
        'public.january has expired (retentionCount is 1), so the next run that may detach takes it out again.',
      next: expect.stringMatching(/^Raise retentionCount to 3 or more before that run\./),
    })
    const scene = { detached: [orphan('1', 'january')] }
    expect(asked({ ...scene, options: { retentionCount: 3 } }).findings).toEqual([])
    expect(asked({ ...scene, options: { retentionCount: undefined } }).findings).toEqual([])
    const [dropped] = asked({ ...scene, options: { dropAfter: undefined } }).findings
    expect(dropped?.message).toContain('takes it out again and drops it, its rows with it.')
  })

  it('is not said to expire where it lies in no period of the calendar', () => {
    const quarter = orphan('1', 'january', { bound: bound('2025-10-01', '2026-01-01') })
    expect(asked({ detached: [quarter] })).toMatchObject({ operations: [{ kind: 'attach' }], findings: [] })
  })

  it('has the rows of its range in DEFAULT counted before', () => {
    const fallback = attached({ oid: '7', name: 'rest', boundText: 'DEFAULT' })
    const scene = { partitions: [fallback], detached: [orphan('1', 'january')] }
    expect(evidenceNeeded(inputOf(scene)).defaultRows?.ranges).toContainEqual({
      from: '2026-01-01 00:00:00+00',
      to: '2026-02-01 00:00:00+00',
    })
    const rowsInDefault = new Map([['2026-01-01 00:00:00+00', 20_000]])
    const { operations, hindrance } = asked({ ...scene, evidence: { ...noEvidence, rowsInDefault } })
    expect(operations).toEqual([])
    expect(hindrance?.message).toMatch(
      /^public\.january cannot be attached again, and nothing was changed\. public\.rest holds 20000 rows .* Raise maxRowsFromDefault/,
    )
  })
})

describe('a table that is asked for', () => {
  it('and attached is left as it is, and whether it stays is said', () => {
    const partitions = [attached({ oid: '1', name: 'january', boundText: january })]
    expect(asked({ partitions })).toMatchObject({
      operations: [],
      findings: [{ code: 'reattached-expired' }],
    })
    expect(asked({ partitions, options: { retentionCount: 3 } })).toEqual({ operations: [], findings: [] })
  })

  it.each([
    [
      'ours',
      true,
      /--allow-destructive .* finishes the detach and drops nothing, then ask again, both before a scheduled run that may drop it\.$/,
    ],
    [
      'another’s',
      false,
      /then attach it by hand: .* ALTER TABLE "public"\."events" ATTACH PARTITION .* TO \('/,
    ],
  ] as const)('and whose detach is pending, %s, is to be finished first', (_, isOurs, next) => {
    const comment = orphanComment({ oid: '1', bound: january, detachedAt: '2026-03-14T00:00:00Z' })
    const pending = attached({
      oid: '1',
      name: 'january',
      boundText: january,
      pending: true,
      comment: isOurs ? comment : undefined,
    })
    const { operations, hindrance } = asked({ partitions: [pending] })
    expect(operations).toEqual([])
    expect(hindrance).toMatchObject({ isPending: true, message: expect.stringMatching(next) })
    const parentChanges = [{ kind: 'check', constraint: 'c' }] as const
    const stuck = asked({ partitions: [{ ...pending, parentChanges }] })
    expect(stuck.hindrance?.message).toContain('DROP CONSTRAINT "c"')
  })

  it.each([
    [
      'is occupied by a partition',
      {
        partitions: [attached({ oid: '5', name: 'other', boundText: january })],
        detached: [orphan('1', 'january')],
      },
      /The period .* is asked for again, and public\.other is attached there\. Move the rows/,
    ],
    [
      'was restored from a dump',
      { detached: [orphan('1', 'january', { oid: '77' })] },
      /restored or copied.* attach it by hand: .* CHECK \("at" IS NOT NULL AND "at" >= '2026-01-01 00:00:00\+00' AND .* ALTER TABLE "public"\."events" ATTACH PARTITION "public"\."january" FOR VALUES FROM \('2026-01-01 00:00:00\+00'\)/,
    ],
    [
      'has no known range',
      { detached: [orphan('1', 'january', { bound: undefined })] },
      /does not say which rows it held.* attach it by hand: .* FROM \('\.\.'\) TO \('\.\.'\);/,
    ],
    [
      'was an heir of another table by now',
      { detached: [orphan('1', 'january', { table: { heirOf: 'public.old' } })] },
      /inherits from public\.old/,
    ],
    [
      'is a foreign table',
      { detached: [orphan('1', 'january', { table: { kind: 'foreign' } })] },
      /is asked for again and is a foreign table.* Attach it by hand\.$/,
    ],
    [
      'was half-built and holds rows',
      { detached: [orphan('1', 'january', { kind: 'building' })] },
      /is not known to be empty/,
    ],
    [
      'must not lock as it would',
      {
        options: { allowHazards: [] },
        partitions: [attached({ oid: '7', name: 'rest', boundText: 'DEFAULT' })],
        detached: [orphan('1', 'january')],
      },
      /allowHazards/,
    ],
  ] as const)('and %s is not attached, and the next step is said', (_, scene: Scene, said) => {
    const { operations, hindrance } = asked(scene)
    expect(operations).toEqual([])
    expect(hindrance).toMatchObject({ isPending: false, message: expect.stringMatching(said) })
    expect(hindrance?.message).toMatch(
      /^public\.january cannot be attached again, and nothing was changed\. \S/,
    )
  })

  it('and half-built and empty has nothing to bring back', () => {
    const evidence = { ...noEvidence, empty: new Set(['1']) }
    const { hindrance } = asked({ detached: [orphan('1', 'january', { kind: 'building' })], evidence })
    expect(hindrance?.message).toContain('it is empty: the next run drops it.')
  })

  it('of a table that is not as configured is refused with what is wrong', () => {
    const input = inputOf({ detached: [orphan('1', 'january')] })
    const parent = { ...input.tree.parent, method: 'list' as const }
    const other = { ...input, tree: { ...input.tree, parent } }
    const { hindrance } = reattached(other, planTable(other, noEvidence))
    expect(hindrance?.message).toMatch(/nothing was changed\. .*LIST/)
  })
})
