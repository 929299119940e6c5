import { describe, expect, it } from 'vitest'

import type { MaintenancePlan } from '../../../src/index.ts'
import { calculatorFor, Instant, TablePartitionConfig } from '../../../src/index.ts'
import type { ParentChange } from '../../../src/model/parent-change.ts'
import { noEvidence } from '../../../src/plan/evidence.ts'
import { inspectTable } from '../../../src/plan/inspection.ts'
import { planTable } from '../../../src/plan/planner.ts'
import type { PlanInput } from '../../../src/plan/survey.ts'
import { attached, orphanComment, rangeBound, treeOf } from '../../support/planned-world.ts'

const now = Instant.from('2026-03-15T12:00:00Z')
function month(oid: string, name: string, first: string): Parameters<typeof attached>[0] {
  const from = Instant.from(`${first}T00:00:00Z`)
  const to = from.add(27n * 86_400_000_000n)
  return {
    oid,
    name,
    boundText: rangeBound('timestamptz', from.epochMicroseconds, to.epochMicroseconds),
  }
}
const january = month('1', 'january', '2026-01-01')
const february = attached(month('2', 'february', '2026-02-01'))

function planned(
  parentChanges: readonly ParentChange[],
  about: { readonly versionNum?: number; readonly isOurs?: boolean } = {},
): MaintenancePlan {
  return planTable(inputOf(parentChanges, about), noEvidence)
}

function inputOf(
  parentChanges: readonly ParentChange[],
  {
    versionNum = 180_000,
    isOurs = true,
    at = now,
  }: { readonly versionNum?: number; readonly isOurs?: boolean; readonly at?: Instant },
): PlanInput {
  const comment = orphanComment({
    oid: '1',
    bound: january.boundText,
    detachedAt: '2026-03-01T00:00:00Z',
  })
  const pending = attached({ ...january, pending: true, comment: isOurs ? comment : undefined })
  const tree = treeOf(
    {
      keyType: 'timestamptz',
      partitions: [{ ...pending, parentChanges }, february],
      detached: [],
      strangers: new Set(),
      rowsInDefault: [],
      filled: new Set(),
      referenced: false,
      nextOid: 3,
    },
    at,
  )
  const config = new TablePartitionConfig({
    tableName: 'events',
    partitionColumn: 'at',
    granularity: 'month',
    createAheadCount: 1,
    retentionCount: 1,
  })
  return {
    config,
    calculator: calculatorFor('month', 'UTC'),
    tree: { ...tree, server: { ...tree.server, versionNum } },
  }
}

const idsOf = ({ operations }: MaintenancePlan): readonly string[] => operations.map(({ id }) => id)
const note: ParentChange = { kind: 'column', column: 'note', surplus: [] }

describe('a pending detach', () => {
  it('leaves the other due detaches out of the plan, and says that they wait', () => {
    expect(planned([])).toMatchObject({
      operations: [{ id: 'finalize public.january' }, { kind: 'create' }],
      waiting: [
        { kind: 'detach', id: 'detach public.february', partition: { schema: 'public', name: 'february' } },
        { kind: 'drop', id: 'drop public.january' },
        { kind: 'drop', id: 'drop public.february' },
      ],
    })
  })

  it.each([
    ['was not changed', [], 180_000],
    ['was changed on a server that does not mind', [note], 170_009],
  ] as const)('whose parent %s is finished first', (_, changes, versionNum) => {
    const plan = planned(changes, { versionNum })
    expect(idsOf(plan)).toEqual(['finalize public.january', 'create public.events__2026_03'])
    expect(plan.findings.map(({ code }) => code)).toEqual(['detach-pending'])
  })

  it.each([true, false])(
    'whose parent was changed is not tried, and nothing else is retired beside it (begun here: %s)',
    (isOurs) => {
      const plan = planned([note], { isOurs })
      expect(idsOf(plan)).toEqual(['create public.events__2026_03'])
      expect(plan.findings).toMatchObject([{ code: 'detach-cannot-finish', severity: 'error' }])
    },
  )

  it('says what the application notices of it', () => {
    for (const isOurs of [true, false]) {
      expect(planned([], { isOurs }).findings[0]?.message).toContain(
        'its rows are not found through public.events, and inserts for its range fail ("no partition of relation found for row")',
      )
    }
  })

  it.each([
    ['a while ago is good to know', '2026-03-01T00:09:59Z', ['detach-pending', 'info']],
    ['long ago needs a person who looks', '2026-03-01T00:10:00Z', ['detach-left-pending', 'warning']],
  ] as const)('that was begun %s, and a run finishes it in any case', (_, at, [code, severity]) => {
    const input = inputOf([], { at: Instant.from(at) })
    const plan = planTable(input, noEvidence)
    expect(plan.findings).toMatchObject([{ code: 'detach-pending', severity: 'info' }])
    const { findings } = inspectTable(input, plan)
    expect(findings.filter((one) => one.code.startsWith('detach-'))).toMatchObject([
      { code, severity, relation: { name: 'january' } },
    ])
  })

  it('says of a column that may have been renamed that it is to be renamed, and never that it be dropped', () => {
    const [finding] = planned([
      { kind: 'column', column: 'w', surplus: ['v', 'u'] },
      { kind: 'check', constraint: 'odd "name"' },
    ]).findings
    expect(finding?.next).toContain(
      'ALTER TABLE "public"."events" RENAME COLUMN "w" TO "v" or "u"; ALTER TABLE "public"."events" DROP CONSTRAINT "odd ""name""";',
    )
    expect(finding?.next).not.toContain('DROP COLUMN')
  })
})
