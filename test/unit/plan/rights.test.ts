import { describe, expect, it } from 'vitest'
import type { MaintenancePlan, PartitionTree } from '../../../src/index.ts'
import { calculatorFor, Instant, TablePartitionConfig } from '../../../src/index.ts'
import { noEvidence } from '../../../src/plan/evidence.ts'
import { planTable } from '../../../src/plan/planner.ts'
import { explainsItself } from '../../support/converges.ts'
import { attached, rangeBound, treeOf } from '../../support/planned-world.ts'

const now = Instant.from('2026-03-15T12:00:00Z')
const at = (text: string): bigint => Instant.from(text).epochMicroseconds
const month = (name: string, from: string, to: string) =>
  attached({
    oid: name,
    name,
    boundText: rangeBound('timestamptz', at(`${from}T00:00:00Z`), at(`${to}T00:00:00Z`)),
  })
const rest = attached({ oid: '9', name: 'rest', boundText: 'DEFAULT' })

function planned(
  change: (tree: PartitionTree) => PartitionTree,
  retentionCount: number | undefined = 2,
): MaintenancePlan {
  const config = new TablePartitionConfig({
    tableName: 'events',
    partitionColumn: 'at',
    granularity: 'month',
    createAheadCount: 2,
    ...(retentionCount > 0 && { retentionCount }),
  })
  const partitions = [
    month('january', '2026-01-01', '2026-02-01'),
    month('february', '2026-02-01', '2026-03-01'),
    month('march', '2026-03-01', '2026-04-01'),
    month('odd', '2020-01-01', '2021-01-01'),
    rest,
  ]
  const tree = treeOf(
    {
      keyType: 'timestamptz',
      partitions,
      detached: [],
      strangers: new Set(),
      rowsInDefault: [],
      filled: new Set(),
      referenced: false,
      nextOid: 1,
    },
    now,
  )
  const plan = planTable(
    { config, calculator: calculatorFor('month', 'UTC'), tree: change(tree) },
    noEvidence,
  )
  explainsItself(plan)
  return plan
}

const rights = ({ findings }: MaintenancePlan): readonly string[] =>
  findings.flatMap(({ code, message, next }) => (code === 'rights-missing' ? [`${message} ${next}`] : []))
const ofOthers = (tree: PartitionTree): PartitionTree => ({
  ...tree,
  server: { ...tree.server, role: 'App "Writer"' },
  partitions: tree.partitions.map((partition) => ({ ...partition, owner: 'boss', owned: false })),
})

describe('the rights of the connected role', () => {
  it('are no finding where it has them all', () => {
    expect(rights(planned((tree) => tree))).toEqual([])
  })

  it('are a finding with the GRANT where it is no member of the owner, and the plan stays the same plan', () => {
    const foreign = planned((tree) => ({ ...tree, parent: { ...tree.parent, owned: false } }))
    expect(rights(foreign)).toEqual([
      'The role "owner" lacks what a run on public.events needs: it is no member of "owner", which owns public.events. ' +
        'Run as the owner of the table, or let an administrator do what `pg-partsmith grants` (findMissingGrants) prints: GRANTs, and for tables of a superuser another owner, in comments.',
    ])
    expect(foreign.operations).toEqual(planned((tree) => tree).operations)
  })

  it('on partitions count for those that retention reaches some day, and for no other', () => {
    expect(rights(planned(ofOthers))).toEqual([
      'The role "App ""Writer""" lacks what a run on public.events needs: it is no member of "boss", which owns public.january, public.february and public.march. ' +
        'Run as the owner of the table, or let an administrator do what `pg-partsmith grants` (findMissingGrants) prints: GRANTs, and for tables of a superuser another owner, in comments.',
    ])
    expect(rights(planned(ofOthers, 0))).toEqual([])
  })

  it('on the schema are those of the owner, who gets the partitions', () => {
    const [said] = rights(
      planned((tree) => ({
        ...tree,
        server: { ...tree.server, role: 'keeper' },
        parent: { ...tree.parent, owner: 'boss', mayCreate: false },
      })),
    )
    expect(said).toContain(
      'it may not create tables in the schema "public" for "boss", which owns the table.',
    )
  })

  it('name the schema and DEFAULT where it may not create or move rows', () => {
    const [said] = rights(
      planned((tree) => ({ ...tree, parent: { ...tree.parent, mayCreate: false, mayEmptyDefault: false } })),
    )
    expect(said).toContain(
      'it may not SELECT and DELETE in the DEFAULT partition public.rest; it may not create tables in the schema "public".',
    )
    expect(said).not.toContain(' TO ')
  })
})
